"""Samples of a generator for a report: some pictures for each prompt, from the same seed each time."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from zoo.core.errors import ZooError, describe_error
from zoo.core.notes import Tell
from zoo.reporting.blocks import Block, Picture, Pictures, Text
from zoo.runs.run import Run

if TYPE_CHECKING:
    from torch import Tensor

PER_PROMPT, WITHOUT_PROMPTS = 12, 48
MAX_PROMPTS = 24


def sample_blocks(run: Run, device: str, tell: Tell) -> list[Block]:
    """Sample from a generator; nothing for another model, and a message where it fails."""
    if run.entry.prior is None:
        return []
    try:
        return draw_samples(run, device)
    except (ZooError, OSError, RuntimeError, ValueError) as error:
        tell(f"no samples: {describe_error(error)}")
        return []


def draw_samples(run: Run, device: str) -> list[Block]:
    """Sample some pictures for each class or for captions, or without prompts if the prior takes none."""
    from zoo.generation.model_of import load_generator, prompts_for
    from zoo.generation.sample import sample
    from zoo.models.device import choose_device

    known = prompts_for(run, load_generator(run, choose_device(device), "sample"), ())
    if not known:
        found = sample(run, n=WITHOUT_PROMPTS, device=device)
        return [
            Text(f"{WITHOUT_PROMPTS} pictures, seed 0."),
            Picture(to_png(found.pictures, 12), "samples", pixels=True),
        ]
    prompts = known[:MAX_PROMPTS]
    found = sample(run, prompts, n=PER_PROMPT * len(prompts), device=device)
    labels = list(found.labels)
    pictures = [
        Picture(
            to_png(found.pictures[[index for index, label in enumerate(labels) if label == prompt]]),
            prompt,
            pixels=True,
        )
        for prompt in dict.fromkeys(labels)
    ]
    left = len(known) - len(prompts)
    more = f" {left} more prompts are not shown." if left > 0 else ""
    return [Text(f"{PER_PROMPT} pictures for each prompt, seed 0.{more}"), Pictures(pictures)]


def to_png(pictures: Tensor, across: int = 6) -> bytes:
    """Draw pictures (N, C, H, W) as one PNG."""
    from zoo.display.grid import draw_grid, to_uint8, wrap_rows

    file = BytesIO()
    draw_grid([wrap_rows(to_uint8(pictures), across)]).save(file, "PNG", optimize=True)
    return file.getvalue()
