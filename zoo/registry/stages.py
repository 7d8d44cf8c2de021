"""Checks that the options of a training fit the model: those of single stages, and mixed labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from zoo.core.errors import ZooError, did_you_mean
from zoo.core.sections import TrainSpec
from zoo.registry.augments import refuse_mixed_labels

if TYPE_CHECKING:
    from zoo.models.base import Model, Stage


def check_stages(spec: TrainSpec, model: Model, searched: Iterable[str] = ()) -> None:
    """Raise ZooError for options of a stage that the model does not have, and for minutes that do not fit.

    Augmentations that mix labels are refused for a model that does not learn from them. `searched` are the options that
    are searched.
    """
    if not model.takes_mixed_labels:
        refuse_mixed_labels(spec.augment)
    check_initial_scale(spec, model.takes_smaller_pictures)
    stages = model.stages()
    check_stage_names(spec, [stage.name for stage in stages], searched)
    check_cache(spec, [stage.name for stage in stages if stage.encoding], [stage.name for stage in stages])


def check_initial_scale(spec: TrainSpec, takes_smaller_pictures: bool) -> None:
    """Raise ZooError if pictures are to grow during a training, and the model or its teacher does not go with that."""
    if not any(spec.stage(name).initial_scale for name in ("", *spec.stages)):
        return
    if not takes_smaller_pictures:
        text = "train.initial_scale has no effect on a model that takes pictures of one size only"
        raise ZooError(text, "drop it, or choose a convnet such as plain-875k")
    if spec.teacher is not None:
        text = "train.initial_scale and train.teacher do not go together: a teacher takes pictures of full size only"
        raise ZooError(text, "drop one of them")


def choose_stage(model: Model, name: str | None) -> Stage:
    """Return the stage of this name, by default the first; ZooError if the model has none of this name."""
    stages = {stage.name: stage for stage in model.stages()}
    name = name or next(iter(stages))
    if name not in stages:
        raise ZooError(f"the model has no stage {name!r}", did_you_mean(name, stages))
    return stages[name]


def check_cache(spec: TrainSpec, able: Sequence[str], names: Sequence[str]) -> None:
    """Raise ZooError where a stage is to keep encoded pictures that change from epoch to epoch.

    `able` are the stages of which a part can be computed once for each picture.
    """
    wanted = [name for name in names if spec.stage(name).cache]
    if not wanted:
        return
    if others := [name for name in wanted if name not in able]:
        text = f"train.cache: the stage {others[0]!r} computes nothing that could be kept for each picture"
        hint = (
            f"set train.stages.{able[0]}.cache=true alone" if able else "drop it; a prior has it with prior.joint=false"
        )
        raise ZooError(text, hint)
    augment = spec.augment
    if augment.pad or augment.cutout or augment.brightness or augment.contrast or augment.then:
        text = f"train.stages.{wanted[0]}.cache keeps pictures as they are and mirrored, so they cannot be augmented"
        raise ZooError(text, "set train.augment.pad=0 and no other augmentation than flip, or drop it")


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
