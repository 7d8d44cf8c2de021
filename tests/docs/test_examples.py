"""The plugin in 40 lines: its files in an empty folder, the commands of the lesson run one by one as they stand."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path
from shutil import copy
from typing import NamedTuple
from venv import EnvBuilder

import pytest
import torch
from packages import OFFLINE
from pages import ROOT, commands, pages
from PIL import Image
from safetensors.torch import load_file

EXAMPLE = ROOT / "examples" / "sketch-plugin"
NAMES = ("pyproject.toml", "zoo_sketch.py", "registry.yaml")
FILES = {name: (EXAMPLE / name).read_text(encoding="utf-8") for name in NAMES}
LESSON = "docs/tutorial/first-plugin.md"
LINES = [line for page, line in commands() if page == LESSON]


class Shell(NamedTuple):
    """An empty folder to work in, and a virtual environment that sees what this one has."""

    work: Path
    python: Path
    env: dict[str, str]

    def run(self, *words: str) -> str:
        """The stdout of `pip ...`, `zoo ...` or `pytest ...`, in a process of its own."""
        command = [str(self.python), "-m", *words]
        if words[0] == "pip":  # the environment has none of its own
            command = [sys.executable, "-m", "pip", "--python", str(self.python), *words[1:], *OFFLINE]
        done = subprocess.run(
            command, cwd=self.work, env=self.env, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """The folder with the files of the tutorial, and an environment that has nothing of its own."""
    root = tmp_path_factory.mktemp("tutorial")
    builder = EnvBuilder()
    builder.create(root / "venv")
    python = builder.ensure_directories(root / "venv").env_exe
    site = Path(sysconfig.get_path("purelib", vars=dict.fromkeys(("base", "platbase"), str(root / "venv"))))
    seen = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (site / "seen.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in seen))
    (root / "sketch").mkdir()
    for name, code in FILES.items():
        (root / "sketch" / name).write_text(code, encoding="utf-8")
    homes = {"ZOO_CACHE": str(root / "cache"), "ZOO_CONFIG": str(root / "config"), "OMP_NUM_THREADS": "1"}
    return Shell(root / "sketch", Path(python), os.environ | homes)


def test_it_has_at_most_40_lines() -> None:
    assert sum(bool(line.strip()) for code in FILES.values() for line in code.splitlines()) <= 40
    assert {path.name for path in EXAMPLE.iterdir() if path.is_file()} == FILES.keys() | {"test_sketch.py"}


def test_the_lesson_shows_its_files_and_all_that_is_done_with_them() -> None:
    shown = re.findall(r"literalinclude} ../../examples/sketch-plugin/(.*)", pages()[LESSON])
    assert sorted(shown) == sorted(path.name for path in EXAMPLE.iterdir() if path.is_file())
    assert [line.split()[1] for line in LINES] == ["install", "list", "check", "train", "tune", "sample"]


@pytest.mark.slow
def test_it_lists_trains_tunes_and_samples(shell: Shell) -> None:
    printed = {line: shell.run(*shlex.split(line)) for line in LINES}
    told = {line.split()[1]: text for line, text in printed.items()}
    assert any(re.match(r"sketch +a small autoencoder, .* +sketch +sketch$", row) for row in told["list"].splitlines())
    assert told["train"].startswith(f"{Path('runs', 'sketch-1')}: 40 epochs")
    assert "3 of 3 trials" in told["tune"]
    page = shell.work / told["sample"].partition(":")[0]
    with Image.open(page) as opened:
        assert len(opened.convert("L").getcolors() or []) > 50
    copy(EXAMPLE / "test_sketch.py", shell.work)
    assert "passed" in shell.run("pytest", "-q", "test_sketch.py")

    words = ["zoo", "sample", "sketch-study", "3", "3 + 8", "--tensors", "drawn.safetensors", "--json"]
    found = json.loads(shell.run(*words))
    pictures = load_file(shell.work / "drawn.safetensors")["pictures"]
    assert len(pictures) == found["pictures"] == 64
    assert torch.isfinite(pictures).all() and pictures.flatten(1).std(0).max() > 0.05
