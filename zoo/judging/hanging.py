"""The gallery that is shown to a judge, and how the samples in it are drawn."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.augment import batches
from zoo.data import Pictures
from zoo.drawing import AT_ONCE, Wish, plain, title
from zoo.errors import ZooError
from zoo.gallery import PLAIN, Gallery, Manner
from zoo.judging.appointing import Appointed
from zoo.judging.editing import edited
from zoo.judging.looking import Looking, some, whole
from zoo.judging.mixing import mixed
from zoo.latent import Generator, fixed_draws
from zoo.model import Model
from zoo.runs import Run

MOST = 10_000
"""Pictures of each kind that a judge is shown at most."""


def manner(run: Run, model: Model, guidance: float, temperature: float) -> Manner:
    """How samples of a run are to be drawn; ZooError where they cannot be drawn so."""
    asked = Manner(guidance, temperature)
    if isinstance(model, Generator):
        Wish(temperature=temperature, guidance=guidance).check(model, run)
    elif asked != PLAIN:
        raise ZooError(f"{title(run)} is no generator: nothing is drawn from it", "leave out guidance and temperature")
    return asked


def hang(
    model: Generator,
    appointed: Appointed,
    split: Pictures,
    train: Pictures,
    place: torch.device,
    most: int = MOST,
    how: Manner = PLAIN,
) -> Gallery:
    """A gallery of `split` and as many training pictures, reconstructions and samples; the same draws each time."""
    count = min(len(split), len(train), most)
    real, other = some(split, count), some(train, count)
    looking = Looking(appointed.judge, place)
    with torch.inference_mode(), fixed_draws(place):
        shown = torch.cat([plain(model.reconstruct(batch.x)) for batch in batches(real, AT_ONCE, place)])
        labels = real.y if model.prior.conditional else None
        drawn = torch.cat([plain(draw(model, count, labels, start, place, how)) for start in range(0, count, AT_ONCE)])
        seen = looking.at(whole(real), real.y)
        return Gallery(
            appointed.name,
            seen,
            looking.at(whole(other), other.y),
            looking.at(shown, real.y),
            looking.at(drawn, labels),
            train.x,
            mixed(model, looking, seen, how),
            edited(model, looking, seen),
        )


def draw(
    model: Generator, count: int, labels: Tensor | None, start: int, place: torch.device, how: Manner = PLAIN
) -> Tensor:
    """The next samples of so many."""
    y = None if labels is None else labels[start : start + AT_ONCE].to(place)
    return model.sample(min(AT_ONCE, count - start), y, how.temperature, how.guidance)
