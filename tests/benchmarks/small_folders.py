"""First results on small folders: `zoo train cnn --data FOLDER` beside a random forest and timm's ResNet-10-T.

small_folders.py WORK [--emoji DIR] [--fashion DIR] [--cifar10 train.parquet] [--only NAME] [--models A,B] [--seeds N]

Makes the folders below WORK from what is on this machine: the digits of scikit-learn, the npm package
`emoji-datasource-twitter` (DIR is the unpacked package), Debian's `dataset-fashion-mnist`, and a Parquet file of
CIFAR-10. Sources that are missing are left out. Every model gets the same training pictures and the same test pictures.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import io
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

FASHION = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot")
THREE = ("Animals & Nature", "Food & Drink", "Smileys & Emotion")
Pictures = Iterator[tuple[str, Image.Image]]
"""Where a picture belongs below the folder, as SPLIT/CLASS or CLASS, and the picture."""


class Score(NamedTuple):
    """One model on one folder."""

    accuracy: float
    seconds: float
    cpu: float


def digits(args: argparse.Namespace) -> Pictures:
    """The 1,797 digits of scikit-learn, 8x8."""
    from sklearn.datasets import load_digits

    found = load_digits()
    for picture, label in zip(found.images, found.target, strict=True):
        yield str(label), Image.fromarray((picture * 15.9375).astype(np.uint8))


def emoji(args: argparse.Namespace) -> Pictures:
    """The pictures of all emoji, 64x64, by Unicode's category."""
    for row in json.loads((args.emoji / "emoji.json").read_text(encoding="utf-8")):
        path = args.emoji / "img" / "twitter" / "64" / row["image"]
        if row["category"] != "Component" and path.exists():
            yield row["category"], Image.open(path).convert("RGBA")


def few_emoji(args: argparse.Namespace) -> Pictures:
    """84 emoji of each of three categories."""
    found = [pair for pair in emoji(args) if pair[0] in THREE]
    random.Random(0).shuffle(found)
    for category in THREE:
        yield from [pair for pair in found if pair[0] == category][:84]


def fashion(args: argparse.Namespace) -> Pictures:
    """Every tenth picture of Fashion-MNIST: 6,000 for training and 1,000 for testing."""
    for split, prefix in (("train", "train"), ("test", "t10k")):
        pixels, labels = (
            gzip.decompress((args.fashion / f"{prefix}-{name}-ubyte.gz").read_bytes())
            for name in ("images-idx3", "labels-idx1")
        )
        x = np.frombuffer(pixels, np.uint8, offset=16).reshape(-1, 28, 28)[::10]
        y = np.frombuffer(labels, np.uint8, offset=8)[::10]
        yield from (
            (f"{split}/{FASHION[label]}", Image.fromarray(picture)) for picture, label in zip(x, y, strict=True)
        )


def cifar10(args: argparse.Namespace) -> Pictures:
    """500 pictures of CIFAR-10 for training, and 2,000 others of its training set for testing."""
    import pyarrow.parquet as pq

    rows = pq.read_table(args.cifar10, columns=["img", "label"]).slice(0, 2500).to_pylist()
    for index, row in enumerate(rows):
        yield f"{'train' if index < 500 else 'test'}/{row['label']}", Image.open(io.BytesIO(row["img"]["bytes"]))


FOLDERS: dict[str, Callable[[argparse.Namespace], Pictures]] = {
    "emoji, 252": few_emoji,
    "emoji, 1,906": emoji,
    "digits": digits,
    "Fashion-MNIST, 10 %": fashion,
    "CIFAR-10, 500": cifar10,
}


def make_folder(path: Path, pictures: Pictures) -> None:
    """Write the pictures as PNG files in folders."""
    for index, (place, picture) in enumerate(pictures):
        (path / place).mkdir(parents=True, exist_ok=True)
        picture.save(path / place / f"{index:05}.png")


def forest(folder: Path, seed: int) -> Score:
    """A random forest on 12x12 pixels, with the zoo's own splits; validation pictures are learnt from too."""
    from sklearn.ensemble import RandomForestClassifier

    from zoo.registry.build import build_data
    from zoo.registry.listing import load_entry

    splits, _ = build_data(load_entry("cnn", data_options(folder, seed)).data)
    start, cpu = time.monotonic(), time.process_time()
    train, valid, test = (
        F.interpolate(part.floats, (12, 12), mode="bilinear", antialias=True).flatten(1).numpy()
        for part in (splits.train, splits.valid, splits.test)
    )
    model = RandomForestClassifier(500, random_state=seed)
    model.fit(np.concatenate([train, valid]), torch.cat([splits.train.y, splits.valid.y]).numpy())
    accuracy = float(model.score(test, splits.test.y.numpy()))
    return Score(accuracy, time.monotonic() - start, time.process_time() - cpu)


def data_options(folder: Path, seed: int) -> list[str]:
    """The options that `--data FOLDER` stands for, with another split for each seed."""
    return ["data.kind=folder", f"data.path={json.dumps(str(folder.absolute()))}", f"data.split_seed={seed}"]


def network(entry: str, folder: Path, seed: int, *words: str) -> Score:
    """Train an entry by the command that people type, and evaluate it on the test pictures."""
    run = folder.parent / f"run-{os.getpid()}-{entry}"
    shutil.rmtree(run, ignore_errors=True)
    train = ["train", entry, "--data", str(folder), "--out", str(run), f"data.split_seed={seed}", *words]
    seconds, cpu, _ = zoo(*train, "--seed", str(seed))
    evaluation = json.loads(zoo("evaluate", str(run), "--json")[2])
    shutil.rmtree(run)
    return Score(float(evaluation["metrics"]["accuracy"]), seconds, cpu)


def zoo(*words: str) -> tuple[float, float, str]:
    """Run a command: its seconds, its CPU seconds and what it printed."""
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-m", "zoo", *words], stdout=subprocess.PIPE, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - start, cpu, done.stdout


MODELS: dict[str, Callable[[Path, int], Score]] = {
    "cnn": functools.partial(network, "cnn"),
    "forest": forest,
    "timm-resnet10t": functools.partial(network, "timm-resnet10t"),
}


def average(scores: list[Score]) -> str:
    """Means as a cell of the table."""
    accuracy, seconds, cpu = (sum(column) / len(scores) for column in zip(*scores, strict=True))
    return f"{accuracy:.3f} ({seconds:.0f} s, CPU {cpu:.0f} s)"


def main() -> None:
    """Print the table, a row as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("work", type=Path)
    parser.add_argument("--emoji", type=Path, default=Path("node_modules/emoji-datasource-twitter"))
    parser.add_argument("--fashion", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--cifar10", type=Path, default=Path("cifar10/train.parquet"))
    parser.add_argument("--only", default="")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--seeds", type=int, default=1)
    args = parser.parse_args()
    models = args.models.split(",")
    print(f"| folder | {' | '.join(models)} |\n|{' --- |' * (len(models) + 1)}", flush=True)
    for name, pictures in FOLDERS.items():
        if args.only not in name:
            continue
        folder = args.work / name.replace(", ", "-").replace(" ", "-")
        try:
            if not folder.exists():
                make_folder(folder, pictures(args))
        except FileNotFoundError as error:
            print(f"| {name} | not measured: {error.filename} is missing | | |", flush=True)
            continue
        seeds = range(args.seeds)
        cells = [average([MODELS[model](folder, seed) for seed in seeds]) for model in models]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
