"""What a trained generator draws: pictures for prompts, and mixtures of two in even steps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from zoo.build import calling
from zoo.drawing import Wish, conditions, drawn, generator, pixels, prompts_for, size, together, weighed
from zoo.errors import ZooError
from zoo.grid import Block, columns, draw, save_png, wrapped
from zoo.latent import fixed_draws
from zoo.notebook import page
from zoo.prior import Term
from zoo.runs import Run
from zoo.training.device import choose_device

if TYPE_CHECKING:
    from PIL.Image import Image

SHOWN = 64
"""Pictures that are drawn where no number is asked for."""


class Samples(NamedTuple):
    """Pictures drawn from a generator."""

    pictures: Tensor
    """float32 (N, C, H, W), values 0..1, on the CPU."""
    labels: tuple[str, ...]
    """The prompt that each was drawn for; empty where the prior takes none."""

    def grid(self) -> Image:
        """All on one page; where they have prompts, row by row."""
        x = pixels(self.pictures)
        if not self.labels:
            return draw([wrapped(x, columns(1, len(x)))])
        named = np.array(self.labels)
        rows = {name: x[named == name] for name in dict.fromkeys(self.labels)}
        count = columns(len(rows), max(map(len, rows.values())))
        return draw([wrapped(row, count, name) for name, row in rows.items()])

    def _repr_html_(self) -> str | None:
        """In a notebook."""
        return page(self)

    def save(self, path: str | Path) -> None:
        """Write the page as a PNG file."""
        save_png(Path(path), self.grid())


class Mix(NamedTuple):
    """Pictures between two prompts: in each row the same noise under other weights."""

    pictures: Tensor
    """float32 (rows * steps, C, H, W), values 0..1, on the CPU, row by row."""
    steps: int
    """Pictures in a row."""
    ends: tuple[str, str]
    """The prompts that the first and the last picture of a row are drawn for."""

    def grid(self) -> Image:
        """All rows on one page."""
        lines = pixels(self.pictures)
        return draw([Block([lines[start : start + self.steps] for start in range(0, len(lines), self.steps)])])

    def _repr_html_(self) -> str | None:
        """In a notebook."""
        return page(self)

    def save(self, path: str | Path) -> None:
        """Write the page as a PNG file."""
        save_png(Path(path), self.grid())


def draw_samples(run: Run, prompts: Sequence[str], n: int | None, wish: Wish, device: str = "auto") -> Samples:
    """Draw pictures for the prompts, or for all classes where the prior takes any; the same seed gives the same.

    Without `n` there are 64, or some more so that all prompts have equally many.
    """
    if n is not None and n < 1:
        raise ZooError(f"cannot sample {n} pictures", "ask for at least one")
    place = choose_device(device)
    model = generator(run, place, "sample")
    wish.check(model, run)
    wanted = prompts_for(run, model, prompts)
    total = n or (-(-SHOWN // len(wanted)) * len(wanted) if wanted else SHOWN)
    chosen = [index * len(wanted) // total for index in range(total)] if wanted else []
    with calling(run.entry.model, "sample from"), fixed_draws(place, wish.seed), torch.inference_mode():
        told = [conditions(model, prompt) for prompt in wanted]
        groups = together(told, chosen, wish.rule) if told else [[Term(1.0, None)]]
        parts = [drawn(model, terms, size(terms, total), wish) for terms in groups]
    return Samples(torch.cat(parts), tuple(wanted[index] for index in chosen))


def draw_mix(run: Run, ends: tuple[str, str], steps: int, rows: int, wish: Wish, device: str = "auto") -> Mix:
    """Go from one prompt to another in even steps of their weights, with the same noise at each step.

    Raises ZooError where the prior takes no prompts.
    """
    if steps < 2 or rows < 1:
        raise ZooError(f"{rows} rows of {steps} steps show nothing", "take at least 1 row and 2 steps")
    place = choose_device(device)
    model = generator(run, place, "mix")
    wish.check(model, run)
    prompts_for(run, model, ends)
    made = []
    with calling(run.entry.model, "sample from"), torch.inference_mode():
        start, goal = (conditions(model, prompt) for prompt in ends)
        for share in torch.linspace(0, 1, steps).tolist():
            parts = [*weighed(start, 1 - share), *weighed(goal, share)]
            (terms,) = together([parts], [0] * rows, wish.rule)
            with fixed_draws(place, wish.seed):
                made.append(drawn(model, terms, rows, wish))
    return Mix(torch.stack(made, 1).flatten(0, 1), steps, ends)
