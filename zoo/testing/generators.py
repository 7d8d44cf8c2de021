"""Rules of whatever draws: a model of codes with its prior, a prior, a text encoder that a prior is told of."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.kinds import ModelKind
from zoo.latent import Generator
from zoo.testing.building import used
from zoo.testing.check import Subject
from zoo.testing.models import generators
from zoo.testing.rule import Inapplicable, require, rule, saying
from zoo.testing.stages import LEARNERS


@rule(*LEARNERS)
def samples(subject: Subject) -> None:
    """Samples are finite pictures with values 0..1, one or many, cold or warm; the same seed draws the same ones."""
    if isinstance(subject.kind, ModelKind) and not subject.kind.prior:
        raise Inapplicable("it makes no pictures")
    model, batch = used(subject)
    require(isinstance(model, Generator), f"it builds a {type(model).__name__}, no zoo.latent.LatentModel")
    assert isinstance(model, Generator)
    for n, temperature in ((1, 1.0), (len(batch.y), 1.0), (len(batch.y), 0.5)):
        x = drawn(model, batch.y[:n], temperature)
        what = f"{n} samples at temperature {temperature:g}"
        require(x.shape == (n, *model.info.shape), f"{what} are {tuple(x.shape)}, not {(n, *model.info.shape)}")
        require(bool(torch.isfinite(x).all()), f"{what} are not finite")
        require(float(x.min()) >= 0 and float(x.max()) <= 1, f"{what} have values outside of 0..1")
        require(torch.equal(x, drawn(model, batch.y[:n], temperature)), f"{what} differ when drawn again from one seed")
    torch.manual_seed(1)
    before = generators()
    model.sample(2, batch.y[:2])
    require(generators() != before, "samples are not drawn from torch's generator, so that every seed gives the same")


def drawn(model: Generator, y: Tensor, temperature: float) -> Tensor:
    """Samples of these classes, from a seed."""
    torch.manual_seed(0)
    with torch.inference_mode(), saying("sampling"):
        return model.sample(len(y), y, temperature)
