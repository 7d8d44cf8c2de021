"""What `zoo train NAME --find-lr` prints and draws."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cli.views.plots import BLUE, RED, make_axes, save_plot

if TYPE_CHECKING:
    from zoo.training.find_lr import RateSweep

OWN_FLAGS, OWN_OPTIONS = ("--find-lr", "--json"), ("--stage", "--out")


def draw_sweep(name: str, found: RateSweep, path: Path) -> Path:
    """Write the losses by learning rate as PNG, with the suggested rate."""
    made, axes = make_axes(f"{name}, stage {found.stage}: loss while the learning rate grows")
    axes.plot(found.rates, found.losses, color=BLUE)
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss, running mean")
    first, lowest = found.losses[0], min(found.losses)
    axes.set_ylim(lowest - 0.1 * (first - lowest or 1), first + 0.5 * (first - lowest or 1))
    if found.suggested is not None:
        axes.axvline(found.suggested, color=RED, label=f"{found.suggested:g}")
        axes.legend()
    return save_plot(path, made)


def command_with_rate(words: Iterable[str], found: RateSweep) -> str:
    """Return the command that trains with the suggested rate: the words that were typed, and the rate."""
    kept: list[str] = []
    left = iter(words)
    for word in left:
        if word in OWN_OPTIONS:
            next(left, None)
        elif word not in OWN_FLAGS and word.partition("=")[0] not in OWN_OPTIONS:
            kept.append(word)
    return shlex.join(["zoo", "train", *kept, f"{found.option}={found.suggested:g}"])


def sweep_document(found: RateSweep, command: str | None, plot: Path) -> dict[str, Any]:
    """Return what `--json` prints."""
    return {**found._asdict(), "stages": list(found.stages), "command": command, "plot": str(plot)}
