"""`zoo show NAME --augmented`: a page of training pictures as a training sees them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import TINY
from zoo.cli import main
from zoo.data.loader import Loader
from zoo.registry.build import build_data
from zoo.registry.build_augment import build_augmenter
from zoo.registry.listing import load_entry
from zoo.training.augmented import augmented_page

pytestmark = pytest.mark.usefixtures("home")


def test_each_row_is_a_picture_and_its_draws() -> None:
    entry = load_entry("cnn", [*TINY, "train.augment.pad=0", "train.augment.then=cutout p=0.5"])
    page = augmented_page(entry, rows=5, draws=6)
    assert page.pictures.shape == (5, 7, 1, 8, 8) and len(page.names) == 5
    same = (page.pictures[:, 1:] == page.pictures[:, :1]).flatten(2).all(2).float().mean()
    assert 0.2 < same < 0.8  # cutout of a half
    splits, _ = build_data(entry.data)
    loader = Loader(
        splits.train, len(splits.train), entry.train.augment, augmenter=build_augmenter(entry.train, splits.info)
    )
    (batch,) = loader.epoch("model", 3)
    seen = batch.x.flatten(1)
    found = page.pictures[:, 4].flatten(1)
    assert (found[:, None] == seen).all(2).any(1).all()  # what the training sees in that epoch


def test_the_command_says_where_the_page_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "cnn", *TINY, "--augmented"]) == 0
    assert capsys.readouterr().out.startswith("cnn-augmented.png: 8 pictures")
    assert main(["show", "cnn", *TINY, "train.augment.then=mixup", "--augmented", "-o", "page.png", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"entry": "cnn", "grid": "page.png", "pictures": 8, "draws": 8}
    assert Image.open("page.png").size != (0, 0) and Path("cnn-augmented.png").exists()
    for words, text in ((["-o", "a.png"], "without --augmented"), (["--augmented", "-o", "a.jpg"], "must end in .png")):
        assert main(["show", "cnn", *words]) == 2
        assert text in capsys.readouterr().err
    assert main(["show", "vae-nf", "train.augment.then=mixup", "--augmented"]) == 2
    assert "mixes labels" in capsys.readouterr().err
