"""A plugin that breaks any rule which is asked for by `how`, and none with how=fine."""

from __future__ import annotations

from typing import NamedTuple

PLUGIN = '''
import os
from typing import Annotated

import zoo
from pydantic import Field, field_serializer

class How(zoo.Spec):
    """What to do wrong."""
    how: str = "fine"
    """The wrong; fine is none."""
    width: Annotated[int, Field(ge=1, le=64), zoo.Range(4, 8)] = 4
    """Units."""

class HowData(zoo.DataSpec):
    """What to do wrong."""
    how: str = "fine"
    """The wrong; fine is none."""

class Mute(zoo.Spec):
    """An option without a word."""
    width: int = 3

class Open(zoo.Spec, extra="allow"):
    """Takes anything."""

class Lossy(zoo.Spec):
    """JSON that is not what was said."""
    width: int = 3
    """Units."""
    @field_serializer("width")
    def narrow(self, value):
        return value - 1

class Outside(zoo.Spec):
    """A default outside of its search."""
    width: Annotated[int, zoo.Range(4, 8)] = 3
    """Units."""

class Explodes(zoo.Spec):
    """A search that leads to what cannot be built."""
    how: Annotated[str, zoo.Choice("explode", "raise")] = "explode"
    """How it ends."""

def build(spec, info):
    import torch
    from torch import nn
    from zoo.models import Classifier, Stage

    how = getattr(spec, "how", "fine")
    if how in ("explode", "raise") or (how == "picky" and info.shape != (1, 8, 8)):
        raise IndexError("out of range")

    class Bad(Classifier):
        def __init__(self):
            super().__init__(info)
            self.body = nn.Linear(info.shape[0] * info.shape[1] * info.shape[2], 4)
            self.head = nn.Linear(4, len(info.classes) - (how == "short"))
            self.register_buffer("count", torch.zeros(()))
            self.hidden = torch.randn(len(info.classes)) if how == "forgets" else 0
            if how == "unused":
                self.spare = nn.Linear(2, 2)
            if how == "unseeded":
                nn.init.constant_(self.body.bias, int.from_bytes(os.urandom(2), "big") / 65536)

        takes_smaller_pictures = how == "boasts"

        def logits(self, x):
            if how == "drifts" and not self.training:
                self.count += 1
            if how == "counts":
                x = x * sum(1 for row in x) / len(x)
            found = self.head(self.body(x.flatten(1)).tanh()) + self.hidden + self.count
            return found - found.mean(0) * 3 if how == "social" else found * (1 + self.count)

        def losses(self, batch):
            loss = super().losses(batch)["loss"]
            if how == "infinite":
                loss = loss / 0
            if how == "stubborn":
                loss = loss.detach() + 0 * sum(part.sum() for part in self.parameters())
            if how == "wanders" and self.head.training:
                with torch.no_grad():
                    self.body.bias += 1
            return {"loss": loss}

        def stages(self):
            return [Stage("head", self.head, self.losses)] if how == "wanders" else super().stages()

    return Bad()

def codec(spec, info):
    import torch
    from torch import nn
    from zoo import CodeInfo
    from zoo.models import LatentModel
    from zoo.models import Posterior

    class Bad(LatentModel):
        def __init__(self):
            super().__init__()
            self.code = CodeInfo((3 if spec.how == "code" else 2,))
            size = info.shape[0] * info.shape[1] * info.shape[2]
            self.inward, self.outward = nn.Linear(size, 4), nn.Linear(2, size)

        def encode(self, x):
            return Posterior(*self.inward(x.flatten(1)).chunk(2, 1))

        def decode(self, code):
            shown = self.outward(code).sigmoid().view(-1, *info.shape)
            return shown * float("nan") if spec.how == "nan" else shown

        def distortion(self, x, decoded):
            return 10 * (x - decoded).square().flatten(1).sum(1)

    return Bad()

def prior(spec, code):
    import torch
    from torch import nn
    from zoo.models import KL, Invertible

    class Bad(Invertible):
        conditional = True

        def __init__(self):
            super().__init__(code)
            self.mean = nn.Linear(code.condition, code.size)

        def centre(self, condition):
            return self.mean.bias if condition is None else self.mean(condition)

        def to_base(self, z, condition=None):
            return self.vectors(z) - self.centre(condition), torch.zeros(len(z))

        def from_base(self, u, terms):
            shift = 1 if spec.how == "crooked" else 0
            centre = sum((weight * self.centre(condition) for weight, condition in terms), torch.zeros(()))
            return (centre + u + shift).view(-1, *code.shape)

        def log_prob(self, z, condition=None):
            found = super().log_prob(z, condition)
            return found[:, None] if spec.how == "column" else found

        def sample(self, n, condition=None, temperature=1.0):
            found = super().sample(n, condition, temperature)
            return found.double() if spec.how == "double" else found

        def kl(self, q, condition=None):
            found = super().kl(q, condition)
            return KL(found.value + 1, "exact") if spec.how == "off" else found

    return Bad()

def text(spec, info):
    import torch
    from zoo.models import ClassNames

    class Bad(ClassNames):
        def encode(self, texts):
            if spec.how == "deaf" and any(each not in info.classes for each in texts):
                raise zoo.ZooError("never heard of it")
            if spec.how == "raises" and any(each not in info.classes for each in texts):
                raise KeyError(texts[0])
            return super().encode(texts)

        def labels(self, y):
            found = super().labels(y)
            return found * 0 + 1 if spec.how == "same" else found

    return Bad(info)

def load(spec):
    import numpy as np
    from zoo.data import Loaded, Pictures

    chance = np.random.default_rng(None if spec.how == "unseeded" else 0)
    classes = ("a", "b", "c")
    y = np.arange(60) % (2 if spec.how == "empty" else 3)
    return Loaded(Pictures.of(chance.integers(0, 256, (60, 4, 4, 1)).astype(np.uint8), y), classes)

def info(spec):
    return zoo.DataInfo.of((1, 4, 5 if spec.how == "wrong" else 4), ("a", "b", "c"))

def compute(spec, found):
    import torch

    if spec.how == "draws":
        return {"luck": torch.rand(()).item()}
    return {"brightness": float("nan") if spec.how == "nan" else found.pictures.floats.mean().item()}

def judge(spec, info):
    import torch
    from zoo.models import Judge, JudgeOutput

    class Bad(Judge):
        def forward(self, x):
            return JudgeOutput(x.flatten(1) * (float("nan") if spec.how == "blind" else 1), None)

    return Bad()

class HowAugment(zoo.TransformSpec):
    """What to do wrong."""
    how: str = "fine"
    """The wrong; fine is none."""

def augment(spec, info):
    import torch
    from zoo.data import Augment

    class Bad(Augment):
        draws = 1

        def __call__(self, x, u):
            if spec.how == "small":
                return x[:, :, 1:]
            if spec.how == "draws":
                u = torch.rand_like(u)
            if spec.how == "social":
                u = u.mean(0, keepdim=True)
            return x * u[:, :, None, None]

    return Bad()

def callback(spec):
    from zoo.registry import EventCallback

    class Bad(EventCallback):
        def event(self, event):
            if spec.how == "raises":
                raise KeyError("run")

    return Bad()

@zoo.hookimpl
def zoo_callbacks():
    yield zoo.CallbackKind("bad-callback", How, callback, "a callback")

@zoo.hookimpl
def zoo_augment():
    yield zoo.AugmentKind("bad-augment", HowAugment, augment, "an augmentation")

@zoo.hookimpl
def zoo_models():
    yield zoo.ModelKind("bad", How, build, "a classifier")
    yield zoo.ModelKind("bad-codec", How, codec, "a codec", prior="normal")
    yield zoo.ModelKind("mute", Mute, build, "a classifier")
    yield zoo.ModelKind("open", Open, build, "a classifier")
    yield zoo.ModelKind("lossy", Lossy, build, "a classifier")
    yield zoo.ModelKind("outside", Outside, build, "a classifier")
    yield zoo.ModelKind("explodes", Explodes, build, "a classifier")

@zoo.hookimpl
def zoo_priors():
    yield zoo.PriorKind("bad-prior", How, prior, "a prior")

@zoo.hookimpl
def zoo_text():
    yield zoo.TextKind("bad-text", How, text, "a text encoder")

@zoo.hookimpl
def zoo_data():
    yield zoo.DataKind("bad-data", HowData, load, info, "pictures")

@zoo.hookimpl
def zoo_metrics():
    yield zoo.MetricKind("bad-metric", How, compute, "a figure")

@zoo.hookimpl
def zoo_judges():
    yield zoo.JudgeKind("bad-judge", How, judge, "a judge")

@zoo.hookimpl
def zoo_registries():
    from pathlib import Path
    yield Path(__file__).with_name("bad-entries.yaml")
'''
ENTRIES = """version: 1
entries:
  bad-entry: {summary: cannot be used, model: {kind: bad, widht: 3}}
"""
FINE = (
    "bad",
    "bad-codec",
    "bad-prior",
    "bad-text",
    "bad-data",
    "bad-metric",
    "bad-judge",
    "bad-augment",
    "bad-callback",
)


