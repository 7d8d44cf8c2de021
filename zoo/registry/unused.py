"""Typed options that another option of the entry makes void."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from zoo.core.errors import ZooError
from zoo.core.sections import TrainSpec
from zoo.registry.entry import Entry


def refuse_unused(entry: Entry, typed: Iterable[str], searched: Collection[str] = ()) -> None:
    """Raise ZooError for a typed option that has no effect; options that are searched have no single value."""
    for error in unused_options(entry, typed, searched).values():
        raise error


def unused_options(entry: Entry, typed: Iterable[str], searched: Collection[str] = ()) -> dict[str, ZooError]:
    """Find the typed options that have no effect, with an error for each."""
    return {key: error for key in typed for error in unused_option(entry, key, searched)}


def unused_option(entry: Entry, key: str, searched: Collection[str]) -> Iterator[ZooError]:
    """Yield the error for an option if it has no effect."""
    train = entry.train
    if key.startswith("train.") and key.endswith(".momentum"):
        stages = [key.split(".")[2]] if key.startswith("train.stages.") else [*train.stages, ""]
        varies = any(path.startswith("train.") and path.endswith(".optimizer") for path in searched)
        if not varies and {train.stage(name).optimizer for name in stages} == {"adamw"}:
            yield ZooError(f"{key} has no effect with the optimizer adamw", "set train.optimizer=sgd or muon")
    if key == "train.augment.pad_mode" and train.augment.pad == 0 and "train.augment.pad" not in searched:
        yield ZooError(f"{key} has no effect without a border", "set train.augment.pad above 0")
    if key == "tune.startup" and entry.tune.sampler == "random":
        yield ZooError(f"{key} has no effect with the sampler random", "leave it out, or choose another tune.sampler")
    if key == "train.balance_power" and train.balance is None and "train.balance" not in searched:
        yield ZooError(f"{key} has no effect without train.balance", "set train.balance=logit-adjustment")
    if key.startswith("train.distill_") and train.teacher is None and "train.teacher" not in searched:
        yield ZooError(f"{key} has no effect without train.teacher", "name the run to learn from")
    if key == "train.monitor" and train.keep == "last" and not follows_monitor(train):
        yield ZooError(f"{key} has no effect with train.keep=last", "set train.keep=best")
    yield from unused_in_stages(train, key, searched)


def follows_monitor(train: TrainSpec) -> bool:
    """Return whether the monitored figure guides a stage, whichever weights are kept."""
    return any(spec.schedule == "plateau" or spec.patience for spec in map(train.stage, [*train.stages, ""]))


def unused_in_stages(train: TrainSpec, key: str, searched: Collection[str]) -> Iterator[ZooError]:
    """Yield the error for an option of stages, none of which has what the option belongs to."""
    section, *names, option = key.split(".")
    if section != "train" or len(names) not in (0, 2):
        return
    stages = [train.stage(names[1])] if names else [train.stage(name) for name in [*train.stages, ""]]
    if option == "cooldown" and not ends_with(searched, ".schedule") and all(s.schedule != "wsd" for s in stages):
        yield ZooError(f"{key} has no effect on this schedule", "set train.schedule=wsd")
    scaled = any(stage.initial_scale for stage in stages) or ends_with(searched, ".initial_scale")
    if option == "finetune_fraction" and not scaled:
        yield ZooError(f"{key} has no effect without train.initial_scale", "set train.initial_scale=0.6")
    if option == "goal" and not ends_with(searched, ".monitor") and all(s.monitor is None for s in stages):
        yield ZooError(f"{key} has no effect without train.monitor", "name a figure, e.g. train.monitor=accuracy")
    if option == "min_delta" and not ends_with(searched, ".patience") and all(s.patience is None for s in stages):
        yield ZooError(f"{key} has no effect without train.patience", "set train.patience=5")
    decays = option in ("decoupled", "decay_bias", "decay_norm") and not ends_with(searched, ".weight_decay")
    if decays and all(stage.weight_decay == 0 for stage in stages):
        yield ZooError(f"{key} has no effect without weight decay", "set train.weight_decay above 0")


def ends_with(paths: Collection[str], end: str) -> bool:
    """Return whether one of some options of `train` has this ending."""
    return any(path.startswith("train.") and path.endswith(end) for path in paths)
