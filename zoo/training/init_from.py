"""Begin a training with the weights of a run: which of them fit, and which are new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor

from zoo.core.errors import DataError, RunError, ZooError
from zoo.core.tensor_files import Tensors, all_finite, current_names
from zoo.core.types import DataInfo
from zoo.models.base import Classifier, Model
from zoo.registry.entry import Entry
from zoo.registry.model_size import build_on_meta
from zoo.runs.find import load
from zoo.runs.run import Run, differences

NAMED = 3
"""Number of tensors that the note names."""
FEW = 2
"""The note says how the models differ where less than one in this many parameters was taken."""


@dataclass(frozen=True)
class Taken:
    """What a training took from a run, by the names of its tensors."""

    run: str
    """The run folder."""
    entry: str
    data: str
    weights_sha256: str
    taken: tuple[str, ...]
    adapted: tuple[str, ...] = ()
    """Those of `taken` that were converted to another number of channels."""
    new: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    other_classes: bool = False
    counts: tuple[int, int] = field(default=(0, 0), compare=False)
    """Number of parameters that were taken, and of all."""
    differing: tuple[str, ...] = field(default=(), compare=False)
    """How the options of the model differ from those of the run, e.g. `model.first: 46 -> 32`."""

    def record(self) -> dict[str, Any]:
        """Return what the record of the new run keeps."""
        names = {key: list(getattr(self, key)) for key in ("taken", "adapted", "new", "unused")}
        about = {"run": self.run, "entry": self.entry, "data": self.data, "weights_sha256": self.weights_sha256}
        return about | names | {"other_classes": self.other_classes}

    @classmethod
    def restore(cls, record: Mapping[str, Any]) -> Self:
        """Read it back from the record of a run; RunError if it is damaged."""
        try:
            taken, adapted, new, unused = (
                tuple(map(str, record[key])) for key in ("taken", "adapted", "new", "unused")
            )
            run, entry, data, sha256 = (str(record[key]) for key in ("run", "entry", "data", "weights_sha256"))
            return cls(run, entry, data, sha256, taken, adapted, new, unused, bool(record["other_classes"]))
        except (LookupError, TypeError) as error:
            raise RunError(f"run.json is damaged: `init_from` is not readable ({error!r:.80})") from None

    def describe(self) -> str:
        """Say in one line what was taken, and what is new and why."""
        some, whole = self.counts
        if not whole:
            return f"began with the weights of {self.run} ({self.entry} on {self.data}), which cannot be read now"
        text = f"begins with the weights of {self.run} ({self.entry} on {self.data}): {some:,} of {whole:,} parameters"
        why = "for other classes" if self.other_classes else "of other names or shapes"
        parts = [f"new, {why}: {some_names(self.new)}"] if self.new else []
        parts += [f"converted to other channels: {some_names(self.adapted)}"] if self.adapted else []
        parts += [f"not used: {some_names(self.unused)}"] if self.unused and not self.other_classes else []
        parts += [f"the models differ: {some_names(self.differing)}"] if some * FEW < whole and self.differing else []
        return "; ".join([text, *parts])

    def lines(self, model: Model) -> list[str]:
        """Say what was taken, and which weights are frozen although they are new."""
        return [self.describe(), self.describe_frozen(model)]

    def describe_frozen(self, model: Model) -> str:
        """Say in one line which weights are frozen although they are new and random; empty if none are."""
        trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        parameters = dict(model.named_parameters())
        random = tuple(name for name in self.new if name in parameters and name not in trained)
        return f"frozen although they are new and random: {some_names(random)}" if random else ""


def some_names(names: tuple[str, ...]) -> str:
    """Name the first of some tensors, and count the others."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more}"


def take_weights(model: Model, entry: Entry, info: DataInfo, source: Run) -> Taken:
    """Copy what fits of the weights of a run into a model that was just built.

    Weights fit by name and shape. Where the classes differ, those whose shape depends on their number stay new; where
    grey pictures replace coloured ones, or the other way round, filters of the first layer are converted.

    Args:
        model: The model of the entry, with fresh weights.
        entry: The entry to train.
        info: The pictures to train on.
        source: The run.

    Returns:
        What was taken.

    Raises:
        ZooError: If the run is of another kind, or nothing fits.
        RunError: If the weights of the run are missing or damaged.
    """
    own_model, its_model = entry.model.spelt_alike(), source.entry.model.spelt_alike()
    kinds = own_model["kind"], its_model["kind"]
    if kinds[0] != kinds[1]:
        text = f"{source.path} is a model of the kind {kinds[1]}, {entry.name} one of the kind {kinds[0]}"
        raise ZooError(text, "start from a run of the same kind")
    weights, own = current_names(model, source.weights()), model.state_dict()
    if bad := next((name for name, value in weights.items() if not all_finite(value)), None):
        raise RunError(f"{source.path}: {bad!r} contains non-finite numbers")
    other = (info.classes, info.words) != (source.info.classes, source.info.words)
    fresh = class_dependent(entry, info) if other else set()
    # a decoder's filters may have their outputs where others have their inputs
    channels = (source.info.shape[0], info.shape[0]) if isinstance(model, Classifier) else (0, 0)
    converted = {
        name: found
        for name, value in own.items()
        if name not in fresh and (found := convert(weights.get(name), value, *channels)) is not None
    }
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    count = sum(size for name, size in sizes.items() if name in converted)
    if not count:
        text = f"none of the weights of {source.path} ({source.entry.name}) fits {entry.name}"
        raise ZooError(text, "names and shapes must be equal: choose a run whose model has the same widths")
    copy_into(own, converted)
    return Taken(
        run=str(source.path.absolute()),
        entry=source.entry.name,
        data=source.entry.data.name,
        weights_sha256=str(source.record.get("weights_sha256")),
        taken=tuple(converted),
        adapted=tuple(name for name in converted if weights[name].shape != own[name].shape),
        new=tuple(name for name in own if name not in converted),
        unused=tuple(name for name in weights if name not in converted),
        other_classes=other,
        counts=(count, sum(sizes.values())),
        differing=tuple(differences(its_model, own_model, "model")),
    )


@torch.no_grad()
def copy_into(own: Tensors, values: Tensors) -> None:
    """Copy values into the tensors of the same names."""
    for name, value in values.items():
        own[name].copy_(value)


def convert(value: Tensor | None, own: Tensor, before: int, after: int) -> Tensor | None:
    """Return a tensor in the shape of one's own; None if it does not fit.

    `before` and `after` are the channels of the pictures. Where one is 1 and the other 3, filters of the first layer
    are summed or shared, and statistics of the channels averaged or repeated.
    """
    if value is None or value.is_floating_point() != own.is_floating_point():
        return None
    if value.shape == own.shape:
        return value
    axis = 0 if own.ndim == 3 else 1
    expected = [*value.shape]
    if {before, after} != {1, 3} or own.ndim not in (3, 4) or expected[axis] != before:
        return None
    expected[axis] = after
    if expected != [*own.shape] or (own.ndim == 3 and expected[1:] != [1, 1]):
        return None
    mean = value.mean(axis, keepdim=True)
    if own.ndim == 3:
        return mean.expand_as(own)
    return mean.mul(before / after).expand_as(own)


def class_dependent(entry: Entry, info: DataInfo) -> set[str]:
    """Return the names of the tensors whose shape depends on the number of classes: the head of a classifier."""
    names = (*info.classes, *(f"{name} too" for name in info.classes), "and another")
    captions = (*info.captions, *((),) * (len(names) - len(info.captions))) if info.captions else ()
    more_words = (*info.words, "".join(info.words)) if info.words else ()
    try:
        shapes = [
            {name: value.shape for name, value in build_on_meta(entry, each)[0].state_dict().items()}
            for each in (info, info._replace(classes=names, captions=captions, words=more_words))
        ]
    except Exception:  # a plugin may accept no other classes; shapes alone decide then
        return set()
    return {name for name, shape in shapes[0].items() if shapes[1].get(name) != shape}


def begin(
    model: Model, entry: Entry, info: DataInfo, start: str, before: Mapping[str, Any] | None, saved: bool
) -> Taken:
    """Begin a training with the weights of a run.

    Args:
        model: The model of the entry, with fresh weights.
        entry: The entry to train.
        info: The pictures to train on.
        start: The run, an entry or a study.
        before: What the record of the run that is resumed has of this; None for a new run.
        saved: Whether the run that is resumed has a checkpoint, which makes the weights dispensable.

    Returns:
        What was taken.

    Raises:
        ZooError: If there is no such run, or nothing fits.
        DataError: If the weights have changed since the run that is resumed began.
    """
    if before is None:
        return take_weights(model, entry, info, load(start))
    kept = Taken.restore(before)
    try:
        found = take_weights(model, entry, info, load(kept.run))
    except ZooError:
        if saved:
            return kept
        raise
    if found.weights_sha256 != kept.weights_sha256:
        raise DataError(f"the weights of {kept.run} have changed since this run began with them")
    return found
