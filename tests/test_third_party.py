"""A package from outside is installed with pip, then listed, shown, trained and evaluated by the same commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

PACKAGE = Path(__file__).with_name("third_party") / "zoo-acme"


class Acme(NamedTuple):
    """A working folder, and an environment in which the package is installed."""

    work: Path
    env: dict[str, str]

    def run(self, *words: str, code: int = 0) -> str:
        """The stdout of a command that ends with this exit code."""
        command = [sys.executable, "-m", "zoo", *words]
        done = subprocess.run(
            command, cwd=self.work, env=self.env, capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout if code == 0 else done.stderr

    def json(self, *words: str) -> Any:
        """The JSON document of a command."""
        return json.loads(self.run(*words, "--json"))


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Acme:
    """zoo-acme, installed by pip into a folder of its own."""
    root = tmp_path_factory.mktemp("acme")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    site, work = root / "site", root / "work"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", site, PACKAGE], check=True, timeout=120
    )
    work.mkdir()
    homes = {"ZOO_CACHE": str(root / "cache"), "ZOO_CONFIG": str(root / "config"), "PYTHONPATH": str(site)}
    return Acme(work, os.environ | homes)


@pytest.fixture(scope="module")
def trained(acme: Acme) -> Any:
    """What `zoo train acme-shapes --json` says."""
    return acme.json("train", "acme-shapes")


def test_it_is_listed(acme: Acme) -> None:
    found = acme.json("list")
    entry = next(entry for entry in found["entries"] if entry["name"] == "acme-shapes")
    assert (entry["kind"], entry["plugin"], entry["needs"]) == ("depthwise", "acme", [])
    assert found["problems"] == []
    plugin = next(plugin for plugin in acme.json("plugins")["plugins"] if plugin["name"] == "acme")
    assert (plugin["distribution"], plugin["version"], plugin["state"]) == ("zoo-acme", "2.1", "ok")
    assert {kind["name"] for kind in plugin["kinds"]} == {"depthwise", "shapes"}


def test_it_is_shown(acme: Acme) -> None:
    found = acme.json("show", "acme-shapes", "model.width=8", "model.depth=1")
    # 3x3 convolution, norm; depthwise, pointwise, norm; linear layer to the four shapes
    assert found["parameters"] == (8 * 27 + 8) + 16 + 8 * 9 + 64 + 16 + (8 * 4 + 4)
    assert found["spec"]["data"] == {"kind": "shapes", "count": 1200, "noise": 0.1, "seed": 0} | {
        "valid": 0.1,
        "test": 0.2,
        "split_seed": 0,
        "limit": None,
        "imbalance": None,
    }
    options = {option["name"]: option for option in found["options"]}
    width = options["model.width"]
    assert (width["type"], width["search"], width["help"]) == ("int 4..512", None, "Channels of every layer.")
    assert options["train.lr"]["search"] == "0.0001..0.01 log"  # which the command line does not set


def test_it_is_trained(acme: Acme, trained: Any) -> None:
    assert (trained["epochs"], trained["run"]) == (10, str(Path("runs") / "acme-shapes-1"))
    assert (acme.work / trained["run"] / "weights.safetensors").exists()
    versions = json.loads((acme.work / trained["run"] / "run.json").read_text(encoding="utf-8"))["versions"]
    assert versions["zoo-acme"] == "2.1"


def test_it_is_evaluated(acme: Acme, trained: Any) -> None:
    found = acme.json("evaluate", trained["run"])
    assert found["metrics"]["accuracy"] > 0.9
    assert set(found["per_class"]) == {"disc", "square", "cross", "ring"}


def test_its_kinds_mix_with_the_zoos_own(acme: Acme) -> None:
    found = acme.json("show", "cnn", "data.kind=acme:shapes", "data.count=100", "model.blocks=2")
    assert found["shape"] == [3, 16, 16]


def test_its_options_are_checked_like_the_zoos_own(acme: Acme) -> None:
    error = acme.run("show", "acme-shapes", "model.width=3", code=2)
    assert error.startswith(
        "error: command line: acme-shapes.model.width: input should be greater than or equal to 4, got 3"
    )
    error = acme.run("show", "acme-shapes", "data.colour=red", code=2)
    assert "acme-shapes.data.colour is not an option" in error


def test_its_run_cannot_be_read_without_it(acme: Acme, trained: Any) -> None:
    bare = acme._replace(env={name: value for name, value in acme.env.items() if name != "PYTHONPATH"})
    error = bare.run("evaluate", trained["run"], code=5)
    assert "no model kind 'depthwise'" in error
