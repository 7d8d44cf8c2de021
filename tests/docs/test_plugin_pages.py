"""The plugins that pages show whole: typed into empty folders, installed with pip, checked, and used by commands."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import told
from packages import find_in, pip_install
from pages import commands, pages
from sklearn.metrics import matthews_corrcoef

from tests.conftest import forget
from zoo.cli import main

Capture = pytest.CaptureFixture[str]
PLUGINS = {"data": "bars", "prior": "logistic", "metric": "balance", "augment": "scratch", "registry": "recipes"}
"""The page of each, and the name of its plugin."""
FILE = re.compile(r"`([\w/]+\.(?:toml|py|yaml))`[^`]*\n```\w+\n((?:.*\n)*?)```$", re.MULTILINE)
SMALL = ("model.blocks=2", "model.first=4", "model.last=8", "train.epochs=2", "train.batch=50")
TINY_VAE = ("data.limit=200", "model.latent=4", "model.width=8", "train.epochs=2", "train.batch=50", "train.ema=0")


def files(page: str) -> dict[str, str]:
    """What a page lets its reader type, by the names of the files."""
    return dict(FILE.findall(pages()[f"docs/plugins/{page}.md"]))


def lines(page: str) -> list[str]:
    """The commands of a page."""
    return [line for each, line in commands() if each == f"docs/plugins/{page}.md"]


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each page, in which its files are."""
    root = tmp_path_factory.mktemp("typed")
    for page in PLUGINS:
        for name, text in files(page).items():
            (root / page / name).parent.mkdir(parents=True, exist_ok=True)
            (root / page / name).write_text(text, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def site(typed: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Where pip installed all of them."""
    root = tmp_path_factory.mktemp("pages-site")
    pip_install(root / "site", [typed / page for page in PLUGINS])
    yield root / "site"
    forget(root)


@pytest.fixture
def installed(site: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory; the zoo of this process finds the plugins."""
    find_in(site, monkeypatch)
    return home


@pytest.mark.parametrize("page", PLUGINS)
def test_a_page_shows_a_whole_small_package(page: str) -> None:
    found, text = files(page), pages()[f"docs/plugins/{page}.md"]
    package = f"zoo_{PLUGINS[page]}"
    module = f"{package}/__init__.py" if page == "registry" else f"{package}.py"
    assert found.keys() - {f"{package}/entries.yaml"} == {"pyproject.toml", module}
    assert sum(bool(line.strip()) for code in found.values() for line in code.splitlines()) <= 45
    assert "## What it cannot add yet\n" in text
    assert lines(page)[:2] == ["pip install -e .", f"zoo check {PLUGINS[page]}"] and len(lines(page)) > 2


@pytest.mark.parametrize("page", PLUGINS)
@pytest.mark.usefixtures("installed")
def test_it_keeps_the_rules(page: str, capsys: Capture) -> None:
    assert main(["check", PLUGINS[page], "--json"]) == 0, capsys.readouterr()
    held = {row["family"] for row in json.loads(capsys.readouterr().out)["findings"] if row["state"] == "holds"}
    assert held == ({"plugin"} if page == "registry" else {"plugin", page})


@pytest.mark.usefixtures("installed")
def test_data_are_learnt_by_an_entry_of_the_zoo(capsys: Capture) -> None:
    trained = told(capsys, "train", "cnn", "data.kind=bars", "data.noise=20", "data.count=100", *SMALL)
    found = told(capsys, "evaluate", trained["run"])
    assert set(found["per_class"]) == {"across", "down"} and found["pictures"] == 20


@pytest.mark.usefixtures("installed")
def test_a_prior_draws_for_a_codec_of_the_zoo(capsys: Capture) -> None:
    trained = told(capsys, "train", "vae", "prior.kind=logistic", *TINY_VAE)
    assert told(capsys, "sample", trained["run"], "-n", "4")["pictures"] == 4


def test_a_metric_counts_rare_classes_as_much(run: Path, site: Path, monkeypatch: Any, capsys: Capture) -> None:
    find_in(site, monkeypatch)
    found = told(capsys, "evaluate", str(run))
    recalls = [row["recall"] for row in found["per_class"].values() if row["pictures"]]
    assert found["metrics"]["balanced_accuracy"] == pytest.approx(sum(recalls) / len(recalls))
    cells = [
        (row, column)
        for row, counts in enumerate(found["confusion"])
        for column, n in enumerate(counts)
        for _ in range(n)
    ]
    assert found["metrics"]["matthews"] == pytest.approx(matthews_corrcoef(*zip(*cells, strict=True)))


@pytest.mark.usefixtures("installed")
def test_entries_of_a_package_without_kinds_are_like_those_of_the_zoo(capsys: Capture) -> None:
    assert main(["list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"cnn-tiny", "vae-tiny"} <= {entry["name"] for entry in found["entries"]} and found["problems"] == []
    assert main(["show", "cnn-tiny", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["spec"]["model"].items() >= {"kind": "cnn", "first": 8}.items()
    assert told(capsys, "train", "cnn-tiny", "data.limit=100", "train.epochs=1", "train.batch=50")["epochs"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("page", PLUGINS)
@pytest.mark.usefixtures("installed")
def test_the_commands_of_a_page_do_what_it_says(page: str, capsys: Capture) -> None:
    for line in lines(page)[1:]:
        assert main(shlex.split(line)[1:]) == 0, (line, capsys.readouterr())
    assert page != "metric" or "matthews" in capsys.readouterr().out


@pytest.mark.slow
def test_what_is_typed_is_typed(typed: Path) -> None:
    modules = [str(path) for page in PLUGINS for path in (typed / page).rglob("*.py")]
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(typed / "cache"), *modules]
    done = subprocess.run(command, cwd=typed, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout
