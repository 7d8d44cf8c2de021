"""Sample pictures from a generator for prompts, or mix two prompts in even steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from zoo.core.errors import ZooError
from zoo.display.grid import PictureRows, choose_columns, draw_grid, to_uint8, wrap_rows
from zoo.generation.model_of import as_names, check_count, load_generator, prompts_for
from zoo.generation.page import PicturePage
from zoo.models.device import choose_device
from zoo.models.latent import fixed_seed
from zoo.models.prior import Term
from zoo.models.sampling import (
    SamplingOptions,
    combine_conditions,
    encode_prompt,
    picture_count,
    sample_images,
    scale_weights,
)
from zoo.registry.blame import plugin_errors
from zoo.runs.find import load
from zoo.runs.run import Run

if TYPE_CHECKING:
    from PIL.Image import Image

    from zoo.models.sampling import Rule


DEFAULT_COUNT = 64
"""Number of pictures sampled by default."""


@dataclass(frozen=True, eq=False, repr=False)
class Samples(PicturePage):
    """Pictures sampled from a generator."""

    pictures: Tensor
    """float32 (N, C, H, W), values 0..1, on the CPU."""
    labels: tuple[str, ...]
    """Prompt of each picture; empty if the prior takes no prompts."""

    def grid(self) -> Image:
        """All pictures on one page, grouped by prompt."""
        x = to_uint8(self.pictures)
        if not self.labels:
            return draw_grid([wrap_rows(x, choose_columns(1, len(x)))])
        named = np.array(self.labels)
        rows = {name: x[named == name] for name in dict.fromkeys(self.labels)}
        count = choose_columns(len(rows), max(map(len, rows.values())))
        return draw_grid([wrap_rows(row, count, name) for name, row in rows.items()])

    def __repr__(self) -> str:
        """Describe the pictures in one line."""
        prompts = len(dict.fromkeys(self.labels))
        about = f" for {prompts} prompt{'s' * (prompts != 1)}" if prompts else ""
        return f"<Samples: {len(self.pictures)} pictures{about}>"


@dataclass(frozen=True, eq=False, repr=False)
class Mix(PicturePage):
    """Pictures between two prompts; each row uses the same noise with changing weights."""

    pictures: Tensor
    """float32 (rows * steps, C, H, W), values 0..1, on the CPU, row by row."""
    steps: int
    """Number of pictures per row."""
    ends: tuple[str, str]
    """Prompts of the first and the last picture of each row."""

    def grid(self) -> Image:
        """All rows on one page."""
        lines = to_uint8(self.pictures)
        rows = [lines[start : start + self.steps] for start in range(0, len(lines), self.steps)]
        return draw_grid([PictureRows(rows)], f"from {self.ends[0]} to {self.ends[1]} in {self.steps} steps")

    def __repr__(self) -> str:
        """Describe the pictures in one line."""
        return f"<Mix of {len(self.pictures)} pictures from {self.ends[0]!r} to {self.ends[1]!r}>"


def sample(
    run: Run | str | Path,
    prompts: str | Sequence[str] = (),
    n: int | None = None,
    seed: int = 0,
    temperature: float = 1.0,
    guidance: float = 0.0,
    mix: Rule = "auto",
    device: str = "auto",
    negative: str = "",
) -> Samples:
    """Sample pictures from a generator.

    The state of torch's random number generator is the same afterwards.

    Args:
        run: A run of a generator that is open, its folder, a name below `runs`, an entry or a study.
        prompts: Texts, or weighted sums of texts such as "0.7 cat + 0.3 truck"; by default each class if the prior
            takes prompts.
        n: The number of pictures; by default 64, or a few more so that all prompts have equally many.
        seed: Seed of the random numbers.
        temperature: Below 1, samples are likelier and less varied.
        guidance: Above 0, samples fit their prompt better and are less varied.
        mix: How the parts of a prompt are combined: "sum" adds their conditions; "product" multiplies the densities
            given each part, if the prior supports that; "join" makes one text of them, with "and" in between; "auto":
            as suits the model.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto" for the fastest of this machine.
        negative: A prompt from which guidance leads away; by default it leads away from no text.

    Returns:
        The pictures and the prompt of each.

    Raises:
        ZooError: If there is no such run, its model is not a generator, or its prior does not support an argument.

    Example:
        >>> import zoo
        >>> zoo.sample("vae-nf", "0.7 cat + 0.3 truck", n=4).pictures.shape  # doctest: +SKIP
        torch.Size([4, 3, 32, 32])
    """
    run = load(run)
    options = SamplingOptions(seed, temperature, guidance, mix, negative)
    if n is not None and n < 1:
        raise ZooError(f"cannot sample {n} pictures", "ask for at least one picture")
    check_count(run, n or DEFAULT_COUNT)
    torch_device = choose_device(device)
    model = load_generator(run, torch_device, "sample")
    options.check(model, run.name, run.prior_name)
    texts = prompts_for(run, model, as_names(prompts))
    total = n or (math.ceil(DEFAULT_COUNT / len(texts)) * len(texts) if texts else DEFAULT_COUNT)
    rows = [index * len(texts) // total for index in range(total)] if texts else []
    with plugin_errors(run.entry.model, "sample from"), fixed_seed(torch_device, options.seed), torch.inference_mode():
        conditions = [encode_prompt(model, prompt, options.rule) for prompt in texts]
        groups = combine_conditions(conditions, rows, options.rule_for(model)) if conditions else [[Term(1.0, None)]]
        parts = [sample_images(model, terms, picture_count(terms, total), options) for terms in groups]
    return Samples(torch.cat(parts), tuple(texts[index] for index in rows))


def mix(
    run: Run | str | Path,
    start: str,
    goal: str,
    steps: int = 9,
    rows: int = 8,
    seed: int = 0,
    temperature: float = 1.0,
    guidance: float = 0.0,
    mix: Rule = "auto",
    device: str = "auto",
) -> Mix:
    """Sample pictures on the way from one prompt to another.

    The weights of the two prompts change in even steps; each row uses the same noise at all steps.

    Args:
        run: A run of a generator that is open, its folder, a name below `runs`, an entry or a study.
        start: The prompt at the first step.
        goal: The prompt at the last step.
        steps: The number of steps, at least 2.
        rows: The number of rows, at least 1.
        seed: Seed of the random numbers.
        temperature: Below 1, samples are likelier and less varied.
        guidance: Above 0, samples fit their prompts better and are less varied.
        mix: How the two prompts are combined: "auto", "sum", "product" or "join", as in `sample`.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto" for the fastest of this machine.

    Returns:
        The pictures, row by row.

    Raises:
        ZooError: If there is no such run, its model is not a generator, or its prior takes no prompts.

    Example:
        >>> import zoo
        >>> zoo.mix("vae-nf", "cat", "dog", steps=5)  # doctest: +SKIP
    """
    run = load(run)
    options = SamplingOptions(seed, temperature, guidance, mix)
    if steps < 2 or rows < 1:
        raise ZooError(f"cannot mix in {rows} rows of {steps} steps", "use at least 1 row and 2 steps")
    check_count(run, rows * steps)
    torch_device = choose_device(device)
    model = load_generator(run, torch_device, "mix")
    options.check(model, run.name, run.prior_name)
    prompts_for(run, model, [start, goal])
    made = []
    with plugin_errors(run.entry.model, "sample from"), torch.inference_mode():
        first, last = (encode_prompt(model, prompt, options.rule) for prompt in (start, goal))
        for share in torch.linspace(0, 1, steps).tolist():
            parts = [*scale_weights(first, 1 - share), *scale_weights(last, share)]
            (terms,) = combine_conditions([parts], [0] * rows, options.rule_for(model))
            with fixed_seed(torch_device, options.seed):
                made.append(sample_images(model, terms, rows, options))
    return Mix(torch.stack(made, 1).flatten(0, 1), steps, (start, goal))
