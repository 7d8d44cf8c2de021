"""A tiny run, trained once for all tests that read one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import zoo

TINY = ["data.kind=digits", "data.limit=200", "model.blocks=2", "model.first=4", "model.last=8", "train.epochs=2"]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on the digits; not to be changed."""
    folder = tmp_path_factory.mktemp("trained") / "tiny"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_CACHE", str(folder.parent / "cache"))
        patch.setenv("ZOO_CONFIG", str(folder.parent / "config"))
        patch.chdir(folder.parent)
        zoo.train("cnn", *TINY, out=folder, device="cpu")
    return folder


@pytest.fixture
def run(trained: Path, home: Path) -> Path:
    """A copy of that run at runs/tiny-1, which a test may change."""
    path = Path("runs/tiny-1")
    shutil.copytree(trained, path)
    return path
