"""What is fuzzed: files of every kind that the zoo reads, the command that reads them, and what it makes of them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import fuzzpictures
import numpy as np
import yaml_reference
from fuzzrun import ANY, REFUSED, Answer, Call, plain_text
from PIL import Image

import zoo
from zoo.core.errors import InterruptedRun
from zoo.core.trust import FINITE_JSON
from zoo.runs.push import push
from zoo.training.callbacks import Callback

GOLDEN = Path(__file__).parents[1] / "golden" / "runs"
TINY = ["data.limit=60", "model.blocks=2", "model.first=4", "model.last=4", "model.head=0", "train.compile=off"]
EPOCHS = ["train.epochs=4", "train.batch=20", "train.save_seconds=0"]
GENERATOR = [
    *("data.limit=60", "model.latent=2", "model.width=4", "model.blocks=1", "train.epochs=1", "prior.layers=1"),
    *("prior.width=4", "train.batch=60"),
]
COMPARED = [
    *("data.limit=200", "model.blocks=2", "model.first=4", "model.last=8", "model.head=0", "train.compile=off"),
    *("train.epochs=1", "model.norm=none,before", "--seeds", "1", "--name", "comparison"),
]
RUN_FILES = ("run.json", "entry.json", "metrics.jsonl", "weights.safetensors", "manifest.json")
REGISTRY = """version: 1
entries:
  mine: {summary: a try, extends: cnn, model: {first: 4, blocks: 2}, train: {epochs: 3}}
  other:
    extends: mine
    train: {lr: 0.01, stages: {}}
    tune: {space: {model.first: 4..8, train.lr: 1e-3..1e-1 log}}
results:
  - {"entry": "mine", "of": "x", "data": "digits", "split": "test", "metrics": {"loss": 0.5, "accuracy": 0.9}}
"""


class Target(NamedTuple):
    """Files of one kind, and the command or call that reads them."""

    name: str
    folder: Path
    """Copied for each input; the command runs inside the copy."""
    files: tuple[str, ...]
    """Those that are changed."""
    call: Callable[[Path], Call]
    effect: Callable[[Answer], Any]
    """What the command made of the files; ANY if it says that something is wrong."""
    expected: Callable[[Path], Any] | None = None
    """What it should make of them, read in another way; without it, what it makes of the unchanged files."""
    cached: bool = False
    """Whether the folder `cache` of the copy is the cache."""
    rarity: int = 1
    """Every how many rounds it has its turn; more for what takes long."""


def make_targets(home: Path) -> list[Target]:
    """Write files of every kind below a folder."""
    make_runs(home)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8))
    picture.save(home / "p.png")
    return [
        *run_targets(home),
        *group_targets(home),
        *registry_targets(home),
        *bundle_targets(home),
        *fuzzpictures.picture_targets(home, Target),
    ]


class Stop(Callback):
    """Interrupts a training in its third epoch."""

    def epoch(self, row: dict[str, Any]) -> None:
        """Interrupt it."""
        if row["epoch"] == 3:
            raise KeyboardInterrupt


def make_runs(home: Path) -> None:
    """Train a classifier and a generator, and begin another training."""
    zoo.train("cnn", *TINY, "train.epochs=1", out=home / "run" / "r", device="cpu")
    zoo.train("vae-nf", *GENERATOR, out=home / "generator" / "g", device="cpu")
    with suppress(InterruptedRun, KeyboardInterrupt):
        zoo.train("cnn", *TINY, *EPOCHS, out=home / "state" / "r", device="cpu", callback=Stop())
    assert len(list((home / "state" / "r" / "state").glob("0*.safetensors"))) == 2


def within(folder: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Names below a folder."""
    return tuple(f"{folder}/{name}" for name in names)


def document(found: Answer) -> Any:
    """The JSON that a command printed."""
    return json.loads(found.out)


def without_path(found: Answer) -> Any:
    """Predictions without what they were made by."""
    about = document(found)
    return about["predictions"] if not about["skipped"] else ANY


