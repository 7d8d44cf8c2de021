"""The README does what it says: every code block is run, the screens are those that are printed, the table is true."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from entrytable import lines, written
from readme import LEFT_OUT, TEXT, Block, Shown, blocks, commands, screens, section, shows
from readmelab import Lab

from zoo.cli import main
from zoo.core.yaml import parse
from zoo.registry.catalog import catalog
from zoo.registry.listing import EntryInfo

Capture = pytest.CaptureFixture[str]
TUTORIAL = "Write a plugin"
"""Its files and commands are those of test_tutorial.py."""
EXCUSED = {
    "pip install": "CI runs the two of the setup, test_tutorial.py the third",
    "--data cifar10": "it downloads 160 MB",
    "--data fashion-mnist": "it downloads 30 MB",
    "--name lean": "a study takes half a minute, and those of the same block without a name, and `front`, are run",
    "--name fewest": "likewise",
    "--address": "it wants a cluster; tests/zoo/test_tuning_client.py has one",
}
"""Commands that are not run, by what is in them, and why; that they have the options is looked at all the same."""
COMMON = [line for place, line in commands() if place != TUTORIAL]
EXCUSED_LINES = [line for line in COMMON if any(part in line for part in EXCUSED)]
RUN = [line for line in COMMON if line not in EXCUSED_LINES]
PYTHON = [block for block in blocks() if block.language == "python" and block.section != TUTORIAL]
YAML = [block for block in blocks() if block.language == "yaml" and block.section != TUTORIAL]


def marked(text: str, value: object = None) -> Any:
    """A parameter of a test, marked as slow where it starts Ray."""
    slow = any(part in text for part in ("zoo tune", "zoo.tune", "-study"))
    return pytest.param(text if value is None else value, marks=[pytest.mark.slow] if slow else [])


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A folder with pictures and small entries, for all tests of this file."""
    folder = tmp_path_factory.mktemp("readme") / "work"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        yield Lab(folder, patch)
    catalog.cache_clear()


@pytest.fixture
def lab(laboratory: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """The same, with the registry of small entries in force."""
    laboratory.patch.setenv("ZOO_CONFIG", str(laboratory.config))
    return laboratory


@pytest.mark.parametrize("line", [marked(line) for line in RUN])
def test_the_command_runs(lab: Lab, line: str, capsys: Capture) -> None:
    assert line.startswith("zoo ")
    code, said = lab.run(line), capsys.readouterr().err
    assert code == 0 and "skipped" not in said, said


@pytest.mark.parametrize("shown", [marked(each.command, each) for each in screens()], ids=lambda each: each.command)
def test_the_screen_is_what_is_printed(lab: Lab, shown: Shown, capsys: Capture) -> None:
    assert lab.run(shown.command) == 0
    printed = "\n".join(capsys.readouterr()).splitlines()
    missing = [
        line
        for line in shown.lines
        if line.strip() and line != LEFT_OUT and not any(shows(line, each) for each in printed)
    ]
    assert not missing, (missing, printed)


@pytest.mark.parametrize("code", [marked(block.code) for block in PYTHON])
def test_the_python_runs(lab: Lab, code: str, capsys: Capture) -> None:
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("block", YAML, ids=lambda block: block.section)
def test_the_registry_resolves(home: Path, block: Block, capsys: Capture) -> None:
    (home / "registry.yaml").write_text(block.code, encoding="utf-8")
    for name, body in parse(block.code, "README.md").data["entries"].items():
        assert main(["show", name, "--options", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        given = {key: body[key] for key in ("data", "model", "train") if key in body}
        assert all(found["spec"][key] | options == found["spec"][key] for key, options in given.items())
        searched = {row["name"]: row["search"] for row in found["options"]}
        for option, where in body.get("tune", {}).get("space", {}).items():
            assert (searched[option] is None) == (where is None), option


@pytest.mark.parametrize("line", EXCUSED_LINES)
def test_what_is_not_run_has_its_options(line: str, capsys: Capture) -> None:
    for part in filter(lambda part: part.strip().startswith("zoo "), line.split("&&")):
        _, name, *words = shlex.split(part)
        assert main([name, "--help"]) == 0
        shown = capsys.readouterr().out
        assert all(word in shown for word in words if word.startswith("--")), (name, words)


def test_every_excuse_is_used() -> None:
    assert {part for part in EXCUSED if any(part in line for line in EXCUSED_LINES)} == EXCUSED.keys()


def test_every_block_is_of_a_language_that_is_run() -> None:
    assert {block.language for block in blocks()} <= {"sh", "text", "python", "yaml", "toml"}
    tutorial = [block.language for block in blocks() if block.section == TUTORIAL]
    assert tutorial == ["toml", "python", "yaml", "sh", "python", "sh"]
    assert not [block for block in blocks() if block.language == "toml" and block.section != TUTORIAL]
    assert len(RUN) > 30 and len(screens()) > 5


def test_a_screen_that_differs_would_be_seen() -> None:
    assert shows("cnn … 874,764  digits", "cnn   plain CNN      8 digits")
    assert shows("done, 8 of 8 trials (4 done, 4 pruned)", "done, 2 of 2 trials (2 done)")
    assert not shows("figure  value", "figure  number  value")
    assert not shows("accuracy 0.99", "loss 0.99")


def test_the_quick_start_is_short_and_the_setup_is_what_ci_looks_for() -> None:
    assert len(section("Quick start").splitlines()) <= 60
    about = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))
    assert about["project"]["readme"] == "README.md"
    setup = section("Set up")
    for mark, line in (
        ("quick start", "pip install . && zoo tune vae-nf"),
        ("tests", 'pip install -e ".[test]" && pytest -n 3'),
    ):
        assert f"<!-- {mark} -->\n```sh\n{line}\n```" in setup


def test_the_table_of_entries_is_the_registrys() -> None:
    assert written(TEXT) == TEXT, "write it anew with: python tests/common/entrytable.py --write"


def test_the_table_says_what_is_stale_and_what_was_not_measured() -> None:
    about = EntryInfo("mine", "a | b", "cnn", "digits", "classifiers", [], [])
    assert list(lines(about)) == [("`mine`", "a \\| b", "digits", "", "not measured", "", "")]
    result = {"split": "test", "seed": 3, "parameters": 1234, "minutes": 0.0, "stale": True}
    old = result | {"data": "digits", "metrics": {"loss": 7.0, "frechet": 3.14, "judge_right": 0.5}, "guidance": 1.0}
    new = result | {"data": "digits", "metrics": {"loss": 0.1, "accuracy": 0.987}, "stale": False}
    other = old | {"data": "a folder"}
    first, second = lines(replace(about, results=[old, new, other]))
    assert first[2:] == ("digits", "1,234", "accuracy 98.7 %", "< 0.1", "3")
    reached = "Frechet distance 3.1, 50 % judged right, 7.00 bits a number, guidance 1 **(stale)**"
    assert second == ("", "", "a folder", "1,234", reached, "< 0.1", "3")


def test_links_within_lead_somewhere() -> None:
    heads = re.findall(r"^#{2,3} (.*)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads}
    assert set(re.findall(r"\]\(#([\w-]+)\)", TEXT)) <= anchors
