"""Fit batch, learning rate and epochs to the pictures, where an entry's values were chosen for others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

from zoo.core.sections import StageSpec
from zoo.registry.entry import Entry, restore_entry
from zoo.registry.raw_entry import is_fixed, set_nested

STEPS_AN_EPOCH = 25
"""Steps that an epoch has at least, as far as `MIN_BATCH` allows."""
MIN_BATCH = 32
STEPS = 3_000
"""Steps that a training has at least, as far as `WORK` and `MAX_EPOCHS` allow."""
MAX_EPOCHS = 400
WORK = 2e13
"""Floating-point operations of a training on few pictures: about a minute on two CPU cores with a compiled kernel."""
WORTH_COMPILING = 2e12
"""Floating-point operations from which on a classifier is trained faster with a compiled kernel."""
MIN_EPOCHS = 12
"""Epochs to which a training on few pictures is shortened at most."""
FORWARDS_PER_STEP = 3
"""A training step costs as much as this many forward passes: the backward pass costs about two."""
FEW = 10_000
"""Training pictures below which the first result should not take longer than `WORK`."""
VERY_FEW = 2_000
"""Training pictures below which a classifier needs regularisation, and too few validate to tell the best epoch."""
WEIGHT_DECAY, LABEL_SMOOTHING, DROPOUT = 0.2, 0.1, 0.2
"""Regularisation of a classifier of very few pictures."""
PAD, CUTOUT, JITTER = 3 / 16, 3 / 8, 0.3
"""Its augmentation: shares of the height, and of brightness and contrast."""
SHOWN = ("size", "batch", "epochs")
"""Options whose values are said; of others only the names."""
SMALL_SIDE = 32
"""Height and width to which larger square pictures are resized where all their pixels would take longer than `WORK`."""


class Workload(NamedTuple):
    """What the fitted values depend on: the pictures, and the cost of the model."""

    pictures: int
    """Number of training pictures."""
    height: int
    """Height of the pictures in pixels."""
    flops: int | None
    """Floating-point operations of a forward pass for one picture; None if unknown."""
    classifier: bool
    small_flops: int | None = None
    """The same for pictures of `SMALL_SIDE`; None if they are not resized."""

    def work(self, epochs: int) -> float:
        """Return the floating-point operations of a training; 0 if unknown."""
        return float(FORWARDS_PER_STEP * (self.flops or 0) * self.pictures * epochs)


@dataclass(frozen=True)
class Fit:
    """The options that follow the pictures."""

    changed: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """Value of the entry and fitted value, by option."""
    held: tuple[str, ...] = ()
    """Options that would follow the pictures, but were typed."""
    pictures: int = 0
    """Number of training pictures."""

    @classmethod
    def restore(cls, record: Mapping[str, Any]) -> Self:
        """Read the fit of a run back from its record."""
        changed = {option: (old, new) for option, (old, new) in record.get("fitted", {}).items()}
        return cls(changed, tuple(record.get("held", ())), int(record["pictures"].get("train", 0)))

    def record(self) -> dict[str, Any]:
        """Return what a run's record keeps; nothing if nothing could change."""
        kept = {"fitted": {option: list(pair) for option, pair in self.changed.items()}, "held": list(self.held)}
        return {key: value for key, value in kept.items() if value}

    @property
    def other_pictures(self) -> bool:
        """Whether the pictures must be read again, at another size."""
        return any(option.startswith("data.") for option in self.changed)

    def apply(self, entry: Entry) -> Entry:
        """Return the entry with the fitted values."""
        if not self.changed:
            return entry
        dumped = entry.dump()
        for option, (_, new) in self.changed.items():
            set_nested(dumped, option.split("."), new)
        return replace(restore_entry(dumped), tune=entry.tune, typed=entry.typed)

    def describe(self) -> str:
        """Say in one line what follows the pictures; empty if nothing does."""
        if not self.changed:
            return ""
        shown = [option for option in self.changed if option.rpartition(".")[2] in SHOWN]
        parts = [f"{option} {show(self.changed[option][0])} -> {show(self.changed[option][1])}" for option in shown]
        others = [option.removeprefix("train.") for option in self.changed if option not in shown]
        text = "; also ".join(", ".join(names) for names in (parts, others) if names)
        return f"{self.pictures:,} training pictures: {text}; set them to choose yourself"


