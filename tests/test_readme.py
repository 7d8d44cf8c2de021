"""The README does what it says: its Python, YAML and plugin run, its commands and options exist."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

import zoo
from zoo.cli import main

TEXT = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)


def block(language: str, word: str) -> str:
    """The code block of a language that holds a word."""
    return str(next(code for found, code in BLOCKS if found == language and word in code))


@pytest.mark.usefixtures("home")
def test_the_python_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block("python", "zoo.train("), "README.md", "exec"), {})
    assert 0 <= float(capsys.readouterr().out) <= 1


@pytest.mark.usefixtures("home")
@pytest.mark.slow
def test_the_python_example_of_tuning_runs(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(block("python", "zoo.tune("), "README.md", "exec"), {})
    assert "cnn-study" in capsys.readouterr().out


def test_the_search_example_resolves(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "registry.yaml").write_text(block("yaml", "my-search"), encoding="utf-8")
    assert main(["show", "my-search", "--options", "--json"]) == 0
    searched = {row["name"]: row["search"] for row in json.loads(capsys.readouterr().out)["options"]}
    assert searched["model.first"] == "32..48 step 2"
    assert searched["model.kernel"] is None
    assert "separable" in searched["model.ratio"]


def test_the_registry_example_resolves(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "registry.yaml").write_text(block("yaml", "my-cnn"), encoding="utf-8")
    assert main(["show", "my-cnn", "--options", "--json"]) == 0
    spec = json.loads(capsys.readouterr().out)["spec"]
    assert (spec["model"]["first"], spec["train"]["epochs"], spec["data"]["kind"]) == (23, 50, "folder")


def test_the_plugin_example_trains(install: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    install("acme", block("python", "zoo_models"))
    Path("registry.yaml").write_text("version: 1\nentries:\n  mlp: {model: {kind: mlp}}\n", encoding="utf-8")
    assert main(["train", "mlp", "train.epochs=30", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"]["accuracy"] > 0.8


def test_every_command_of_the_readme_has_the_options_that_it_shows(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line.split("#")[0].strip() for language, code in BLOCKS if language == "sh" for line in code.splitlines()]
    commands = [shlex.split(part) for line in lines for part in line.split("&&") if part.strip().startswith("zoo ")]
    assert len(commands) > 8
    for _, name, *words in commands:
        assert main([name, "--help"]) == 0
        shown = capsys.readouterr().out
        assert all(word in shown for word in words if word.startswith("--")), (name, words)


def test_the_entries_table_is_the_registrys(home: Path) -> None:
    section = TEXT[TEXT.index("## Entries") : TEXT.index("## The classifier")]
    named = set(re.findall(r"^\| `([\w-]+)` \|", section, re.MULTILINE))
    assert named == {entry.name for entry in zoo.entries()}
