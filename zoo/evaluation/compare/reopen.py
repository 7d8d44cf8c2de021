"""Read a comparison back from its folder, as its last training left it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zoo.core.errors import RunError, describe_error
from zoo.core.trust import load_json
from zoo.evaluation.compare.folder import NEW_COMPARISON_HINT, TABLE, ComparisonRecord
from zoo.evaluation.compare.result import ComparedRun, Comparison, Variant


def open_comparison(folder: Path) -> Comparison:
    """Read a comparison; RunError if its files are missing or damaged."""
    record = ComparisonRecord.open(folder)
    try:
        about = load_json(folder / TABLE)
        return Comparison(
            path=folder,
            entry=record.plan.entry,
            split=record.plan.split,
            seeds=[int(seed) for seed in about["seeds"]],
            axes={str(key): list(values) for key, values in about["axes"].items()},
            variants=[read_variant(each) for each in about["variants"]],
            folds=int(about.get("folds", 0)),
        )
    except OSError as error:
        raise RunError(f"{folder / TABLE} cannot be read: {error.strerror or error}", NEW_COMPARISON_HINT) from None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(f"{folder / TABLE} is damaged: {describe_error(error):.120}", NEW_COMPARISON_HINT) from None


def read_variant(about: dict[str, Any]) -> Variant:
    """Read a variant from its JSON object."""
    pairs = [str(text).partition("=") for text in about["overrides"]]
    runs = [read_run(each) for each in about["runs"]]
    return Variant({key: value for key, _, value in pairs}, int(about["parameters"]), runs)


def read_run(about: dict[str, Any]) -> ComparedRun:
    """Read a run from its JSON object."""
    metrics = {str(key): float(value) for key, value in about["metrics"].items() if value is not None}
    return ComparedRun(
        seed=int(about["seed"]),
        run=Path(str(about["run"])),
        state=str(about["state"]),
        seconds=float(about["seconds"]),
        metrics=metrics,
        reason=str(about.get("reason", "")),
        fold=int(about.get("fold", 0)),
    )
