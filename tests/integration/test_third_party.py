"""Packages from outside are installed with pip, then listed, trained, evaluated and sampled by the same commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from commands import refused, told
from packages import find_in, pip_install

import zoo
from tests.conftest import forget
from zoo.cli import main
from zoo.registry.catalog import catalog

PACKAGES = sorted((Path(__file__).parents[1] / "third_party").iterdir())
SMALL = ("data.limit=300", "model.width=8", "model.latent=4", "train.epochs=2", "train.batch=50", "train.ema=0")


class Acme(NamedTuple):
    """A working folder, and the folder in which all packages from outside are installed; None for none."""

    work: Path
    site: Path | None

    def run(self, *words: str, code: int = 0) -> str:
        """The stdout (stderr) of a command that ends with this exit code, in this process."""
        out, err = StringIO(), StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.chdir(self.work)
            patch.setenv("ZOO_CACHE", str(self.work.parent / "cache"))
            patch.setenv("ZOO_CONFIG", str(self.work.parent / "config"))
            catalog.cache_clear()
            if self.site:
                find_in(self.site, patch)
            ended = main(list(words))
        catalog.cache_clear()
        assert ended == code, err.getvalue()
        assert "Traceback" not in err.getvalue()
        return out.getvalue() if code == 0 else err.getvalue()

    def json(self, *words: str) -> Any:
        """The JSON document of a command."""
        return json.loads(self.run(*words, "--json"))


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Acme]:
    """The packages, installed by pip into a folder of their own."""
    root = tmp_path_factory.mktemp("acme")
    site, work = root / "site", root / "work"
    pip_install(site, PACKAGES)
    work.mkdir()
    yield Acme(work, site)
    forget(root)


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
    assert {kind["name"] for kind in plugin["kinds"]} == {"depthwise", "polygons"}


def test_it_is_shown(acme: Acme) -> None:
    found = acme.json("show", "acme-shapes", "model.width=8", "model.depth=1")
    # 3x3 convolution, norm; depthwise, pointwise, norm; linear layer to the four shapes
    assert found["parameters"] == (8 * 27 + 8) + 16 + 8 * 9 + 64 + 16 + (8 * 4 + 4)
    assert found["spec"]["data"] == {"kind": "polygons", "count": 1200, "noise": 0.1, "seed": 0} | {
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
    found = acme.json("show", "cnn", "data.kind=acme:polygons", "data.count=100", "model.blocks=2")
    assert found["shape"] == [3, 16, 16]


def test_its_options_are_checked_like_the_zoos_own(acme: Acme) -> None:
    error = acme.run("show", "acme-shapes", "model.width=3", code=2)
    assert error.startswith(
        "error: command line: acme-shapes.model.width: input should be greater than or equal to 4, got 3"
    )
    error = acme.run("show", "acme-shapes", "data.colour=red", code=2)
    assert "acme-shapes.data.colour is not an option" in error


def test_its_run_cannot_be_read_without_it(acme: Acme, trained: Any) -> None:
    bare = acme._replace(site=None)
    error = bare.run("evaluate", trained["run"], code=4)
    assert "no model kind 'depthwise'" in error and "pip install zoo-acme==" in error


@pytest.fixture
def outside(acme: Acme, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory; the zoo of this process finds the packages."""
    assert acme.site
    find_in(acme.site, monkeypatch)
    return home


def test_every_hook_is_implemented_from_outside(acme: Acme) -> None:
    plugins = {row["name"]: row for row in acme.json("plugins")["plugins"] if row["distribution"] != "pixel-zoo"}
    assert {row["state"] for row in plugins.values()} == {"ok"}
    given = {(name, kind["family"], kind["name"]) for name, row in plugins.items() for kind in row["kinds"]}
    assert given == {
        ("acme", "model", "depthwise"),
        ("acme", "data", "polygons"),
        ("morse", "text", "morse"),
        ("logistic", "prior", "logistic"),
        ("fuzz", "metric", "fuzz"),
    }
    assert {"acme-shapes", "telegraph"} <= {entry["name"] for entry in acme.json("list")["entries"]}


@pytest.mark.parametrize("name", ["acme", "morse", "logistic", "fuzz"])
@pytest.mark.usefixtures("outside")
def test_each_keeps_the_rules(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["check", name]) == 0, capfd.readouterr()


@pytest.mark.usefixtures("outside")
def test_a_prompt_goes_through_morse_code_and_a_flow_of_the_zoo(capsys: pytest.CaptureFixture[str]) -> None:
    run = told(capsys, "train", "telegraph", *SMALL, "prior.layers=2")["run"]
    found = told(capsys, "sample", run, "3", "five", "-n", "4")
    assert found["labels"] == ["3", "3", "five", "five"]
    assert Path(found["grid"]).is_file()
    assert "there is no Morse code for '\u00e9'" in refused(capsys, "sample", run, "caf\u00e9")
    assert "more than 23; raise text.signs" in refused(capsys, "sample", run, "a very long telegram")


@pytest.mark.usefixtures("outside")
def test_a_prior_and_texts_of_two_packages_go_with_a_codec_of_the_zoo(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("prior.kind=logistic", "text.kind=morse", "text.signs=5")
    trained = told(capsys, "train", "vae", *SMALL, *options)
    found = told(capsys, "evaluate", trained["run"], "--judge", "none")
    assert found["metrics"]["bound"] == pytest.approx(found["metrics"]["distortion"] + found["metrics"]["rate"])
    pictures = {text: zoo.sample(trained["run"], text, 8, device="cpu").pictures for text in ("0", "5")}
    assert pictures["0"].shape == (8, 1, 8, 8) and not pictures["0"].equal(pictures["5"])
    assert "supports neither guidance nor products" in refused(capsys, "sample", trained["run"], "0", "--guidance", "1")


@pytest.mark.usefixtures("outside")
def test_a_metric_looks_at_classifiers_of_others(acme: Acme, trained: Any, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "evaluate", str(acme.work / trained["run"]))["metrics"]
    # The accuracy of clean pictures, but for those that noise makes wrong or right.
    assert 0 <= found["fuzz_flips"] < 1
    assert abs(found["fuzz_accuracy"] - found["accuracy"]) <= found["fuzz_flips"]
