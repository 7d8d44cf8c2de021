"""Explain predictions: heat maps of where a classifier sees a class, beside each picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from zoo.core.errors import ZooError
from zoo.data.dataset import Pictures
from zoo.display.grid import Pixels, save_png, to_uint8
from zoo.display.tiles import Tile, TileRow, draw_tiles
from zoo.models.base import Classifier
from zoo.models.device import autocast_type, choose_device
from zoo.models.heat import heat_maps
from zoo.models.metrics import autocast_context
from zoo.registry.blame import model_errors
from zoo.runs.find import load
from zoo.runs.inputs import Skipped, read_inputs
from zoo.runs.predictions import ClassProbability, Predictions
from zoo.runs.run import Run

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PICTURES = 100
"""Most pictures that are explained at a time, since each takes a row of a page."""
BATCH = 16
"""Pictures whose feature maps and gradients are in memory at a time."""
OPACITY = 0.6
"""How much of a picture the heat covers."""


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """Pictures with their most probable classes and, for each of these, where the classifier sees it.

    Attributes:
        run: Name of the run.
        predictions: Class probabilities of all pictures.
        pictures: The pictures in the shape that the model takes, float32 (N, C, H, W), values 0..1.
        heat: Where the model sees the likeliest classes, float32 (N, T, H, W), values 0..1, the likeliest class first.
        skipped: Files that could not be read.
    """

    run: str
    predictions: Predictions
    pictures: Tensor
    heat: Tensor
    skipped: list[Skipped]

    @cached_property
    def classes(self) -> list[list[ClassProbability]]:
        """The classes that are explained for each picture, most probable first."""
        return self.predictions.top(self.heat.shape[1])

    def grid(self) -> Image:
        """A row for each picture: the picture, then the heat map of each of its likeliest classes."""
        pixels = to_uint8(self.pictures)
        rows = []
        for path, picture, heat, best in zip(self.predictions.paths, pixels, self.heat, self.classes, strict=True):
            tiles = [Tile(picture)]
            tiles += [
                Tile(blend(picture, each), (name, f"{probability:.4f}"))
                for each, (name, probability) in zip(heat, best, strict=True)
            ]
            rows.append(TileRow(path, tiles))
        return draw_tiles(rows, f"{self.run}: where it sees each class (LayerCAM)")

    def save(self, path: str | Path) -> None:
        """Write the page as a PNG file."""
        save_png(Path(path), self.grid())

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object for each picture, without the heat."""
        rows = [
            {"path": path, "classes": [each._asdict() for each in best]}
            for path, best in zip(self.predictions.paths, self.classes, strict=True)
        ]
        return {"run": self.run, "explanations": rows, "skipped": [each._asdict() for each in self.skipped]}

    def __len__(self) -> int:
        return len(self.pictures)

    def __repr__(self) -> str:
        """Describe the explanation in one line."""
        return f"<Explanation of {len(self)} picture{'s' * (len(self) != 1)} by {self.run}>"


def explain(
    run: Run | str | Path, pictures: Sequence[str | Path], *, top: int = 2, device: str = "auto"
) -> Explanation:
    """Show where in pictures a classifier sees its most probable classes.

    The heat maps are those of layers of middle resolution, by LayerCAM (Jiang et al. 2021,
    doi:10.1109/TIP.2021.3089943).

    Args:
        run: A run of a classifier that is open, its folder, a name below `runs`, an entry or a study.
        pictures: Picture files, folders whose pictures are all taken, and `test:12` for a picture of the test split.
        top: Number of classes that are explained for each picture.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto" for the fastest of this machine.

    Returns:
        The pictures, probabilities and heat maps, which `.save(path)` writes as one page.

    Raises:
        ZooError: If the run is not a classifier, its model has no feature maps, or there are over 100 pictures.

    Example:
        >>> import zoo
        >>> zoo.explain("cnn", ["seven.png"]).save("why.png")  # doctest: +SKIP
    """
    opened = load(run, pictures=[str(name) for name in pictures])
    torch_device = choose_device(device)
    model = opened.calibrated(opened.model(torch_device))
    if not isinstance(model, Classifier):
        raise ZooError(f"{opened.label} is not a classifier, so it has no classes to explain")
    skipped: list[Skipped] = []
    names, found = read_inputs(opened, [str(name) for name in pictures], skipped) if pictures else ([], None)
    if found is None:
        raise ZooError("no pictures to explain", f"name some, as in: zoo explain {opened.name} photo.png")
    if len(names) > MAX_PICTURES:
        raise ZooError(f"{len(names):,} pictures are too many for one page", f"name at most {MAX_PICTURES}")
    count = min(max(top, 1), len(opened.info.classes))
    autocast = autocast_type(torch_device, opened.entry.train.precision)
    with model_errors(opened.entry, "explanation"):
        parts = [
            explain_batch(model, found.x[start : start + BATCH], count, torch_device, autocast)
            for start in range(0, len(names), BATCH)
        ]
    probabilities = torch.cat([torch.empty(0, len(opened.info.classes)), *(each for each, _ in parts)])
    heat = torch.cat([torch.empty(0, count, *found.x.shape[2:]), *(each for _, each in parts)])
    predictions = Predictions(tuple(names), opened.info.classes, probabilities, model.averaging)
    return Explanation(opened.label, predictions, Pictures(found.x, found.y).floats, heat, skipped)


def explain_batch(
    model: Classifier, pixels: Tensor, count: int, device: torch.device, autocast: torch.dtype | None
) -> tuple[Tensor, Tensor]:
    """Compute probabilities (N, K) and heat (N, count, H, W) of pictures uint8 (N, C, H, W), on the CPU."""
    x = (pixels.float() / 255).contiguous().to(device)
    # the same classes and probabilities as `zoo predict`; small gradients of the heat would vanish in float16
    with torch.no_grad(), autocast_context(device, autocast):
        scores = model(x)
    probabilities = scores.float().softmax(1)
    best = probabilities.topk(count, 1).indices
    heat = torch.stack([heat_maps(model, x, best[:, rank]) for rank in range(count)], 1)
    return probabilities.cpu(), heat


def blend(picture: Pixels, heat: Tensor) -> Pixels:
    """Cover a picture uint8 (H, W, C), in grey, with the colours of heat (H, W)."""
    import numpy as np
    from matplotlib import colormaps

    colours = colormaps["inferno"](heat.numpy())[..., :3]
    grey = picture.mean(2, keepdims=True) / 255
    found: Pixels = ((OPACITY * colours + (1 - OPACITY) * grey) * 255).round().astype(np.uint8)
    return found
