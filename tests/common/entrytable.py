"""The README's table of entries, written from registry.yaml: `nox -s written`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from generated import print_or_write, replace_between

from zoo.registry.layers import installed_registry
from zoo.registry.listing import EntryInfo, describe_entry
from zoo.registry.results import best_result

README = Path(__file__).resolve().parents[2] / "README.md"
BEGIN, END = "<!-- entries: written by tests/common/entrytable.py -->", "<!-- end of entries -->"
HEADS = ("entry", "what it is", "data", "parameters", "what it reaches", "minutes", "seed")
FIGURES = {
    "accuracy": "accuracy {:.1%}",
    "frechet": "Frechet distance {:.1f}",
    "judge_right": "{:.0%} judged right",
    "coverage": "coverage {:.2f}",
    "loss": "{:.2f} bits per dimension",
}
"""Figures that are shown, of those that a result has; the loss only of generators, whose unit is bits."""


def table() -> str:
    """All shipped entries with the best result on each set of pictures, as Markdown."""
    registry, _ = installed_registry()
    entries = [describe_entry(registry, name) for name in registry.entries]
    rows = [HEADS, ("---",) * len(HEADS), *(row for entry in entries for row in lines(entry))]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def lines(entry: EntryInfo) -> Iterator[tuple[str, ...]]:
    """Yield the row of an entry on its own data, and one for each other data that it was measured on."""
    assert not entry.needs, entry.needs
    measured = {str(row["data"]) for row in entry.results if row["split"] == "test"}
    about = f"`{entry.name}`", entry.summary.replace("|", "\\|")
    # Results name pictures as people do, so that those of other pictures than the entry's may be all that there are.
    for data in sorted(measured, key=lambda name: (name != entry.data, name)):
        row = best_result([row for row in entry.results if row["data"] == data], data)
        assert row
        yield *about, data, f"{row['parameters']:,}", reached(row), str(row["minutes"] or "< 0.1"), str(row["seed"])
        about = "", ""
    if not measured:
        yield *about, entry.data, "", "not measured", "", ""


def reached(row: dict[str, Any]) -> str:
    """The figures of a result in words, how its predictions or samples were drawn, and whether it is stale."""
    metrics = row["metrics"]
    shown = [
        str(form.format(metrics[name])).replace("%", " %")
        for name, form in FIGURES.items()
        if name in metrics and not (name == "loss" and "accuracy" in metrics)
    ]
    shown += [f"{key} {row[key]:g}" for key in ("guidance", "temperature") if key in row]
    shown += [f"mean of {row['averaging']}"] if "averaging" in row else []
    return ", ".join(shown) + (" **(stale)**" if row["stale"] else "")


def written(text: str) -> str:
    """The README with the table as it should be."""
    return replace_between(text, f"{BEGIN}\n", END, table())


if __name__ == "__main__":
    print_or_write(README, f"{BEGIN}\n", END, table())
