"""Rules of metrics and judges: JSON figures, and features that do not depend on the batch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from zoo.core.types import DataInfo
from zoo.data.dataset import Pictures
from zoo.evaluation.evaluate import compute_outputs
from zoo.evaluation.gallery import make_gallery
from zoo.evaluation.judges import NamedJudge
from zoo.models.base import Model
from zoo.models.generator import Generator
from zoo.models.judge import ByClassifier, Judge, JudgeOutput
from zoo.registry.build import conditioned
from zoo.registry.kinds import Outputs
from zoo.testing import toys
from zoo.testing.building import spec_of
from zoo.testing.check import Subject
from zoo.testing.models import generator_states, snapshot
from zoo.testing.rule import broken_on_error, require, rule

CPU = torch.device("cpu")
PER_CLASS = 8


def example_outputs() -> dict[str, Outputs]:
    """Compute the inputs of metrics for a classifier, and generators for classes, of code words and for captions."""
    info = toys.info_of()
    torch.manual_seed(0)
    codec, book = toys.LinearCodec(info), toys.VQCodec(info)
    models: dict[str, Model] = {
        "a classifier": toys.LinearClassifier(info),
        "a generator": Generator(codec, toys.ConditionalNormal(codec.code._replace(condition=len(info.classes))), info),
        "a generator of code words": Generator(book, toys.IndependentWords(book.code), info),
    }
    text = toys.CaptionLetters()
    captioned = info._replace(words=("picture",), examples=("picture a",))
    prior = toys.ConditionalNormal(conditioned(codec.code, text))
    models["a generator for captions"] = Generator(codec, prior, captioned, text)
    return {name: outputs_of(model, info) for name, model in models.items()}


def outputs_of(model: Model, info: DataInfo) -> Outputs:
    """Evaluate a model on toy pictures; for a generator, with a gallery that a judge has scored."""
    split, train = toys.pictures_of(info, PER_CLASS, seed=1), toys.pictures_of(info, PER_CLASS)
    if isinstance(model, Generator) and model.reads_captions:
        split, train = (with_captions(part) for part in (split, train))
        model.set_texts(split.text_table)
    found = compute_outputs(model, split, info, CPU)
    if not isinstance(model, Generator):
        return found
    judge = NamedJudge(ByClassifier(toys.LinearClassifier(info).eval(), knows=True), "toy")
    return replace(found, gallery=make_gallery(model, judge, split, train, CPU))


def with_captions(pictures: Pictures) -> Pictures:
    """Give each picture a caption of its own."""
    texts = [f"picture {'abcdefgh'[index % 8] * (1 + index // 8)}" for index in range(len(pictures))]
    return Pictures.of(pictures.nhwc, pictures.y, texts=texts)


@rule("metric")
def figures(subject: Subject) -> None:
    """Figures are numbers or JSON values for some kind of model, unless they are of one data kind, or else None."""
    found = {name: compute_metric(subject, outputs) for name, outputs in example_outputs().items()}
    require(any(found.values()) or subject.kind.data != "", f"it returns nothing for {', '.join(found)}")
    for name, values in found.items():
        with broken_on_error(f"JSON of the figures of {name}"):
            json.dumps(values, allow_nan=False)
        taken = {"loss"} & values.keys()
        require(not taken, "it returns `loss`, which is reserved for the model")


@rule("metric")
def computing_changes_nothing(subject: Subject) -> None:
    """Computing twice gives the same figures and leaves weights and random generators unchanged."""
    for name, outputs in example_outputs().items():
        state, random_states = snapshot(outputs.model), generator_states()
        first = compute_metric(subject, outputs)
        require(
            generator_states() == random_states,
            "it uses the global random generators; use a torch.Generator of its own",
        )
        changed = any(not torch.equal(value, state[key]) for key, value in outputs.model.state_dict().items())
        require(not changed, f"it changes the weights of {name}")
        require(
            compute_metric(subject, outputs) == first, f"computing the figures of {name} again gives different ones"
        )


def compute_metric(subject: Subject, outputs: Outputs) -> dict[str, Any]:
    """Compute a copy of the figures; empty if they do not apply."""
    with broken_on_error("compute"):
        found = subject.kind.compute(spec_of(subject), outputs)
    require(
        found is None or isinstance(found, Mapping),
        f"compute returns {found!r:.80}, which is neither a mapping nor None",
    )
    return dict(found or {})


@rule("judge")
def looks(subject: Subject) -> None:
    """Features are finite (N, D), scores log-probabilities (N, classes) or None, independent of the batch."""
    info = toys.info_of((3, 32, 32))
    x = toys.pictures_of(info, 2).floats
    with broken_on_error("build"):
        judge: Judge = subject.kind.build(spec_of(subject), info).eval()
    with torch.inference_mode(), broken_on_error("the judge"):
        found, again, alone = judge(x), judge(x), judge(x[:1])
    require(isinstance(found, JudgeOutput), f"it returns a {type(found).__name__}, not a zoo.models.JudgeOutput")
    shape = tuple(found.features.shape)
    require(len(shape) == 2 and shape[0] == len(x), f"features are {shape}, not ({len(x)}, D)")
    require(bool(torch.isfinite(found.features).all()), "features are not finite")
    require(torch.equal(found.features, again.features), "it returns different features on a second call")
    close = torch.allclose(found.features[:1], alone.features, rtol=1e-3, atol=1e-3)
    require(close, "its output for a picture depends on the rest of the batch")
    if found.scores is not None:
        total = found.scores.exp().sum(1)
        require(found.scores.shape == (len(x), len(info.classes)), f"scores are {tuple(found.scores.shape)}")
        require(torch.allclose(total, torch.ones(len(x)), atol=1e-3), "scores are not log-probabilities")
