"""The generator in a run, and the prompts that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from zoo.core.errors import ZooError
from zoo.models.base import Classifier
from zoo.models.generator import Generator
from zoo.runs.run import Run


def prompts_for(run: Run, model: Generator, prompts: Sequence[str]) -> list[str]:
    """The prompts to draw for: those asked for, or all classes; none where the prior does not take any."""
    if model.prior.conditional:
        return list(dict.fromkeys(prompts)) or list(run.info.classes)
    if prompts:
        advice = "sample without a prompt, or train one with a prior that takes it, as vae-nf or vq-vae"
        raise ZooError(f"{run.name} draws for no prompt: {no_prompts_reason(run)}", advice)
    return []


def no_prompts_reason(run: Run) -> str:
    """Why a run takes no prompts."""
    return f"its prior {run.prior_name!r} takes no text"


def load_generator(run: Run, place: torch.device, what: str) -> Generator:
    """The trained model of a run; ZooError where it is no generator."""
    model = run.model(place)
    if isinstance(model, Generator):
        return model
    if isinstance(model, Classifier):
        raise ZooError(f"{run.name} is a classifier: it has nothing to {what}", "try zoo predict")
    raise ZooError(f"{run.name} is no generator: it has nothing to {what}")


def as_names(names: str | Path | Sequence[str | Path]) -> list[str]:
    """One or several by name."""
    several = [names] if isinstance(names, str | Path) else names
    return [str(name) for name in several]
