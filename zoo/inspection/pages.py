"""Files of an inspection: a page of samples, pages of what was found, and a table of all findings."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from zoo.core.errors import ZooError, printable
from zoo.core.files import remove, write_text
from zoo.core.notes import note
from zoo.data.dataset import Pictures
from zoo.display.grid import DRAWN_CHANNELS, PictureRows, choose_columns, draw_grid, save_png, wrap_rows
from zoo.inspection.inspect import rows_of
from zoo.inspection.inspection import Finding, Inspection, Problem

SAMPLES, MOST_CLASSES = 10, 60
"""Training pictures of each class on the page of samples, and classes on it."""
MOST_GROUPS, MOST_IN_GROUP, MOST_PICTURES = 40, 8, 100
"""Groups of duplicates on their page, pictures of each, and pictures on the other pages."""


def write_inspection(found: Inspection, folder: Path) -> list[Path]:
    """Write the pages and `findings.csv` into a folder, which is made if it is missing.

    Args:
        found: The inspection.
        folder: The folder; the files of an earlier inspection in it are replaced.

    Returns:
        The paths of the files. Pages with nothing on them are not written, and those of an earlier inspection removed;
        so are all pages of pictures that are neither grey nor RGB.

    Raises:
        ZooError: If the folder has files of these names that no inspection wrote.
        ResourceError: If the folder cannot be written to.
    """
    table, paths = folder / "findings.csv", []
    names = [f"{name}.png" for name, _, _ in pages(found)]
    if not table.exists() and (there := [name for name in names if (folder / name).exists()]):
        raise ZooError(f"{folder} has {there[0]}, which no inspection wrote", "name another folder")
    write_text(table, findings_csv(found.findings))
    if not (shown := found.shape[0] in DRAWN_CHANNELS):
        note(f"no pages: pictures with {found.shape[0]} channels cannot be shown as PNG")
    for name, caption, blocks in pages(found):
        path = folder / f"{name}.png"
        if blocks and shown:
            save_png(path, draw_grid(blocks, caption))
            paths.append(path)
        else:
            remove(path)
    return [*paths, table]


def pages(found: Inspection) -> Iterator[tuple[str, str, list[PictureRows]]]:
    """Yield name, caption and content of each page."""
    yield "samples", f"{found.data}: training pictures of each class", sample_rows(found)
    yield "duplicates", "pictures that show the same, with their splits", duplicate_rows(found)
    yield "odd", "pictures that resemble no others, the oddest first", some_rows(found, "odd")
    yield "labels", "label ▸ what the classifier sees, the most doubtful first", label_rows(found)


def sample_rows(found: Inspection) -> list[PictureRows]:
    """Return training pictures of each class, spread over the set."""
    train = torch.tensor([split == "train" for split in found.splits])
    blocks = []
    for label, name in enumerate(found.classes[:MOST_CLASSES]):
        rows = ((found.pictures.y == label) & train).nonzero().flatten()
        spread = rows[torch.linspace(0, len(rows) - 1, min(SAMPLES, len(rows))).round().long()]
        blocks.append(PictureRows([take(found.pictures, spread.tolist())], name))
    return blocks


def duplicate_rows(found: Inspection) -> list[PictureRows]:
    """Return groups of pictures that show the same; leaks and contradictions first."""
    first = {group[0] for group in (*found.leaks, *found.conflicts)}  # groups have no picture in common
    blocks = []
    for group in sorted(found.groups, key=lambda group: group[0] not in first)[:MOST_GROUPS]:
        some = group[:MOST_IN_GROUP]
        text = " | ".join(dict.fromkeys(f"{found.splits[row]} {found.classes[found.pictures.y[row]]}" for row in some))
        blocks.append(PictureRows([take(found.pictures, some)], text))
    return blocks


def some_rows(found: Inspection, problem: Problem) -> list[PictureRows]:
    """Return the pictures of one kind of finding, as one block."""
    rows = rows_of(found, found.of(problem)[:MOST_PICTURES])
    return [wrap_rows(take(found.pictures, rows), choose_columns(1, len(rows)))] if rows else []


def label_rows(found: Inspection) -> list[PictureRows]:
    """Return pictures with doubtful labels, a block for each pair of label and likely class."""
    groups: dict[str, list[Finding]] = {}
    for each in found.of("label")[:MOST_PICTURES]:
        groups.setdefault(f"{each.label} ▸ {each.other_label}", []).append(each)
    return [wrap_rows(take(found.pictures, rows_of(found, some)), SAMPLES, name) for name, some in groups.items()]


def take(pictures: Pictures, rows: list[int]) -> NDArray[np.uint8]:
    """Return pictures by row, uint8 (N, H, W, C)."""
    found: NDArray[np.uint8] = pictures.x[rows].permute(0, 2, 3, 1).contiguous().numpy()
    return found


def findings_csv(findings: list[Finding]) -> str:
    """Format findings as CSV with a header."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Finding._fields)
    writer.writerows([printable(str(cell)) for cell in each] for each in findings)
    return text.getvalue()
