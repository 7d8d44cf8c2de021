"""Add the weights of a run to a package that ships weights: its bundle, and a row in the package's index."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from zoo.core.errors import RunError, ZooError
from zoo.core.files import write_json
from zoo.core.trust import load_json
from zoo.registry.weights import INDEX_FILE, INDEX_VERSION, Weights, is_name
from zoo.runs.bundle import Bundle, write_bundle
from zoo.runs.lock import lock_file
from zoo.runs.run import Run
from zoo.runs.shipped import hash_of

FILES = "files"
"""The folder of the bundles, beside the index."""
FIGURES = ("loss", "accuracy", "bound", "frechet", "judge_right")
"""Metrics that the index repeats."""


def add_to_index(
    run: Run,
    package: Path,
    *,
    half: bool = False,
    data: str = "",
    license: str = "",  # noqa: A002 - the word of the hub and of packages
    source: str = "",
) -> tuple[Weights, Bundle]:
    """Write a run's bundle into the folder of a package, and add it to its index; replace what has the same name.

    `data` is what the pictures are called, by default the data kind. Raises ZooError for a folder that is no package or
    an index that cannot be read.
    """
    data = data or run.entry.data.name
    if not is_name(data):
        raise ZooError(f"data cannot be called {data[:60]!r}", "use letters, digits, '.', '_' and '-'")
    if not (package / "__init__.py").is_file():
        raise ZooError(f"{package} is no Python package: it has no __init__.py", "name the folder of the package")
    read_rows(package / INDEX_FILE)  # refuses another file before anything is written
    file = package / FILES / f"{run.entry.name}-{data}.zip"
    bundle = write_bundle(run, file, half, license=license)
    weights = Weights(
        entry=run.entry.name,
        of=hash_of(run),
        data=data,
        file=file,
        sha256=bundle.sha256,
        size=bundle.bytes,
        license=license,
        source=source,
        parameters=run.record.get("parameters"),
        shape=run.info.shape,
        classes=run.info.classes,
        pictures=run.record.get("fingerprints", {}),
        metrics=test_figures(run),
    )
    add_row(package / INDEX_FILE, weights.to_json(file.relative_to(package).as_posix()))
    return weights, bundle


def add_row(path: Path, row: dict[str, Any]) -> None:
    """Add a row to an index in place of that of the same weights; processes that do so wait for each other."""

    def key(each: dict[str, Any]) -> tuple[str, str]:
        return str(each.get("entry")), str(each.get("data"))

    with lock_file(path):
        kept = [each for each in read_rows(path) if key(each) != key(row)]
        write_json(path, {"version": INDEX_VERSION, "weights": sorted([*kept, row], key=key)})


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read the rows of an index; none if there is no index yet."""
    if not path.exists():
        return []
    try:
        found = load_json(path)
        if found["version"] != INDEX_VERSION or not all(isinstance(row, dict) for row in found["weights"]):
            raise ValueError(f"it needs `version: {INDEX_VERSION}` and a list of weights")
        return list(found["weights"])
    except (OSError, ValueError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ZooError(f"{path} is no index of weights: {error}") from None


def test_figures(run: Run) -> dict[str, float]:
    """Return the main metrics of a run on its test split; empty if it was not evaluated."""
    with suppress(OSError, ValueError, RunError, AttributeError):
        found = load_json(run.path / "evaluation" / "test.json").get("metrics", {})
        return {name: round(float(found[name]), 5) for name in FIGURES if isinstance(found.get(name), int | float)}
    return {}