def run_targets(home: Path) -> list[Target]:
    """Runs: finished, of a generator, unfinished, and in a listing."""
    picture = str(home / "p.png")
    state = (home / "state" / "r" / "state").iterdir()
    kept = (*RUN_FILES[:3], *(f"state/{path.name}" for path in state))
    listed = home / "listed"
    shutil.copytree(home / "run" / "r", listed / "runs" / "cnn-1")
    shutil.copytree(home / "state" / "r", listed / "runs" / "cnn-2")
    train = ["train", "cnn", *TINY, *EPOCHS, "--out", "r", "--device", "cpu", "--json"]
    return [
        Target(
            "run", home / "run", within("r", RUN_FILES), lambda _: ["predict", "r", picture, "--json"], without_path
        ),
        Target(
            "generator",
            home / "generator",
            within("g", RUN_FILES),
            lambda _: ["sample", "g", "3 + 8", "-n", "2", "--out", "page.png", "--tensors", "page.st", "--json"],
            lambda found: hashed(Path("page.st")),
        ),
        Target("checkpoint", home / "state", within("r", kept), lambda _: train, weights_of, rarity=3),
        Target(
            "runs",
            listed,
            within("runs/cnn-1", RUN_FILES[:3]) + within("runs/cnn-2", RUN_FILES[:3]),
            lambda _: ["runs", "--json"],
            listed_runs,
            expected_runs,
        ),
    ]


