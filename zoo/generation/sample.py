"""What a trained generator draws: pictures for prompts, and mixtures of two in even steps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from zoo.core.errors import ZooError
from zoo.display.grid import Block, columns, draw, pixels, save_png, wrapped
from zoo.display.html import page
from zoo.generation.model_of import generator, listed, prompts_for
from zoo.models.latent import fixed_draws
from zoo.models.prior import Term
from zoo.models.sampling import Wish, conditions, drawn, size, together, weighed
from zoo.registry.blame import calling
from zoo.runs.find import load
from zoo.runs.run import Run
from zoo.training.device import choose_device

if TYPE_CHECKING:
    from PIL.Image import Image

    from zoo.models.sampling import Rule


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
    wish.check(model, run.name)
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
    wish.check(model, run.name)
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


def sample(
    run: str | Path,
    prompts: str | Sequence[str] = (),
    n: int | None = None,
    seed: int = 0,
    temperature: float = 1.0,
    guidance: float = 0.0,
    mix: Rule = "sum",
    device: str = "auto",
) -> Samples:
    """Pictures drawn from a generator; torch's own generator is afterwards where it was.

    Each prompt is a text, or several with weights as in "0.7 cat + 0.3 truck"; by default all classes, where the prior
    takes prompts. Guidance above 0 gives pictures that are likelier of their text and less varied. `mix` says how the
    parts of a prompt come together: their conditions are added, or, where the prior can, the densities are multiplied.
    Without `n` there are 64, or a few more so that all prompts have equally many.
    """
    from zoo.models.sampling import Wish

    wish = Wish(seed, temperature, guidance, mix)
    return draw_samples(load(run), listed(prompts), n, wish, device)


def mix(
    run: str | Path,
    start: str,
    goal: str,
    steps: int = 9,
    rows: int = 8,
    seed: int = 0,
    temperature: float = 1.0,
    guidance: float = 0.0,
    mix: Rule = "sum",
    device: str = "auto",
) -> Mix:
    """Pictures from one prompt to another in even steps; in each row the same noise under other weights."""
    from zoo.models.sampling import Wish

    return draw_mix(load(run), (start, goal), steps, rows, Wish(seed, temperature, guidance, mix), device)
