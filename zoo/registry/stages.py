"""Checks that the options of a training fit the model: those of single stages, and mixed labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from zoo.core.errors import ZooError, did_you_mean
from zoo.core.sections import TrainSpec
from zoo.registry.augments import refuse_mixed_labels

if TYPE_CHECKING:
    from zoo.models.base import Model


def check_stages(spec: TrainSpec, model: Model, searched: Iterable[str] = ()) -> None:
    """Raise ZooError for options of a stage that the model does not have, and for minutes that do not fit.

    Augmentations that mix labels are refused for a model that does not learn from them. `searched` are the options that
    are searched.
    """
    if not model.takes_mixed_labels:
        refuse_mixed_labels(spec.augment)
    check_stage_names(spec, [stage.name for stage in model.stages()], searched)


def check_stage_names(spec: TrainSpec, names: Sequence[str], searched: Iterable[str] = ()) -> None:
    """Do as `check_stages`, by the names of the model's stages."""
    tuned = {option.split(".")[2] for option in searched if option.startswith("train.stages.")}
    if unknown := sorted({*spec.stages, *tuned} - {*names}):
        text = f"train.stages.{unknown[0][:60]}: the model has no stage {unknown[0][:60]!r}"
        only = f"its only stage is {names[0]!r}, so set train.NAME=VALUE" if len(names) == 1 else ""
        raise ZooError(text, only or did_you_mean(unknown[0], names) or f"known stages: {', '.join(names)}")
    check_minutes(spec, names)


def check_minutes(spec: TrainSpec, names: Sequence[str]) -> None:
    """Raise ZooError where the stages' own minutes do not fit into those of the whole training."""
    own = [minutes for name in names if (minutes := spec.own_minutes(name))]
    if spec.minutes is None or not own:
        return
    others = [name for name in names if not spec.own_minutes(name)]
    if others and sum(own) >= spec.minutes:
        text = f"train.minutes={spec.minutes:g} leaves no time for the stage {others[0]!r}"
        raise ZooError(text, f"the other stages' own minutes add up to {sum(own):g}; {set_minutes(spec, names)}")
    if not others and abs(sum(own) - spec.minutes) > 1e-6 * spec.minutes:
        text = f"train.minutes={spec.minutes:g}, but the stages' own minutes add up to {sum(own):g}"
        raise ZooError(text, f"remove train.minutes, or {set_minutes(spec, names)}")


def set_minutes(spec: TrainSpec, names: Sequence[str]) -> str:
    """Return the options that set the stages' own minutes, as advice."""
    return "set " + " and ".join(f"train.stages.{name}.minutes" for name in names if spec.own_minutes(name))
