"""`zoo pull` of several hundred damaged and hostile folders and .zip files: refused in one line, or the same."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from badbundles import CHECKSUMS_RIGHT, CHECKSUMS_WRONG, bad_zip, change_json, pack, seal_again
from PIL import Image

import zoo
from zoo.cli import main
from zoo.core.files import write_json

Capture = pytest.CaptureFixture[str]
CODES = {2, 4, 5}


@pytest.fixture
def bundle(run: Path) -> Path:
    """A bundle with all files that there can be."""
    write_json(run / "evaluation" / "test.json", zoo.evaluate(run).to_dict())
    for name in ("samples", "confusion"):
        Image.fromarray(np.zeros((8, 8), "u1")).save(run / "evaluation" / f"test-{name}.png")
    zoo.push(run, "good")
    assert len(list(Path("good").iterdir())) == 9
    return Path("good")


class Puller:
    """Pulls bad bundles, and counts what became of them."""

    def __init__(self, bundle: Path, capsys: Capture) -> None:
        self.bundle, self.capsys, self.refused, self.same = bundle, capsys, 0, 0
        self.right = content(zoo.pull(bundle, out="right").path)

    def pull(self, source: Path) -> str:
        """Pull a bundle, and return the line of its refusal; empty if it was accepted."""
        code = main(["pull", str(source), "--out", "pulled"])
        err = self.capsys.readouterr().err
        assert "Traceback" not in err
        if code == 0:
            return ""
        assert code in CODES, (source, code, err)
        (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
        assert line.isprintable()
        assert not Path("pulled").exists()
        assert not list(Path().glob(".*.tmp"))
        return line

    def judge(self, source: Path) -> None:
        """Pull a bundle that must be refused, or have the content of the good one."""
        if self.pull(source):
            self.refused += 1
        else:
            assert content(Path("pulled")) == self.right, source
            self.same += 1
            shutil.rmtree("pulled")


def content(folder: Path) -> dict[str, Any]:
    """All files of a pulled run but the card, and those lines that differ from folder to folder."""
    skipped = ("README.md", "run.json", "test.json")
    files = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name not in skipped}
    run = zoo.load(folder)
    return files | {"record": {key: value for key, value in run.record.items() if key != "origin"}, "log": run.log()}


def test_300_damaged_folders_and_zips_are_refused_or_the_same(
    bundle: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    puller, random = Puller(bundle, capsys), Random(0)
    for number in range(360):
        source = Path(f"bad-{number}")
        shutil.copytree(bundle, source)
        if number % 2:
            target = Path(f"bad-{number}.zip")
            bad_zip(source, target, random)
            puller.judge(target)
            target.unlink()
        else:
            damages = CHECKSUMS_WRONG if number % 3 else CHECKSUMS_RIGHT
            random.choice(damages)(source, random)
            puller.judge(source)
        shutil.rmtree(source)
    assert puller.refused + puller.same == 360
    assert puller.refused > 340
    assert sorted(path.name for path in Path("runs").iterdir()) == ["tiny-1"]


def test_bundles_whose_checksums_are_right_never_end_in_a_traceback(
    bundle: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can write the checksums can say anything; what is accepted can be used."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    puller, random = Puller(bundle, capsys), Random(4)
    accepted = 0
    for number in range(120):
        source = Path(f"bad-{number}")
        shutil.copytree(bundle, source)
        change_json(source, random)
        if not puller.pull(source):
            accepted += 1
            run = zoo.load("pulled")
            assert run.record["weights_sha256"] == puller.right["record"]["weights_sha256"]
            zoo.push(run, "again")
            zoo.pull("again", out="once-more")
            for folder in ("pulled", "again", "once-more"):
                shutil.rmtree(folder)
        shutil.rmtree(source)
    assert 0 < accepted < 120


def test_a_good_bundle_that_was_packed_again_is_accepted(bundle: Path, capsys: Capture) -> None:
    seal_again(bundle)
    pack(bundle, Path("again.zip"))
    puller = Puller(bundle, capsys)
    for source in (bundle, Path("again.zip")):
        puller.judge(source)
    assert (puller.same, puller.refused) == (2, 0)
