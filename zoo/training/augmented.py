"""A page of training pictures as a training sees them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from zoo.data.dataset import Pictures
from zoo.data.loader import Loader
from zoo.display.grid import PictureRows, draw_grid, save_png, to_uint8
from zoo.registry.build import build_data
from zoo.registry.build_augment import build_augmenter
from zoo.registry.entry import Entry
from zoo.training.fit_entry import fit_before_training

AMONG = 256
"""Training pictures among which those of the page are augmented and mixed."""
STAGE = "model"
"""Stage whose draws the page shows."""


@dataclass(frozen=True)
class AugmentedPage:
    """Training pictures, each beside several draws of its augmentation."""

    pictures: Tensor
    """float32 (N, 1 + draws, C, H, W), values 0..1; the first of each row is the picture itself."""
    names: tuple[str, ...]
    """The class of each row."""
    caption: str

    def save(self, path: str | Path) -> None:
        """Write the page as a PNG file."""
        rows = [PictureRows([to_uint8(row)], name) for row, name in zip(self.pictures, self.names, strict=True)]
        save_png(Path(path), draw_grid(rows, self.caption))


def augmented_page(entry: Entry, rows: int = 8, draws: int = 8) -> AugmentedPage:
    """Augment some training pictures of an entry, one draw for each of the first epochs."""
    entry = fit_before_training(entry).apply(entry)
    splits, _ = build_data(entry.data)
    among = spread(splits.train, AMONG)
    augmenter = build_augmenter(entry.train, splits.info)
    loader = Loader(among, len(among), entry.train.augment, entry.train.seed, augmenter=augmenter)
    shown = torch.linspace(0, len(among) - 1, min(rows, len(among))).long()
    columns = [among.floats[shown]]
    for epoch in range(draws):
        (batch,) = loader.epoch(STAGE, epoch)
        place = loader.draw(STAGE, epoch).order.argsort()
        columns.append(batch.x[place[shown]])
    kinds = "".join(f", {item['kind']}" for item in entry.train.augment.then)
    caption = f"{entry.name}: each picture, then as augmented by train.augment{kinds} in epochs 1 to {draws}"
    classes = splits.info.classes or ("",)
    names = tuple(classes[label] for label in among.y[shown].tolist())
    return AugmentedPage(torch.stack(columns, 1), names, caption)


def spread(pictures: Pictures, count: int) -> Pictures:
    """Select pictures evenly over all of them."""
    return pictures.subset(torch.linspace(0, len(pictures) - 1, min(count, len(pictures))).long())
