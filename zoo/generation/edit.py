"""Edit pictures from one text to another, and score how likely pictures are under each text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from zoo.core.errors import ZooError
from zoo.data.loader import batches
from zoo.display.html import table, titled_block
from zoo.generation.model_of import as_names, default_prompts, load_generator, prompts_for
from zoo.generation.page import PicturePage
from zoo.generation.reconstruct import draw_pairs
from zoo.models.device import choose_device
from zoo.models.generator import Generator, apply_guidance
from zoo.models.invertible import Invertible
from zoo.models.latent import dequantise, fixed_seed
from zoo.models.prior import Term
from zoo.models.sampling import DECODE_BATCH, check_strength, encode_sum, to_images
from zoo.registry.blame import plugin_errors
from zoo.runs.find import load
from zoo.runs.inputs import Skipped, read_inputs
from zoo.runs.run import Run

if TYPE_CHECKING:
    from PIL.Image import Image


CODES_PER_PICTURE = 16
"""Number of codes per picture from which a likelihood is estimated."""


@dataclass(frozen=True, eq=False, repr=False)
class Edit(PicturePage):
    """Pictures and their edited versions."""

    originals: Tensor
    """float32 (N, C, H, W), values 0..1, on the CPU."""
    pictures: Tensor
    """Edited pictures, in the same format."""
    names: tuple[str, ...]
    """Path of each original, or `test:` and its number."""
    skipped: list[Skipped]
    """Files that could not be read."""
    to: str = ""
    """The text of the edited pictures."""

    def grid(self) -> Image:
        """The first 64 pairs on one page, each original above its edit."""
        return draw_pairs(self.originals, self.pictures, f"above: originals; below: edited to {self.to}")

    def __repr__(self) -> str:
        """Describe the pictures in one line."""
        return f"<Edit of {len(self.pictures)} pictures to {self.to!r}>"


class Scores(NamedTuple):
    """How likely pictures are under each of several texts."""

    names: tuple[str, ...]
    """Path of each picture, or `test:` and its number."""
    texts: tuple[str, ...]
    log_likelihood: Tensor
    """float64 (N, texts), nats: a lower bound, the mean over several codes of each picture."""
    skipped: list[Skipped]
    """Files that could not be read."""

    def __repr__(self) -> str:
        """Describe the scores in one line."""
        return f"<Scores of {len(self.names)} pictures under {len(self.texts)} texts>"

    @property
    def shares(self) -> Tensor:
        """Posterior probabilities (N, texts) of the texts, if all are equally likely beforehand."""
        return self.log_likelihood.softmax(1)

    def _repr_html_(self) -> str:
        """Show the nats of each picture, and the text that makes it likeliest, in a notebook."""
        rows = [
            [name, *(f"{value:.2f}" for value in row.tolist()), self.texts[int(row.argmax())]]
            for name, row in zip(self.names, self.log_likelihood, strict=True)
        ]
        return titled_block("", table(["picture", *self.texts, "likeliest"], rows, right=range(1, 1 + len(self.texts))))


class Change(NamedTuple):
    """The texts and the strength of an edit."""

    to: str
    source: str | None = None
    """The text of the original pictures; None for no text."""
    strength: float = 1.0
    """Strength of the edit: 0 gives reconstructions, 1 the full edit."""
    guidance: float = 0.0
    """Guidance at full strength; scaled by `strength`."""

    def check(self) -> None:
        """Raise ZooError for an invalid strength or guidance."""
        check_strength(self.strength, "strength")
        check_strength(self.guidance, "guidance")


def edit_conditions(model: Generator, change: Change) -> tuple[Tensor | None, Tensor]:
    """Compute start and target conditions (1, K) of an edit.

    The start is None for no text.
    """
    goal = encode_sum(model, change.to)
    start = None if change.source is None else encode_sum(model, change.source)
    return start, change.strength * goal + ((1 - change.strength) * start if start is not None else 0)


def apply_edit(model: Generator, x: Tensor, start: Tensor | None, goal: Tensor, guidance: float) -> Tensor:
    """Edit pictures (N, C, H, W) with values 0..1."""
    assert isinstance(model.prior, Invertible)
    n = len(x)
    u = model.prior.base(model.codes(x), None if start is None else start.expand(n, -1))
    return model.codec.decode(model.prior.from_base(u, apply_guidance([Term(1.0, goal.expand(n, -1))], guidance)))


def likelihood_bound(model: Generator, x: Tensor, condition: Tensor) -> Tensor:
    """Compute a lower bound on log p(picture | text) in nats, a float64 scalar, for one picture (1, C, H, W)."""
    with fixed_seed(x.device):
        distortion, rate = model.bound(
            dequantise(x.expand(CODES_PER_PICTURE, -1, -1, -1)), condition.expand(CODES_PER_PICTURE, -1)
        )
    return -(distortion + rate).double().mean().cpu()


def edit(
    run: Run | str | Path,
    pictures: str | Path | Sequence[str | Path],
    to: str,
    source: str | None = None,
    strength: float = 1.0,
    guidance: float = 0.0,
    device: str = "auto",
) -> Edit:
    """Change pictures from one text to another, with a generator whose prior is invertible.

    The code of each picture is mapped to the base of the prior under `source` and back under `to`, so that everything
    independent of the text is preserved.

    Args:
        run: A run of a generator that is open, its folder, a name below `runs`, an entry or a study.
        pictures: Files, folders, or `test:12` for a picture of the test split.
        to: The text of the result.
        source: The text of the pictures; None for no text.
        strength: Strength of the edit: 0 gives reconstructions, 1 the full edit.
        guidance: Above 0, results fit the text better and vary less.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto" for the fastest of this machine.

    Returns:
        The originals, the edited pictures, and the files that cannot be read.

    Raises:
        ZooError: If there is no such run, or its model has no invertible prior that takes text.

    Example:
        >>> import zoo
        >>> zoo.edit("vae-nf", "test:12", to="dog", source="cat")  # doctest: +SKIP
    """
    run, change = load(run, pictures=pictures), Change(to, source, strength, guidance)
    change.check()
    torch_device = choose_device(device)
    model = load_generator(run, torch_device, "edit with")
    if not isinstance(model.prior, Invertible):
        raise ZooError(f"{run.name} cannot edit pictures: its prior is not invertible", "train a model such as vae-nf")
    prompts_for(run, model, [change.to])
    skipped: list[Skipped] = []
    names, inputs = read_inputs(run, as_names(pictures), skipped)
    originals = inputs.floats
    with plugin_errors(run.entry.model, "edit with"), torch.inference_mode():
        start, goal = edit_conditions(model, change)
        loader = batches(inputs, DECODE_BATCH, torch_device)
        shown = [
            to_images(apply_edit(model, batch.x, start, goal, change.guidance * change.strength)) for batch in loader
        ]
    return Edit(originals, torch.cat(shown) if shown else originals, tuple(names), skipped, to)


def score(
    run: Run | str | Path,
    pictures: str | Path | Sequence[str | Path],
    texts: str | Sequence[str] = (),
    device: str = "auto",
) -> Scores:
    """Compute how likely pictures are under each of several texts.

    Args:
        run: A run of a generator that is open, its folder, a name below `runs`, an entry or a study.
        pictures: Files, folders, or `test:12` for a picture of the test split.
        texts: The texts; by default each class.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto" for the fastest of this machine.

    Returns:
        Lower bounds on log p(picture | text) in nats, a row for each picture, with the same random draws for all texts.

    Raises:
        ZooError: If there is no such run, its model is not a generator, or its prior takes no text.

    Example:
        >>> import zoo
        >>> zoo.score("vae-nf", ["test:0", "test:1"], ["cat", "dog"])  # doctest: +SKIP
    """
    run = load(run, pictures=pictures)
    torch_device = choose_device(device)
    model = load_generator(run, torch_device, "score with")
    texts = as_names(texts) or default_prompts(run, model)
    prompts, skipped = prompts_for(run, model, texts), list[Skipped]()
    names, inputs = read_inputs(run, as_names(pictures), skipped)
    rows = [torch.zeros(0, len(prompts), dtype=torch.float64)]
    with plugin_errors(run.entry.model, "score with"), torch.inference_mode():
        conditions = [encode_sum(model, text) for text in prompts]
        loader = batches(inputs, 1, torch_device)
        rows += [torch.stack([likelihood_bound(model, batch.x, one) for one in conditions])[None] for batch in loader]
    return Scores(tuple(names), tuple(prompts), torch.cat(rows), skipped)
