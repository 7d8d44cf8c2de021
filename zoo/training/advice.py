"""Advice before a training begins: few steps, a generator far from trained, a rare class."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from zoo.core.sections import TrainSpec
from zoo.data.balance import rare_classes
from zoo.data.dataset import Splits
from zoo.models.base import Classifier, Model
from zoo.models.generator import Generator
from zoo.registry.entry import Entry

FEW_STEPS = 100
"""Steps below which a model learns little, whatever it is."""
GENERATOR_STEPS = 1_000
"""Steps below which what a generator samples does not look like the pictures."""
NAMED = 3
"""Number of rare classes that are named."""


def advise(entry: Entry, model: Model, splits: Splits) -> Iterator[str]:
    """Yield a line for each thing that makes a good result unlikely, with what to do."""
    few = GENERATOR_STEPS if isinstance(model, Generator) and entry.typed is not None else FEW_STEPS
    for stage in model.stages():
        steps = count_steps(entry.train, stage.name, len(splits.train))
        if steps is not None and steps < few:
            yield few_steps(entry.train, stage.name, steps, few, len(splits.train))
    if isinstance(model, Classifier):
        yield from name_rare_classes(splits, entry.train)


def count_steps(train: TrainSpec, stage: str, pictures: int) -> int | None:
    """Count the steps of a stage; None if a time decides."""
    spec = train.stage(stage)
    if train.minutes is not None or spec.minutes is not None:
        return None
    return spec.epochs * (pictures // min(spec.step_pictures, pictures))


def few_steps(train: TrainSpec, stage: str, steps: int, few: int, pictures: int) -> str:
    """Say that a stage has few steps, and which options give more."""
    spec, own = train.stage(stage), train.stages.get(stage, {})
    epochs, batch = (f"train.stages.{stage}.{name}" if name in own else f"train.{name}" for name in ("epochs", "batch"))
    an_epoch = pictures // min(spec.step_pictures, pictures)
    more = f"{epochs}={math.ceil(few / an_epoch)}"
    smaller = (
        f" or a smaller batch than {batch}={spec.batch}" if an_epoch < few // spec.epochs and spec.batch > 1 else ""
    )
    name = "" if stage == "model" else f" of the stage {stage}"
    return f"few steps{name}: {steps}, less than {few:,} seldom suffice; set {more}{smaller}"


def name_rare_classes(splits: Splits, train: TrainSpec) -> Iterator[str]:
    """Yield a line if some classes are much rarer than the most frequent one, and nothing is done about it."""
    classes = splits.info.classes
    counts = torch.bincount(splits.train.y, minlength=len(classes))[: len(classes)].tolist()
    rare = [(counts[label], classes[label]) for label in rare_classes(counts)]
    if rare and train.balance is None:
        most = max(counts)
        named = ", ".join(f"{name!r} has {count}" for count, name in sorted(rare)[:NAMED])
        more = f" and {len(rare) - NAMED} more classes are as rare" if len(rare) > NAMED else ""
        yield (
            f"rare: {named} training pictures{more}, {classes[counts.index(most)]!r} has {most:,};"
            " set train.balance=logit-adjustment and train.monitor=macro_accuracy if each class matters as much"
        )
