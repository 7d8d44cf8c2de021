"""Where the commands of the pages are run: pictures, and a registry of entries that are small and quickly trained."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest

from zoo.cli import main
from zoo.registry.catalog import catalog

SMALL = """version: 1
entries:
  cnn:
    extends: cnn
    data: {limit: 300}
    model: {blocks: 3, first: 8, last: 16, final: 1, head: 0}
    train: {epochs: 2, batch: 50}
    tune:
      trials: 1
      grace_period: 1
      space: {model: {first: 8..16, last: 16..32, head: null, blocks: null, final: null}}
  judge: {extends: judge, model: {blocks: 3, first: 8, last: 16}}
  vae:
    extends: vae
    data: {limit: 300}
    model: {latent: 8, width: 8}
    prior: {kind: mixture, components: 4}
    train: {epochs: 1, batch: 50}
    tune: {trials: 1, grace_period: 1, space: {model: {latent: 4..8, width: 8..12}, prior.components: 2..5}}
  vae-nf:
    extends: vae-nf
    data: {limit: 300}
    model: {latent: 8, width: 8}
    prior: {layers: 2, width: 16}
    train: {epochs: 1, batch: 50}
    tune:
      trials: 1
      grace_period: 1
      space: {model: {latent: 4..8, width: 8..12}, prior: {layers: 1..2, width: [8, 16]}}
  vae-nf-cifar10: {extends: vae-nf, text: {kind: sentence}}
  vae-nf-shapes:
    extends: vae-nf-shapes
    data: {n: 120}
    model: {width: 8}
    prior: {layers: 1, width: 16}
    train: {batch: 50, stages: {codec: {epochs: 1}, prior: {epochs: 1}}}
  vq-vae:
    extends: vq-vae
    data: {limit: 300}
    model: {width: 8}
    prior: {width: 16, layers: 1}
    train: {batch: 50, stages: {codec: {epochs: 1}, prior: {epochs: 1}}}
"""
QUICKER = {
    "--trials": "1",
    "--minutes": "0.01",
    "--seeds": "1",
    "--folds": "2",
    "--bound": "9",
    "train.minutes": "0.01",
}
"""What is made small of the commands; all else of them is run as it stands."""
ADDED = {"bench": ["--seconds", "0.2"]}
AS_SHIPPED = {"list", "front", "show", "plugins", "schema", "studies"}
"""Commands that read the registry and train nothing, so that they see the entries as they are."""
ON_RUNS = {"evaluate", "export", "predict", "sample", "mix", "edit", "score", "reconstruct", "interpolate", "push"}


class Lab:
    """A working folder with pictures, and the runs that commands ask for."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.patch = folder, patch
        self.config, self.empty = folder.parent / "config", folder.parent / "empty"
        self.config.mkdir()
        (self.config / "registry.yaml").write_text(SMALL, encoding="utf-8")
        patch.chdir(folder)
        patch.setenv("ZOO_CACHE", str(folder.parent / "cache"))
        patch.setenv("ZOO_CONFIG", str(self.config))
        catalog.cache_clear()
        draw(folder)

    def run(self, line: str) -> int:
        """The exit code of a command, of whose numbers some are made smaller."""
        words = quicker(shlex.split(line)[1:])
        config = self.empty if words[0] in AS_SHIPPED else self.config
        self.patch.setenv("ZOO_CONFIG", str(config))
        if words[0] in ON_RUNS or "--inference" in words:
            for run in words[1].split("+"):
                self.need(run)
        if words[0] == "pull":
            self.publish(words[1])
        if "--data" in words and words[0] == "train":  # so that the entry's newest run stays one of its own data
            words += ["--out", f"elsewhere/{len(list(self.folder.glob('elsewhere/*')))}"]
        if words[0] == "tune":  # a study that another command wanted would only be told as done
            rmtree(self.folder / "runs" / f"{words[1]}-study", ignore_errors=True)
            if "--from" in words:
                self.need(words[words.index("--from") + 1])
        with left_alone(self.folder / "registry.yaml"):
            return main(words)

    def need(self, run: str) -> None:
        """Train the entry, or tune it, of which a command wants a run."""
        study = run.endswith("-study")
        if not list((self.folder / "runs").glob(run if study else f"{run}-[0-9]*")):
            words = ["tune", run.removesuffix("-study")] if study else ["train", run]
            assert main([*words, "--device", "cpu"]) == 0

    def publish(self, source: str) -> None:
        """Push a run to where a command pulls one from, and make way for it."""
        self.need("cnn")
        assert main(["push", "cnn", source]) == 0
        rmtree(self.folder / "runs" / Path(source).stem, ignore_errors=True)


def quicker(words: list[str]) -> list[str]:
    """The command with smaller numbers."""
    small = [
        f"{name}={QUICKER[name]}" if (name := word.partition("=")[0]) in QUICKER and "=" in word else word
        for word in words
    ]
    small = [QUICKER.get(before, word) for before, word in zip(["", *small], small, strict=False)]
    return small + ADDED.get(words[0], [])


@contextmanager
def left_alone(path: Path) -> Iterator[None]:
    """Within the block there may be a file; after it, it is gone."""
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def draw(folder: Path) -> None:
    """my-pictures, my-folder and my-parquet-folder, of the digits."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    pictures = [Image.fromarray((picture * 15.9).astype(np.uint8)) for picture in digits.images[:200]]
    labels = [int(label) for label in digits.target[:200]]
    for name in ("my-pictures", "my-parquet-folder", *(f"my-folder/{label}" for label in range(10))):
        (folder / name).mkdir(parents=True)
    for name, picture in zip(("zero", "one", "two", "three"), pictures, strict=False):
        picture.save(folder / "my-pictures" / f"{name}.png")
    for number, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        picture.save(folder / "my-folder" / str(label) / f"{number:03d}.png")
    files = [path.read_bytes() for path in sorted((folder / "my-folder").rglob("*.png"), key=lambda path: path.name)]
    table = pa.table({"image": [{"bytes": file, "path": None} for file in files], "label": labels})
    pq.write_table(table, folder / "my-parquet-folder" / "train-00000-of-00001.parquet")
