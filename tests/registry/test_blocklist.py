"""Plugins that are not to be loaded: --no-plugin wherever it stands, ZOO_PLUGINS, and the processes of a study."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from packages import MOE

from tests.conftest import Install
from zoo.cli import main
from zoo.registry.catalog import catalog
from zoo.registry.plugins.blocklist import DENIED

Capture = pytest.CaptureFixture[str]
GOOD = "open('imported', 'w').close()\n" + MOE


def states(capsys: Capture, *words: str) -> dict[str, str]:
    """State of each plugin by name, as `zoo plugins` has it."""
    assert main(["plugins", "--json", *words]) == 0
    return {plugin["name"]: plugin["state"] for plugin in json.loads(capsys.readouterr().out)["plugins"]}


@pytest.mark.parametrize(
    "words",
    [
        ["--no-plugin", "acme", "plugins", "--json"],
        ["plugins", "--no-plugin", "acme", "--json"],
        ["plugins", "--json", "--no-plugin=zoo_acme"],
        ["--no-plugin", "timm", "plugins", "--json", "--no-plugin", "Zoo-Acme"],
    ],
)
def test_a_plugin_is_left_out_wherever_the_option_stands(
    words: list[str], install: Install, home: Path, capsys: Capture
) -> None:
    install("acme", GOOD)
    assert main(words) == 0
    plugins = {plugin["name"]: plugin for plugin in json.loads(capsys.readouterr().out)["plugins"]}
    assert (plugins["acme"]["state"], plugins["acme"]["error"]) == ("blocked", "blocked by --no-plugin")
    assert plugins["timm"]["state"] == ("blocked" if "timm" in words else "ok")
    assert not (home / "imported").exists(), "it is not even probed"
    assert DENIED not in os.environ
    catalog().wait_for_probes()
    assert states(capsys)["acme"] == "ok", "it holds for one command"
    assert (home / "imported").exists()


def test_a_kind_of_a_blocked_plugin_is_missing(install: Install, home: Path, capsys: Capture) -> None:
    install("acme", GOOD)
    for words, cause in {
        ("model.kind=moe", "--no-plugin", "acme"): "no model kind 'moe'; plugin acme is blocked by --no-plugin",
        ("model.kind=acme:moe", "--no-plugin", "acme"): "kind 'acme:moe'; plugin acme is blocked by --no-plugin",
        ("--no-plugin", "classifiers"): "no model kind 'cnn'; plugin classifiers is blocked by --no-plugin",
    }.items():
        assert main(["show", "cnn", *words]) == 4
        assert cause in capsys.readouterr().err
    assert main(["list", "--no-plugin", "classifiers", "--json"]) == 0
    needs = {entry["name"]: entry["needs"] for entry in json.loads(capsys.readouterr().out)["entries"]}
    assert "plugin classifiers is blocked by --no-plugin" in needs["cnn"][0]


def test_an_unknown_name_is_an_error_with_the_nearest(install: Install, capsys: Capture) -> None:
    install("acme", GOOD)
    assert main(["list", "--no-plugin", "acmee"]) == 2
    assert capsys.readouterr().err == (
        "error: --no-plugin mentions 'acmee', which is not installed; did you mean 'acme'?\n"
    )


@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        (None, "ok ok ok"),
        ("", "ok ok ok"),
        ("none", "ok blocked blocked"),
        ("acme", "ok ok blocked"),
        (" zoo_acme , none", "ok ok blocked"),
        ("acme,zoo-other", "ok ok ok"),
        ("classifiers", "ok blocked blocked"),
    ],
)
def test_the_list_of_plugins_that_may_be_loaded(
    allowed: str | None, expected: str, install: Install, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    install("acme", GOOD)
    install("other", GOOD.replace("'moe'", "'other'"))
    if allowed is not None:
        monkeypatch.setenv("ZOO_PLUGINS", allowed)
    catalog().wait_for_probes()
    found = states(capsys)
    assert [found[name] for name in ("data", "acme", "other")] == expected.split()


def test_an_unknown_name_in_the_list_is_a_note(
    install: Install, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    install("acme", GOOD)
    monkeypatch.setenv("ZOO_PLUGINS", "acmee")
    assert main(["list"]) == 0
    assert "note: ZOO_PLUGINS mentions 'acmee', which is not installed; did you mean 'acme'?" in capsys.readouterr().err


@pytest.mark.slow
def test_a_plugin_is_blocked_in_the_workers_of_a_study_too(install: Install, home: Path) -> None:
    install("acme", GOOD.replace("'imported'", repr(str(home / "imported"))))
    small = ["data.limit=200", "model.blocks=2", "model.first=4", "model.last=8", "train.epochs=1"]
    command = [sys.executable, "-m", "zoo", "tune", "cnn", *small, "--trials", "1", "--no-plugin", "acme", "--json"]
    done = subprocess.run(command, capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["trials"]["completed"] == 1
    assert not (home / "imported").exists()
