"""Edits: real pictures that keep what is theirs in the base of an invertible prior, and become another class."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.drawing import AT_ONCE, pictures_of
from zoo.gallery import Edited, Seen
from zoo.judging.looking import Looking, rows
from zoo.judging.mixing import under
from zoo.latent import Generator
from zoo.prior import Invertible, one

MAX_EDITED = 500
"""Pictures that are edited at most."""


def edited(model: Generator, looking: Looking, real: Seen) -> Edited | None:
    """Real pictures as other classes, by the prior's own bijections: neither guidance nor temperature takes part.

    None of a prior that cannot be inverted or takes no classes.
    """
    prior, names, place = model.prior, model.info.classes, looking.place
    if not isinstance(prior, Invertible) or not prior.conditional or real.y is None or len(names) < 2:
        return None
    source = real.at(rows(len(real.x), MAX_EDITED))
    assert source.y is not None
    goal = others(source.y, len(names))
    own, wanted = (model.text.labels(y.to(place)) for y in (source.y, goal))
    code = torch.cat([model.codes(part.to(place)) for part in torch.split(source.x, AT_ONCE)])
    base, uninformed = (prior.to_base(code, condition)[0] for condition in (own, None))
    return Edited(
        source,
        looking.at(pictures_of(model, prior.from_base(base, one(wanted))), goal),
        looking.at(pictures_of(model, prior.from_base(uninformed, one(wanted))), goal),
        looking.at(under(model, wanted, place), goal),
        pictures_of(model, prior.from_base(base, one(own))),
        pictures_of(model, code),
    )


def others(y: Tensor, classes: int) -> Tensor:
    """For each class int64 (N,) another one, at random and the same one each time."""
    return (y + torch.randint(1, classes, y.shape, generator=torch.Generator().manual_seed(0))) % classes
