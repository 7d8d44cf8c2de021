"""What generators do, as functions: the part of the API that draws, mixes, edits, scores and encodes pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.api import held_out, load

if TYPE_CHECKING:
    from zoo.drawing import Rule
    from zoo.editing import Edit, Scores
    from zoo.encoding import Interpolation, Reconstruction
    from zoo.generation import Mix, Samples


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
    from zoo.drawing import Wish
    from zoo.generation import draw_samples as compute

    wish = Wish(seed, temperature, guidance, mix)
    return compute(load(run), listed(prompts), n, wish, device)


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
    from zoo.drawing import Wish
    from zoo.generation import draw_mix as compute

    return compute(load(run), (start, goal), steps, rows, Wish(seed, temperature, guidance, mix), device)


def edit(
    run: str | Path,
    pictures: str | Path | Sequence[str | Path],
    to: str,
    source: str | None = None,
    strength: float = 1.0,
    guidance: float = 0.0,
    device: str = "auto",
) -> Edit:
    """Pictures under another text: to the base of the flow under `source`, or under no text, and back under `to`.

    Each picture is a file, a folder, or `test:12` for one of the test split. Strength 0 gives reconstructions.
    """
    from zoo.editing import Change
    from zoo.editing import edit_pictures as compute

    return compute(load(run), listed(pictures), Change(to, source, strength, guidance), held_out, device)


def score(
    run: str | Path, pictures: str | Path | Sequence[str | Path], texts: str | Sequence[str] = (), device: str = "auto"
) -> Scores:
    """Log-likelihoods of pictures under each text, by default under each class.

    Each picture is a file, a folder, or `test:12` for one of the test split.
    """
    from zoo.editing import score_pictures as compute

    return compute(load(run), listed(pictures), listed(texts), held_out, device)


def listed(names: str | Path | Sequence[str | Path]) -> list[str]:
    """One or several by name."""
    several = [names] if isinstance(names, str | Path) else names
    return [str(name) for name in several]


def reconstruct(
    run: str | Path, pictures: str | Path | Sequence[str | Path] = (), n: int = 32, device: str = "auto"
) -> Reconstruction:
    """Pictures, encoded and decoded by a generator, and how far apart the two are.

    Each is a file, a folder, or `test:12` for one of the test split, of which the first `n` are taken without any.
    """
    from zoo.encoding import reconstruct_pictures as compute

    return compute(load(run), listed(pictures), n, held_out, device)


def interpolate(
    run: str | Path, start: str | Path, goal: str | Path, steps: int = 9, device: str = "auto"
) -> Interpolation:
    """Pictures from one to another, each a file or `test:12` for one of the test split.

    They lie on the straight line between the means of the two codes, whatever the prior.
    """
    from zoo.encoding import interpolate_pictures as compute

    return compute(load(run), (str(start), str(goal)), steps, held_out, device)