def show(value: Any) -> str:
    """Format a value as it is typed; no value is shown as auto."""
    return "auto" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def fit_to_pictures(entry: Entry, workload: Workload) -> Fit:
    """Choose values that suit the pictures.

    Options that were typed stay, and so do all options of an entry that is trained on its own pictures.
    """
    if entry.typed is None:
        return Fit(pictures=workload.pictures)
    better = {option: (old, new) for option, old, new in proposals(entry, workload) if old != new}
    held = tuple(option for option in better if is_fixed(option, entry.typed))
    return Fit({option: pair for option, pair in better.items() if option not in held}, held, workload.pictures)


def proposals(entry: Entry, workload: Workload) -> Iterator[tuple[str, Any, Any]]:
    """Yield option, value of the entry and value that suits the pictures, also for stages with their own values."""
    typed = entry.typed or frozenset()
    if workload.small_flops:
        batch = fit_batch(entry.train.batch, workload.pictures)
        if workload.work(enough_epochs(batch, workload.pictures)) > WORK:
            yield "data.size", None, SMALL_SIDE
            if not is_fixed("data.size", typed):
                workload = workload._replace(flops=workload.small_flops, height=SMALL_SIDE)
    train = entry.train
    groups = {"train": train.model_dump()} | {f"train.stages.{name}": own for name, own in train.stages.items()}
    for name, values in groups.items():
        spec = train.stage(name.rpartition(".")[2]) if name != "train" else train
        parts = spec.accumulate or 1
        suited = max(1, fit_batch(spec.batch * parts, workload.pictures) // parts)
        batch = spec.batch if is_fixed(f"{name}.batch", typed) else suited
        fitted: dict[str, Any] = {"batch": suited, "lr": fit_rate(spec, batch)}
        if train.minutes is None and spec.minutes is None:
            fitted["epochs"] = fit_epochs(spec.epochs, batch * parts, workload)
        yield from ((f"{name}.{key}", values[key], value) for key, value in fitted.items() if key in values)
        if name == "train" and workload.classifier and workload.pictures < FEW:
            epochs = (
                spec.epochs if is_fixed("train.epochs", typed) else fit_epochs(spec.epochs, batch * parts, workload)
            )
            yield from for_few_pictures(entry, workload, epochs)


def for_few_pictures(entry: Entry, workload: Workload, epochs: int) -> Iterator[tuple[str, Any, Any]]:
    """Yield what helps a classifier that learns from few pictures."""
    train = entry.train
    if train.compile == "auto" and train.minutes is None and workload.work(epochs) > WORTH_COMPILING:
        yield "train.compile", "auto", "on"
    if workload.pictures < VERY_FEW:
        if train.monitor is None:
            yield "train.keep", train.keep, "last"
        if train.optimizer == "adamw" and not train.decoupled:  # else it would not be multiplied by the rate
            yield "train.weight_decay", train.weight_decay, max(train.weight_decay, WEIGHT_DECAY)
        augment = {"pad": int(PAD * workload.height), "cutout": int(CUTOUT * workload.height)}
        for name, value in (augment | {"brightness": JITTER, "contrast": JITTER}).items():
            yield f"train.augment.{name}", getattr(train.augment, name), value
        model = entry.model.spec.model_dump()
        for name, value in (("label_smoothing", LABEL_SMOOTHING), ("dropout", DROPOUT)):
            if model.get(name) == 0:
                yield f"model.{name}", model[name], value


def fit_batch(batch: int, pictures: int) -> int:
    """Return the largest power of two with enough steps an epoch, at most the batch of the entry."""
    if pictures >= batch * STEPS_AN_EPOCH:
        return batch
    return min(batch, max(MIN_BATCH, int(2 ** int(math.log2(max(1, pictures / STEPS_AN_EPOCH))))))


def fit_rate(spec: StageSpec, batch: int) -> float:
    """Return the learning rate for another batch: it follows the square root, as is usual with Adam."""
    return spec.lr if batch == spec.batch else float(f"{spec.lr * math.sqrt(batch / spec.batch):.2g}")


def enough_epochs(batch: int, pictures: int) -> int:
    """Return the epochs that have `STEPS` steps, at most `MAX_EPOCHS`."""
    return min(math.ceil(STEPS / max(1, pictures // batch)), MAX_EPOCHS)


def fit_epochs(epochs: int, batch: int, workload: Workload) -> int:
    """Return how many epochs give enough steps within `WORK`.

    They are at least those of the entry, or `MIN_EPOCHS` for a classifier of few pictures that would take longer.
    """
    wanted = max(epochs, enough_epochs(batch, workload.pictures))
    affordable = int(WORK / workload.work(1)) if workload.flops else wanted
    least = min(epochs, MIN_EPOCHS) if workload.classifier and workload.pictures < FEW else epochs
    return max(least, min(wanted, affordable))
