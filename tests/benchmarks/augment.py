"""Measure how many pictures per second each augmentation kind makes: python tests/benchmarks/augment.py [SIDE]."""

from __future__ import annotations

import sys
import time

import torch

from zoo.core.types import Batch, DataInfo
from zoo.data.augmenter import Augmenter
from zoo.registry.build_augment import build_step
from zoo.registry.listing import load_entry

BATCH, CLASSES, REPEATS = 125, 10, 30
KINDS = ("crop", "flip", "affine", "cutout", "colour-jitter hue=0.1", "mixup", "cutmix", "trivial-augment")


def pictures_per_second(kind: str, side: int) -> float:
    """The best of several batches on one thread; every picture is augmented."""
    info = DataInfo.of((3, side, side), tuple(map(str, range(CLASSES))))
    (item,) = load_entry("cnn", [f"train.augment.then={kind}"]).train.augment.then
    augmenter = Augmenter([build_step(item, info)._replace(p=1.0)], CLASSES)
    numbers = next(augmenter.numbers("model", 0, torch.arange(BATCH), BATCH, 0, torch.device("cpu")))
    x, y = torch.rand(BATCH, side, side, 3).permute(0, 3, 1, 2), torch.randint(CLASSES, (BATCH,))
    best = float("inf")
    for _ in range(REPEATS):
        copy = x.clone(memory_format=torch.preserve_format)
        start = time.perf_counter()
        augmenter(Batch(copy, y), numbers)
        best = min(best, time.perf_counter() - start)
    return BATCH / best


if __name__ == "__main__":
    torch.set_num_threads(1)
    side = int(sys.argv[1]) if len(sys.argv) > 1 else 32
    for kind in KINDS:
        print(f"{kind.split()[0]:16} {pictures_per_second(kind, side):10,.0f} pictures/s")