class Wrong(NamedTuple):
    """What breaks a rule, and words of what is then said."""

    kind: str
    how: str
    rule: str
    says: str


WRONGS = [
    Wrong("mute", "", "documented", "options without a docstring: width"),
    Wrong("open", "", "closed", "accepts any option"),
    Wrong("lossy", "", "json-round-trip", "is read back as"),
    Wrong("outside", "", "search-range", "the default 3 of width lies outside its search range: 4..8"),
    Wrong("explodes", "", "search-builds", "cannot be built: plugin bad"),
    Wrong("bad", "infinite", "finite-losses", "the loss 'loss' of stage 'model' is inf"),
    Wrong("bad", "unused", "gradients", "spare.weight, spare.bias without a gradient"),
    Wrong("bad", "wanders", "other-stages-stay", "training stage 'head' changes body.bias"),
    Wrong("bad", "stubborn", "learns", "before 30 steps"),
    Wrong("bad", "drifts", "evaluation-changes-nothing", "evaluation changes count"),
    Wrong("bad", "forgets", "saves", "different figures"),
    Wrong("bad", "unseeded", "same-seed", "body.bias differs"),
    Wrong("bad", "social", "single-pictures", "depend on the rest of the batch"),
    Wrong("bad", "boasts", "smaller-pictures", "training on pictures of 6x6"),
    Wrong("bad", "short", "shapes", "scores are (24, 5)"),
    Wrong("bad-codec", "code", "shapes", "mean is (24, 2), not (24, 3)"),
    Wrong("bad", "picky", "other-pictures", "IndexError"),
    Wrong("bad-codec", "nan", "samples", "not finite"),
    Wrong("bad-prior", "column", "densities", "log_prob is (7, 1)"),
    Wrong("bad-prior", "double", "drawn-codes", "torch.float64"),
    Wrong("bad-prior", "off", "divergences", "the divergence (exact)"),
    Wrong("bad-prior", "crooked", "inverts", "is off by"),
    Wrong("bad-text", "deaf", "names", "never heard of it"),
    Wrong("bad-text", "same", "labels", "the same condition"),
    Wrong("bad-text", "raises", "unknown-texts", "KeyError"),
    Wrong("bad-data", "wrong", "announced", "info returns shape (1, 4, 5), load returns (1, 4, 4)"),
    Wrong("bad-data", "empty", "splits", "no training picture of class 'c'"),
    Wrong("bad-data", "unseeded", "same-pictures", "different train pictures"),
    Wrong("bad-metric", "nan", "figures", "JSON of the figures"),
    Wrong("bad-metric", "draws", "computing-changes-nothing", "global random generators"),
    Wrong("bad", "counts", "exports", "the model cannot be exported"),
    Wrong("bad-judge", "blind", "looks", "features are not finite"),
    Wrong("bad-augment", "small", "keeps-pictures", "(24, 3, 32, 32) becomes (24, 3, 31, 32)"),
    Wrong("bad-augment", "draws", "draws-decide", "it uses the global random generators"),
    Wrong("bad-augment", "social", "one-by-one", "depends on the rest of the batch"),
    Wrong("bad-callback", "raises", "takes-events", "the event TrainingStarted raises KeyError"),
]
"""For each rule of kinds something that breaks it."""
