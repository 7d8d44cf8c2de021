"""The gallery that is shown to a judge, and how the samples in it are drawn."""

from __future__ import annotations

import torch

from zoo.augment import batches
from zoo.data import Pictures
from zoo.drawing import AT_ONCE, PLAIN, Wish, drawn, plain, title
from zoo.errors import ZooError
from zoo.gallery import Gallery
from zoo.judging.appointing import Appointed
from zoo.judging.editing import edited
from zoo.judging.looking import Looking, some
from zoo.judging.mixing import mixed
from zoo.latent import Generator, fixed_draws
from zoo.model import Model
from zoo.prior import one
from zoo.runs import Run

MAX_SHOWN = 10_000
"""Pictures of each kind that a judge is shown at most."""


def manner(run: Run, model: Model, guidance: float, temperature: float) -> Wish:
    """How samples of a run are to be drawn; ZooError where they cannot be drawn so."""
    asked = Wish(temperature=temperature, guidance=guidance)
    if isinstance(model, Generator):
        asked.check(model, run)
    elif asked != PLAIN:
        raise ZooError(f"{title(run)} is no generator: nothing is drawn from it", "leave out guidance and temperature")
    return asked


def hang(
    model: Generator,
    appointed: Appointed,
    split: Pictures,
    train: Pictures,
    place: torch.device,
    most: int = MAX_SHOWN,
    how: Wish = PLAIN,
) -> Gallery:
    """A gallery of `split` and as many training pictures, reconstructions and samples; the same draws each time."""
    count = min(len(split), len(train), most)
    real, other = some(split, count), some(train, count)
    looking = Looking(appointed.judge, place)
    with torch.inference_mode(), fixed_draws(place):
        shown = torch.cat([plain(model.reconstruct(batch.x)) for batch in batches(real, AT_ONCE, place)])
        labels = real.y if model.prior.conditional else None
        made = drawn(model, one(None if labels is None else model.condition(labels.to(place))), count, how)
        seen = looking.at(real.floats, real.y)
        return Gallery(
            appointed.name,
            seen,
            looking.at(other.floats, other.y),
            looking.at(shown, real.y),
            looking.at(made, labels),
            train.x,
            mixed(model, looking, seen, how),
            edited(model, looking, seen),
        )
