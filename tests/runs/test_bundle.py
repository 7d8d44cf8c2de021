"""Bundles: a finished run as a folder or one .zip file, and what is made of it again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import zoo
from zoo.core.errors import RunError, ZooError
from zoo.core.files import write_json
from zoo.core.tensor_files import from_half, to_half
from zoo.runs.bundle import unpack_bundle, write_bundle, write_manifest
from zoo.runs.machine_paths import shorten_command, shorten_in_text
from zoo.runs.run import Run

NAMES = {"manifest.json", "entry.json", "run.json", "metrics.jsonl", "weights.safetensors"}


@pytest.mark.parametrize("name", ["published", "published.zip"])
def test_an_unpacked_bundle_is_the_same_run(run: Path, name: str) -> None:
    before = zoo.load(run)
    bundle = write_bundle(before, Path(name))
    unpack_bundle(bundle.path, Path("again"), origin="a friend")
    after = zoo.load("again")
    assert after.record["weights_sha256"] == before.record["weights_sha256"] == bundle.weights_sha256
    assert after.record["origin"] == "a friend"
    assert (after.entry, after.info, after.log()) == (before.entry, before.info, before.log())
    x = torch.rand(3, *after.info.shape)
    assert torch.equal(after.model()(x), before.model()(x))


def test_a_bundle_has_only_its_files_and_the_same_run_gives_the_same_bytes(run: Path) -> None:
    first = write_bundle(zoo.load(run), Path("one.zip"))
    again = write_bundle(zoo.load(run), Path("elsewhere/one.zip"))
    assert first.sha256 == again.sha256
    write_bundle(zoo.load(run), Path("folder"))
    names = {file.name for file in Path("folder").iterdir()}
    assert names >= NAMES
    assert names - NAMES <= {"README.md"}
    assert not list(Path().glob(".*.tmp"))


def test_the_evaluation_travels_with_its_picture(run: Path) -> None:
    found = zoo.evaluate(run)
    folder = run / "evaluation"
    write_json(folder / "test.json", found.to_dict() | {"files": ["/home/joe/x"], "trained_on": "folder /home/joe/x"})
    write_bundle(zoo.load(run), Path("b.zip"))
    unpack_bundle(Path("b.zip"), Path("again"))
    after = json.loads(Path("again/evaluation/test.json").read_text())
    assert after["metrics"] == found.metrics
    assert after["run"] == "again"
    assert "joe" not in json.dumps(after)


def test_no_path_of_the_machine_travels(run: Path) -> None:
    opened = zoo.load(run)
    entry = zoo.load(run).with_overrides(["data.kind=folder", 'data.path="/home/joe doe/secret/photos"'])
    private = Run.create(Path("private"), entry, opened.record | {"origin": "/home/joe doe/x"})
    command = """zoo train cnn 'data.path="/home/joe doe/secret/photos"' --out /home/joe/secret/out model.first=4"""
    notes = ["/home/joe doe/secret/photos: 3 classes (a/b, c)"]
    skipped = [["/home/joe/secret/x.png", "broken"]]
    for name in ("weights.safetensors", "manifest.json", "metrics.jsonl"):
        Path("private", name).write_bytes((run / name).read_bytes())
    private.update(state="done", command=command, notes=notes, skipped=skipped)
    write_bundle(private, Path("b"))
    text = "".join(file.read_text() for file in Path("b").iterdir() if file.suffix in (".json", ".jsonl", ".md"))
    assert "joe" not in text
    assert "secret" not in text
    again = Run.open(Path("b"))
    assert again.entry.data.dump()["path"] == "photos"
    assert again.record["command"] == """zoo train cnn 'data.path="photos"' --out out model.first=4"""
    assert again.record["notes"] == ["photos: 3 classes (a/b, c)"]


def test_paths_within_texts_are_shortened_and_nothing_else() -> None:
    assert shorten_in_text("in /home/joe/pics: a/b, 1/2 at http://x.y/z") == "in pics: a/b, 1/2 at http://x.y/z"
    assert shorten_in_text("in C:\\Users\\joe\\pics") == "in pics"
    assert shorten_in_text("/home/joe doe/pics, 3 classes", ["/home/joe doe"]) == "pics, 3 classes"
    call = "zoo.train('cnn', data='/home/joe doe/x', out=PosixPath('/home/joe/runs/y'), seed=1)"
    assert shorten_command(call) == "zoo.train('cnn', data='x', out=PosixPath('y'), seed=1)"
    assert shorten_command("zoo train cnn lr=1e-3 --data=~/pics ../x") == "zoo train cnn lr=1e-3 --data=pics x"


def test_half_precision_halves_large_tensors_and_is_undone_at_loading(run: Path) -> None:
    weights = {"w": torch.randn(64, 64), "b": torch.randn(64), "n": torch.arange(2000), "big": torch.full((2000,), 1e5)}
    half = to_half(weights)
    assert {name: value.dtype for name, value in half.items()} == {
        "w": torch.float16,
        "b": torch.float32,
        "n": torch.int64,
        "big": torch.float32,
    }
    again = from_half(half)
    assert {name: value.dtype for name, value in again.items()} == {n: v.dtype for n, v in weights.items()}
    assert torch.allclose(again["w"], weights["w"], atol=2e-3)


def test_a_run_in_half_precision_loads_as_float32(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.core.tensor_files.MIN_HALF_VALUES", 16)
    before = zoo.load(run)
    bundle = write_bundle(before, Path("h.zip"), half=True)
    assert bundle.weights_sha256 != before.record["weights_sha256"]
    assert bundle.bytes < write_bundle(before, Path("w.zip")).bytes
    unpack_bundle(Path("h.zip"), Path("again"))
    model, whole = zoo.load("again").model(), before.model()
    x = torch.rand(3, *before.info.shape)
    assert {value.dtype for value in model.state_dict().values()} <= {torch.float32, torch.int64}
    assert torch.allclose(model(x), whole(x), atol=0.02)
    assert not torch.equal(model(x), whole(x))
    twice = write_bundle(zoo.load("again"), Path("twice.zip"), half=True)
    assert twice.weights_sha256 == bundle.weights_sha256


def test_an_unfinished_run_is_not_published(run: Path) -> None:
    opened = zoo.load(run)
    opened.update(state="interrupted")
    with pytest.raises(ZooError, match=r"has not finished.*resume with"):
        write_bundle(opened, Path("b"))
    assert not Path("b").exists()


def test_only_a_bundle_is_replaced(run: Path) -> None:
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("years of work")
    with pytest.raises(ZooError, match="not a bundle"):
        write_bundle(zoo.load(run), Path("mine"))
    Path("mine.zip").write_bytes(b"PK but no zip")
    with pytest.raises(ZooError, match="not a bundle"):
        write_bundle(zoo.load(run), Path("mine.zip"))
    assert Path("mine/thesis.txt").read_text() == "years of work"
    for _ in range(2):
        write_bundle(zoo.load(run), Path("b"))
    with pytest.raises(ZooError, match="already exists"):
        unpack_bundle(Path("b"), Path("mine"))


def test_a_bundle_that_names_a_path_of_a_machine_is_refused(run: Path) -> None:
    """Reading it may start a request on Windows, as `\\\\server\\share` does."""
    write_bundle(zoo.load(run), Path("b"))
    entry = zoo.load(run).with_overrides(["data.kind=folder", "data.path=/mnt/x"])
    about = {key: value for key, value in zoo.load(run).record.items() if key != "entry_sha256"}
    Run.create(Path("other"), entry, about)
    for name in ("entry.json", "run.json"):
        Path("b", name).write_bytes(Path("other", name).read_bytes())
    Path("b/manifest.json").unlink()
    write_manifest(Path("b"))
    with pytest.raises(RunError, match="a path of another machine"):
        unpack_bundle(Path("b"), Path("again"))
    assert not Path("again").exists()
