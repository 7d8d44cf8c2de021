"""`zoo cache`: the size of the cache by kind, and its cleaning."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from zoo.cli import main
from zoo.core.files import cache_dir

Capture = pytest.CaptureFixture[str]
HASH = "0123456789abcdef" * 4
OWN = {
    "pictures": f"data/{HASH}.safetensors",
    "texts": f"text/{HASH}.safetensors",
    "classifiers": f"classifiers/judge-{HASH[:16]}/run.json",
    "weights": f"weights/{HASH[:16]}/cnn@digits/run.json",
    "kernels": f"kernels/{HASH[:20]}/fused.so",
    "compiled": "inductor/slot-0/1/code.py",
    "plugins": f"plugins/acme-{HASH[:12]}.json",
    "registries": f"yaml/{HASH}.json",
    "completion": f"completion/{HASH[:20]}.json",
    "crashes": "crashes/20260101-120000-17.txt",
    "downloads": "data/cifar-10-batches-py/test_batch",
}
FOREIGN = ["data/photo.png", "data/set/cat/1.png", "notes.txt", "kernels/mine/fused.so", "other/x.json", "yaml/a.json"]


def fill(names: list[str]) -> None:
    for name in names:
        path = cache_dir() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 1000)


def zoo_json(capsys: Capture, *words: str) -> Any:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def left() -> set[str]:
    root = cache_dir()
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def test_the_cache_is_shown_by_kind(home: Path, capsys: Capture) -> None:
    assert zoo_json(capsys, "cache")["bytes"] == 0
    fill([*OWN.values(), *FOREIGN])
    found = zoo_json(capsys, "cache")
    assert found["kinds"] == {kind: {"count": 1, "bytes": 1000} for kind in OWN}
    assert (found["folder"], found["bytes"]) == (str(cache_dir()), 11_000)
    assert main(["cache"]) == 0
    assert "11 kB" in capsys.readouterr().out


def test_clean_deletes_only_what_the_zoo_made(home: Path, capsys: Capture) -> None:
    fill([*OWN.values(), *FOREIGN])
    assert zoo_json(capsys, "cache", "clean", "texts", "crashes")["bytes"] == 2000
    assert OWN["pictures"] in left() and OWN["texts"] not in left()
    assert zoo_json(capsys, "cache", "clean")["bytes"] == 8000
    assert left() == {*FOREIGN, OWN["downloads"]}, "downloads cannot be made again offline"
    assert main(["cache", "clean", "downloads"]) == 0
    assert left() == set(FOREIGN)


def test_what_is_in_use_is_kept_and_said(home: Path, capsys: Capture) -> None:
    fill([OWN["classifiers"], OWN["compiled"]])
    with FileLock(cache_dir() / "classifiers" / f"judge-{HASH[:16]}" / "lock"):
        found = zoo_json(capsys, "cache", "clean")
    assert len(found["problems"]) == 1 and "is in use" in found["problems"][0]
    assert OWN["classifiers"] in left() and OWN["compiled"] not in left()


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_links_are_not_followed(home: Path, tmp_path: Path, capsys: Capture) -> None:
    away = tmp_path / "away"
    away.mkdir()
    (away / f"{HASH}.json").write_text("mine", encoding="utf-8")
    cache_dir().mkdir(parents=True)
    (cache_dir() / "yaml").symlink_to(away)
    fill([OWN["compiled"]])
    (cache_dir() / "inductor" / "seed").symlink_to(away)
    (cache_dir() / "inductor" / "slot-0" / "link").symlink_to(away)
    assert zoo_json(capsys, "cache", "clean")["bytes"] == 1000
    assert (away / f"{HASH}.json").exists()


@pytest.mark.parametrize("words", [["texts"], ["show", "texts"], ["clean", "everything"]])
def test_words_that_do_not_fit_are_refused(words: list[str], home: Path) -> None:
    assert main(["cache", *words]) == 2
