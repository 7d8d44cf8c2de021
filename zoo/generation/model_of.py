"""Load the generator of a run, and check prompts against it."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from pathlib import Path

import torch

from zoo.core.errors import ZooError
from zoo.display.format import format_value
from zoo.models.base import Classifier
from zoo.models.generator import Generator
from zoo.models.text import accepted_texts
from zoo.runs.run import Run

MAX_PICTURES, MAX_PICTURE_BYTES = 1_000_000, 2**32
"""Most pictures in one call, and most bytes that they may take as float32."""


def prompts_for(run: Run, model: Generator, prompts: Sequence[str]) -> list[str]:
    """Return the given prompts, or all classes by default; none if the prior takes no prompts."""
    if model.prior.conditional:
        return list(dict.fromkeys(prompts)) or default_prompts(run, model)
    if prompts:
        advice = "sample without a prompt, or train an entry whose prior takes prompts, e.g. vae-nf or vq-vae"
        raise ZooError(f"{run.name} takes no prompts: {no_prompts_reason(run)}", advice)
    return []


def default_prompts(run: Run, model: Generator) -> list[str]:
    """Return what is sampled without a prompt: some captions of the training pictures, or else all classes."""
    examples = run.info.examples
    return accepted_texts(model.text, examples) or list(examples) if model.reads_captions else list(run.info.classes)


def no_prompts_reason(run: Run) -> str:
    """Explain why a run takes no prompts."""
    return f"its prior {run.prior_name!r} takes no text"


def load_generator(run: Run, device: torch.device, what: str) -> Generator:
    """Load the trained model of a run; ZooError if it is not a generator."""
    model = run.model(device)
    if isinstance(model, Generator):
        return model
    if isinstance(model, Classifier):
        raise ZooError(f"{run.name} is a classifier, not a generator: there is nothing to {what}", "try zoo predict")
    text = f"{run.name} is not a generator: there is nothing to {what}"
    raise ZooError(text, "choose a run of a generator, e.g. of vae-nf")


def check_count(run: Run, count: int) -> None:
    """Raise ZooError for more pictures than can be kept in memory at once."""
    shape = run.info.shape
    limit = min(MAX_PICTURES, MAX_PICTURE_BYTES // (4 * prod(shape)))
    if count > limit:
        size = "x".join(map(str, shape))
        raise ZooError(
            f"{format_value(count)} pictures of {size} are more than the {limit:,} that are made at a time",
            "ask for fewer; another --seed gives other pictures",
        )


def as_names(names: str | Path | Sequence[str | Path]) -> list[str]:
    """Convert one name or path, or several, to a list of strings."""
    several = [names] if isinstance(names, str | Path) else names
    return [str(name) for name in several]
