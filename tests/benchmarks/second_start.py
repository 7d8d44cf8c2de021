"""Time to load a folder of 60,000 pictures: the zoo's first and second start, beside torchvision's ImageFolder.

second_start.py WORK [--pictures N]

Makes a folder of N pictures of 32x32 in ten classes below WORK, as JPEG files, unless it is there. Each start is a
process of its own, and its CPU seconds are printed beside its seconds; digits show what a start costs without pictures.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

ZOO = """
import sys
from zoo.registry.listing import load_entry
from zoo.training.prepared import prepare
found = prepare(load_entry("cnn", sys.argv[1:]).data)
print(sum(len(part) for part in (found.splits.train, found.splits.valid, found.splits.test)))
"""
IMAGE_FOLDER = """
import sys
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.transforms.v2.functional import pil_to_tensor
pictures = ImageFolder(sys.argv[1], transform=pil_to_tensor)
print(sum(len(labels) for _, labels in DataLoader(pictures, batch_size=500, num_workers=2)))
"""


def make_folder(path: Path, count: int) -> None:
    """Write random pictures, smooth enough that JPEG files have their usual size."""
    rng = np.random.default_rng(0)
    for number in range(10):
        (path / f"class-{number}").mkdir(parents=True)
    for index in range(count):
        small = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        small.resize((32, 32), Image.Resampling.BICUBIC).save(path / f"class-{index % 10}" / f"{index:06}.jpg")


def start(script: str, *words: str, cache: Path) -> str:
    """Run a script in a process of its own; return its seconds, its CPU seconds and what it prints."""
    begin, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"ZOO_CACHE": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", script, *words], env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return f"{time.monotonic() - begin:.1f} s, CPU {cpu:.1f} s, {done.stdout.strip()} pictures"


def main() -> None:
    """Print a line per start."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("work", type=Path)
    parser.add_argument("--pictures", type=int, default=60_000)
    args = parser.parse_args()
    folder, cache = args.work / f"pictures-{args.pictures}", args.work / f"cache-{time.time_ns()}"
    if not folder.exists():
        make_folder(folder, args.pictures)
    options = ["data.kind=folder", f"data.path={folder.absolute()}"]
    for title, script, words in (
        ("zoo, first start", ZOO, options),
        ("zoo, second start", ZOO, options),
        ("zoo, digits", ZOO, ["data.kind=digits"]),
        ("ImageFolder, one pass", IMAGE_FOLDER, [str(folder)]),
        ("ImageFolder, second pass", IMAGE_FOLDER, [str(folder)]),
    ):
        print(f"{title}: {start(script, *words, cache=cache)}", flush=True)


if __name__ == "__main__":
    main()