def hashed(path: Path) -> str:
    """A checksum of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def weights_of(found: Answer) -> Any:
    """The weights at the end of a training."""
    return document(found)["weights_sha256"]


def listed_runs(found: Answer) -> Any:
    """State and metrics of each run, where the listing has no trouble."""
    return {
        each["run"]: (each["epochs"], each["metrics"]) if each["entry"] else ANY for each in document(found)["runs"]
    }


def expected_runs(place: Path) -> Any:
    """The same from the logs, if all their lines can be read."""
    wanted = {}
    for folder in sorted((place / "runs").iterdir()):
        if not (folder / "run.json").is_file():
            continue
        wanted[f"runs/{folder.name}"] = expected_run(folder)
    return wanted


def expected_run(folder: Path) -> Any:
    """Epochs and kept metrics of a run; REFUSED if a line before the last is no JSON."""
    rows: list[Any] = []
    lines, text, wanted = list[str](), "", ANY
    try:
        text = plain_text(folder / "metrics.jsonl")
        lines = text.splitlines()
        rows.extend(FINITE_JSON.decode(line) for line in lines)
        best = min(rows, key=lambda row: row["valid"]["loss"])
        wanted = rows[-1]["epoch"], best["valid"]
        wanted = wanted if len({row["stage"] for row in rows}) == 1 else ANY
    except ValueError:  # no JSON, or a number that is not finite
        torn = len(rows) == len(lines) - 1 and not text.endswith("\n")
        return ANY if torn or not lines else REFUSED
    except (OSError, LookupError, TypeError, AttributeError, RecursionError):
        return ANY
    else:
        return wanted


def group_targets(home: Path) -> list[Target]:
    """A comparison and a study, which are groups of runs."""
    shutil.copytree(GOLDEN / "comparison", home / "comparison" / "runs" / "comparison")
    shutil.copytree(GOLDEN / "study", home / "study" / "runs" / "s")
    study = within("runs/s", ("study.db", "study.db", "study.json", "budget.json"))
    trial = within("runs/s", ("best.json", "best.json", *within("trials/t00000", RUN_FILES)))
    compared = ("compare.json", "table.json", "compare.json", *within("01-seed0", RUN_FILES[:3]))
    return [
        Target(
            "comparison",
            home / "comparison",
            within("runs/comparison", compared),
            lambda _: ["compare", "cnn", *COMPARED, "--json"],
            lambda found: document(found)["variants"],
        ),
        Target("study", home / "study", study, lambda _: ["studies", "--json"], study_of, expected_study),
        Target(
            "best",
            home / "study",
            trial,
            lambda _: ["predict", "s", str(home / "p.png"), "--json"],
            used_run,
            expected_best,
        ),
    ]


def study_of(found: Answer) -> Any:
    """The trials of a study, unless something is said to be wrong."""
    about = document(found)
    if about["problems"] or not Path("runs/s/study.json").is_file():
        return ANY
    (study,) = about["studies"]
    budget = ANY if "budget.json is damaged" in found.err else study["budget"]
    return budget, {each["number"]: (each["metrics"], each["config"]) for each in study["front"]}


def expected_study(place: Path) -> Any:
    """The same from the database; ANY if a value in it is none that Optuna writes."""
    import sqlite3
    from contextlib import closing

    folder = place / "runs" / "s"
    try:
        budget = json.loads(plain_text(folder / "budget.json"))["trials"]
        budget = int(budget) if float(budget) == int(budget) > 0 else REFUSED
    except (OSError, ValueError, LookupError, TypeError, OverflowError):
        budget = REFUSED if os.path.lexists(folder / "budget.json") else ANY
    try:
        if not (folder / "study.db").is_file():
            raise OSError
        with closing(sqlite3.connect(f"file:{folder / 'study.db'}?mode=ro", uri=True)) as file:
            rows = file.execute(
                "SELECT number, key, value_json FROM trials JOIN trial_user_attributes USING (trial_id)"
            ).fetchall()
        found: dict[int, dict[str, Any]] = {}
        for number, key, text in rows:
            found.setdefault(number, {})[key] = json.loads(text)
        trials = {n: (about["metrics"], about["config"]) for n, about in found.items() if about["outcome"] == "done"}
    except (sqlite3.Error, OSError, ValueError, LookupError, TypeError):
        trials = ANY
    return budget, trials


def used_run(found: Answer) -> Any:
    """The run that predicted, unless another than the best is said to be used."""
    about = document(found)
    return ANY if about["skipped"] or "removed" in found.err else found.err.partition(",")[0]


def expected_best(place: Path) -> Any:
    """The run that best.json names."""
    try:
        name = json.loads(plain_text(place / "runs" / "s" / "best.json"))["run"]
        return f"runs/s/{name}" if re.fullmatch(r"trials/t\d{5,9}", name) else ANY
    except (OSError, ValueError, LookupError, TypeError):
        return ANY


def bundle_targets(home: Path) -> list[Target]:
    """Published runs, as a folder and as one file."""
    (home / "bundle").mkdir()
    (home / "packed").mkdir()
    push(home / "run" / "r", str(home / "bundle" / "b"))
    push(home / "run" / "r", str(home / "packed" / "b.zip"))
    files = tuple(path.name for path in sorted((home / "bundle" / "b").iterdir()) if path.suffix != ".md")

    def pulled(source: str) -> Callable[[Path], Call]:
        return lambda _: ["pull", source, "--out", "pulled", "--json"]

    return [
        Target("bundle", home / "bundle", within("b", files), pulled("b"), weights_of),
        Target("bundle", home / "packed", ("b.zip",), pulled("b.zip"), weights_of),
    ]


def registry_targets(home: Path) -> list[Target]:
    """A registry, read by three commands, and the caches of what was parsed."""
    (home / "registry").mkdir()
    (home / "registry" / "mine.yaml").write_text(REGISTRY, encoding="utf-8")
    big = "version: 1\nentries:\n" + "".join(
        f"  e{i}: {{extends: cnn, train: {{epochs: {i}}}}}\n" for i in range(1, 60)
    )
    (home / "parsed").mkdir()
    (home / "parsed" / "registry.yaml").write_text(big, encoding="utf-8")
    make_parsed_cache(home / "parsed")
    parsed = tuple(str(path.relative_to(home / "parsed")) for path in (home / "parsed" / "cache").rglob("*.json"))
    flag = ("--registry", "mine.yaml")
    return [
        Target(
            "registry",
            home / "registry",
            ("mine.yaml",),
            lambda _: ["list", *flag, "--json"],
            yaml_reference.listed_entries,
            yaml_reference.expected_entries,
        ),
        Target(
            "registry",
            home / "registry",
            ("mine.yaml",),
            lambda _: ["show", "other", *flag, "--json"],
            yaml_reference.shown_entry,
            yaml_reference.expected_entry,
        ),
        Target(
            "parsed", home / "parsed", parsed, lambda _: list_anew, lambda found: found.result, cached=True, rarity=2
        ),
    ]


def list_anew() -> Any:
    """The entries of the registry here, not from memory."""
    from zoo.core.yaml import as_json

    as_json.cache_clear()
    return {each.name: each.extends if hasattr(each, "extends") else each.summary for each in zoo.entries()}


def make_parsed_cache(place: Path) -> None:
    """Fill the cache of parsed registries."""
    from fuzzrun import inside

    with inside(place, place / "cache"):
        list_anew()
    assert list((place / "cache").rglob("*.json"))
