"""From a subject to what a rule looks at: its options, and a model that it is a part of."""

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
from zoo.registry.build import build_model
from zoo.registry.catalog import catalog
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
"""Pictures that a model is tried with: the first that it does not refuse."""
RANDOM_SPECS, MAX_DRAWS = 3, 50
"""Random points of a search space, and draws until there are so many that the spec takes."""
TRAINING = StageSpec(schedule="constant", warmup=0.0, lr=2e-3)


def spec_of(subject: Subject) -> Spec:
    """The options that were given, and defaults; NotRun where one must be given that was not."""
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
    """Options at random points of the search space; Broken where the spec takes none of them."""
    spec = spec_of(subject)
    if not search_space(type(spec)).keys() - subject.options.keys():
        return
    chance, found = random.Random(0), 0
    for _ in range(MAX_DRAWS):
        try:
            yield randomize(spec, chance, subject.options)
        except ValidationError:
            continue  # as in a search, where such a candidate does not count
        if (found := found + 1) == RANDOM_SPECS:
            return
    if not found:
        raise Broken(
            f"the spec rejects {MAX_DRAWS} of {MAX_DRAWS} random points of its search space; narrow the ranges"
        )


def randomize(spec: Spec, chance: random.Random, fixed: Collection[str] = ()) -> Spec:
    """The options with random values for those that are searched and not fixed; ValidationError where they clash."""
    body = spec.model_dump()
    for name in search_space(type(spec)):
        if name not in fixed:
            set_option(body, name, random_value(type(spec), name, chance))
    return type(spec).model_validate(body)


def set_option(body: dict[str, Any], name: str, value: Any) -> None:
    """Set a dotted option."""
    *path, last = name.split(".")
    for part in path:
        body = body[part]
    body[last] = value


def random_value(spec: type[BaseModel], name: str, chance: random.Random) -> Value:
    """A value from where the tuner may look."""
    dimension = dimension_of(spec, name)
    if isinstance(dimension.mark, Choice):
        return chance.choice(dimension.mark.values)
    if dimension.step is None:
        return chance.uniform(dimension.mark.low, dimension.mark.high)
    return dimension.value_at(chance.randint(0, dimension.steps))


def dimension_of(spec: type[BaseModel], name: str) -> Dimension:
    """The dimension of a dotted option; Broken where its mark does not fit it."""
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
    """An entry of a model kind with these options, and the prior and the text encoder that it has by default."""
    entry = resolve_entry(catalog(), RawEntry("check", {"model": {"kind": str(subject), **subject.options}}, {}))
    return replace(entry, model=replace(entry.model, spec=spec))


def model_of(subject: Subject, info: DataInfo, spec: Spec | None = None, seed: int = 0, saved: bool = False) -> Model:
    """A fresh model, from a seed; of a prior or a text encoder one that it is a part of, with toys for the rest."""
    spec = spec or spec_of(subject)
    torch.manual_seed(seed)
    with saved_weights_follow() if saved else nullcontext():
        model = assemble_model(subject, spec, info)
    if model.teacher:
        torch.manual_seed(0)
        model.learn_from(toys.LinearClassifier(info).eval().requires_grad_(False))
    return model


def assemble_model(subject: Subject, spec: Spec, info: DataInfo) -> Model:
    """The model."""
    if subject.family == "model":
        return build_model(entry_of(subject, spec), info)
    with plugin_errors(Component(subject.kind, subject.plugin, spec, str(subject)), "build"):
        if subject.family == "prior":
            codec = toys.VQCodec(info) if subject.kind.words else toys.LinearCodec(info)
            prior = subject.kind.build(spec, codec.code._replace(condition=len(info.classes)))
            return Generator(codec, prior, info)
        text = subject.kind.build(spec, info)
        codec = toys.LinearCodec(info)
        return Generator(codec, toys.ConditionalNormal(codec.code._replace(condition=text.size)), info, text)


def info_for(subject: Subject) -> DataInfo:
    """Pictures that the subject takes; ZooError where it refuses all that are tried."""
    if subject.family != "model":
        return toys.info_of()
    for shape in SHAPES:
        info = toys.info_of(shape)
        with suppress(Exception):  # what is no refusal is for the rule that builds it in earnest
            try:
                build_on_meta(entry_of(subject, spec_of(subject)), info)
            except ZooError as error:
                if type(error) is ZooError:
                    refused = error
                    continue
        return info
    raise Broken(f"it rejects pictures of every size tried: {refused}")


def model_and_batch(subject: Subject, seed: int = 0) -> tuple[Model, Batch]:
    """A fresh model and a batch that it takes."""
    info = info_for(subject)
    return model_of(subject, info, seed=seed), toys.batch_of(info)


class ShortTraining:
    """A model in training: what it learns is found out before the first stage freezes the rest, as the trainer does."""

    def __init__(self, model: Model) -> None:
        self.model, self.stages = model, model.stages()
        self.learnt = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def begin(self, stage: Stage, steps: int) -> Stepper:
        """What optimises a stage, which is in training mode from then on."""
        made = Stepper(self.model, stage, TRAINING, steps, None, torch.contiguous_format, self.learnt)
        stage.module.train()
        return made

    def run(self, stage: Stage, batch: Batch, steps: int) -> None:
        """So many steps of a stage on the same batch."""
        made = self.begin(stage, steps)
        for number in range(steps):
            made.step(batch, number)


def trained_model_and_batch(subject: Subject) -> tuple[Model, Batch]:
    """A model after some steps of training, in evaluation mode, and the batch that it learnt from."""
    model, batch = model_and_batch(subject)
    return train_briefly(model, batch), batch


def train_briefly(model: Model, batch: Batch, steps: int = 3) -> Model:
    """The model in evaluation mode, after some steps of each stage."""
    course = ShortTraining(model)
    for stage in course.stages:
        course.run(stage, batch, steps)
    return model.eval()
