"""Build the options of a subject, and a model that contains it, for rules to check."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import Any

import torch
from pydantic import BaseModel, ValidationError

from zoo.core.errors import ZooError
from zoo.core.sections import StageSpec
from zoo.core.spec import Choice, Spec, search_space
from zoo.core.types import Batch, DataInfo
from zoo.models.base import Model, Stage, saved_weights_follow
from zoo.models.generator import Generator
from zoo.registry.blame import plugin_errors
from zoo.registry.build import build_model, conditioned
from zoo.registry.entry import Component, Entry, resolve_entry
from zoo.registry.model_size import build_on_meta
from zoo.registry.raw_entry import RawEntry
from zoo.registry.search.dimension import Dimension, Value, fit_range
from zoo.registry.search.syntax import RangeError
from zoo.testing import toys
from zoo.testing.check import NotRun, Subject
from zoo.testing.rule import Broken
from zoo.training.stepper import Stepper

SHAPES = tuple((channels, side, side) for side in (8, 32, 28, 64, 16, 96, 128, 224, 256) for channels in (1, 3))
"""Shapes of pictures to try in turn until a model accepts one."""
RANDOM_SPECS, MAX_DRAWS = 3, 50
"""Number of valid random points of a search space, and of attempts to find them."""
TRAINING = StageSpec(schedule="constant", warmup=0.0, lr=2e-3)


def spec_of(subject: Subject) -> Spec:
    """Combine the given options with defaults; raise NotRun if a required one is missing."""
    try:
        spec: Spec = subject.kind.spec.model_validate(dict(subject.options))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(map(str, first["loc"]))
        if first["type"] == "missing":
            raise NotRun(f"{name} is required", f"set it: zoo check {subject} {name}=VALUE") from None
        raise ZooError(f"{subject}: {name}: {first['msg']}", "see `zoo plugins`") from None
    return spec


def random_specs(subject: Subject) -> Iterator[Spec]:
    """Yield specs at random points of the search space; raise Broken if the spec rejects all of them."""
    spec = spec_of(subject)
    if not search_space(type(spec)).keys() - subject.options.keys():
        return
    rng, found = random.Random(0), 0
    for _ in range(MAX_DRAWS):
        try:
            yield randomize(spec, rng, subject.options)
        except ValidationError:
            continue  # a search does not count such a candidate either
        if (found := found + 1) == RANDOM_SPECS:
            return
    if not found:
        raise Broken(
            f"the spec rejects {MAX_DRAWS} of {MAX_DRAWS} random points of its search space; narrow the ranges"
        )


def randomize(spec: Spec, rng: random.Random, fixed: Collection[str] = ()) -> Spec:
    """Give random values to searched options that are not fixed; raise ValidationError if they conflict."""
    body = spec.model_dump()
    for name in search_space(type(spec)):
        if name not in fixed:
            set_option(body, name, random_value(type(spec), name, rng))
    return type(spec).model_validate(body)


def set_option(body: dict[str, Any], name: str, value: Any) -> None:
    """Set an option by its dotted name."""
    *path, last = name.split(".")
    for part in path:
        body = body[part]
    body[last] = value


def random_value(spec: type[BaseModel], name: str, rng: random.Random) -> Value:
    """Sample a value of an option from its search range."""
    dimension = dimension_of(spec, name)
    if isinstance(dimension.mark, Choice):
        return rng.choice(dimension.mark.values)
    if dimension.step is None:
        return rng.uniform(dimension.mark.low, dimension.mark.high)
    return dimension.value_at(rng.randint(0, dimension.steps))


def dimension_of(spec: type[BaseModel], name: str) -> Dimension:
    """Get the search dimension of a dotted option; raise Broken if its search range does not fit its type."""
    *path, last = name.split(".")
    for part in path:
        nested = spec.model_fields[part].annotation
        assert isinstance(nested, type) and issubclass(nested, BaseModel)
        spec = nested
    mark = search_space(spec)[last]
    try:
        mark, integer = fit_range(spec.model_fields[last], mark)
    except RangeError as error:
        raise Broken(f"the search space of {name}: {error}") from None
    return Dimension(name, mark, name, integer)


def entry_of(subject: Subject, spec: Spec) -> Entry:
    """Make an entry of a model kind with these options and its default prior and text encoder."""
    entry = resolve_entry(RawEntry("check", {"model": {"kind": str(subject), **subject.options}}, {}))
    return replace(entry, model=replace(entry.model, spec=spec))


def model_of(subject: Subject, info: DataInfo, spec: Spec | None = None, seed: int = 0, saved: bool = False) -> Model:
    """Build a model from a seed; a prior or text encoder becomes part of a toy generator."""
    spec = spec or spec_of(subject)
    torch.manual_seed(seed)
    with saved_weights_follow() if saved else nullcontext():
        model = assemble_model(subject, spec, info)
    if model.teacher:
        torch.manual_seed(0)
        model.learn_from(toys.LinearClassifier(info).eval().requires_grad_(False))
    return model


def assemble_model(subject: Subject, spec: Spec, info: DataInfo) -> Model:
    """Build the model, with toys around a prior or a text encoder."""
    if subject.family == "model":
        return build_model(entry_of(subject, spec), info)
    with plugin_errors(Component(subject.kind, subject.plugin, spec, str(subject)), "build"):
        if subject.family == "prior":
            codec = toys.VQCodec(info) if subject.kind.words else toys.LinearCodec(info)
            prior = subject.kind.build(spec, codec.code._replace(condition=len(info.classes)))
            return Generator(codec, prior, info)
        text = subject.kind.build(spec, info)
        codec = toys.LinearCodec(info)
        return Generator(codec, toys.ConditionalNormal(conditioned(codec.code, text)), info, text)


def info_for(subject: Subject) -> DataInfo:
    """Describe pictures that the subject accepts; raise Broken if it rejects all that are tried."""
    if subject.family != "model":
        return toys.info_of()
    for shape in SHAPES:
        info = toys.info_of(shape)
        with suppress(Exception):  # other errors are left to the rules that build the model
            try:
                build_on_meta(entry_of(subject, spec_of(subject)), info)
            except ZooError as error:
                if type(error) is ZooError:
                    refused = error
                    continue
        return info
    raise Broken(f"it rejects pictures of every size tried: {refused}")


def model_and_batch(subject: Subject, seed: int = 0) -> tuple[Model, Batch]:
    """Build a model, and a batch that it accepts."""
    info = info_for(subject)
    return model_of(subject, info, seed=seed), toys.batch_of(info)


class ShortTraining:
    """Train a model briefly; like the trainer, list the trainable parameters before stages freeze them."""

    def __init__(self, model: Model) -> None:
        self.model, self.stages = model, model.stages()
        self.trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def start(self, stage: Stage, steps: int) -> Stepper:
        """Make the stepper of a stage, and put the stage in training mode."""
        stepper = Stepper(self.model, stage, TRAINING, steps, None, torch.contiguous_format, self.trainable)
        stage.module.train()
        return stepper

    def run(self, stage: Stage, batch: Batch, steps: int) -> None:
        """Train a stage for some steps on the same batch."""
        stepper = self.start(stage, steps)
        for number in range(steps):
            stepper.step(batch, number)


def trained_model_and_batch(subject: Subject) -> tuple[Model, Batch]:
    """Build a model, train it briefly, and return it in evaluation mode with its batch."""
    model, batch = model_and_batch(subject)
    return train_briefly(model, batch), batch


def train_briefly(model: Model, batch: Batch, steps: int = 3) -> Model:
    """Train each stage for some steps, and return the model in evaluation mode."""
    training = ShortTraining(model)
    for stage in training.stages:
        training.run(stage, batch, steps)
    return model.eval()
