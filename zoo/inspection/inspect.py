"""Look a data set over before training: duplicates, leaks, blank and odd pictures, balance, doubtful labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from zoo.core.errors import ZooError
from zoo.core.notes import collect_notes, note
from zoo.core.splits import SPLITS
from zoo.data.dataset import Pictures, Splits
from zoo.data.split import join
from zoo.inspection.duplicates import Pair, average, find_duplicates, groups_of
from zoo.inspection.inspection import Finding, Inspection
from zoo.inspection.label_errors import find_label_errors
from zoo.inspection.oddities import find_blank, find_odd
from zoo.models.base import Classifier
from zoo.models.device import autocast_type, choose_device
from zoo.registry.build import build_data, data_name
from zoo.registry.data_source import Data, with_data
from zoo.registry.entry import Entry
from zoo.registry.listing import load_entry
from zoo.runs.apply import class_scores
from zoo.runs.find import load
from zoo.runs.inputs import run_overrides
from zoo.runs.run import Run

ENTRY = "cnn"
"""The entry in whose place the options of the data are read; any classifier would do."""
NO_CLASSES = ("no class",)
"""What pictures that have captions and no classes are listed under."""


def inspect(data: Data, *overrides: str, run: Run | str | Path | None = None, device: str = "auto") -> Inspection:
    """Inspect a data set, and list the pictures to look at before training.

    The pictures are compared as a model sees them, that is after they are resized. Similar pictures are found by their
    averages over grids of 8x8 and at most 16x16 cells, so that re-encoded, resized and mirrored copies are recognised.

    Args:
        data: A data kind, a folder with one subfolder per class, Parquet files, or arrays as `zoo.train` takes them.
        *overrides: `key=value` texts for the data, e.g. "data.size=32".
        run: A classifier of the same classes, by whose predictions doubtful labels are found. For pictures that it was
            trained on it finds fewer of them, since it has learnt some of their labels by heart.
        device: The device of the classifier: "cpu", "cuda", "mps", or "auto".

    Returns:
        What was found.

    Raises:
        DataError: If the data cannot be read, or are not those of the classes of the run.
        ZooError: If an override is not one of the data, or the run is not a classifier.

    Example:
        >>> import zoo
        >>> found = zoo.inspect("digits")
        >>> len(found.leaks), found.counts["test"][0]
        (0, 36)
    """
    if wrong := [word for word in overrides if not word.startswith("data.")]:
        raise ZooError(f"{wrong[0]!r} is not an option of the data", "an inspection takes data.KEY=VALUE")
    opened = None if run is None else load(run)
    entry = load_entry(ENTRY, with_data(data, overrides))
    entry = entry if opened is None else opened.with_overrides(run_overrides(opened, data, overrides))
    with collect_notes():
        splits, skipped = build_data(entry.data)
    parts = [(name, part) for name in SPLITS if len(part := named(name, getattr(splits, name)))]
    whole = join([part for _, part in parts])
    of_row = [name for name, part in parts for _ in range(len(part))]
    grids = average(whole)
    pairs = find_duplicates(whole, grids)
    findings = [Finding("unreadable", path, detail=reason) for path, reason in skipped]
    classes = splits.info.classes or NO_CLASSES
    describe = RowDescriber(whole, of_row, classes)
    findings += [describe.duplicate(pair) for pair in pairs]
    findings += [Finding("blank", *describe.row(row)) for row in find_blank(grids)]
    findings += [Finding("odd", *describe.row(row)) for row in find_odd(grids)]
    if opened is not None:
        findings += doubtful_labels(opened, entry, splits, whole, describe, device)
    counts = {name: torch.bincount(part.y, minlength=len(classes)).tolist() for name, part in parts}
    return Inspection(
        data_name(entry.data),
        splits.notes,
        classes,
        counts,
        splits.info.shape,
        findings,
        groups_of(pairs),
        whole,
        of_row,
    )


def named(split: str, part: Pictures) -> Pictures:
    """Name pictures that have no names by their number in the split, as in test:12."""
    return part if part.names else replace(part, names=tuple(f"{split}:{row}" for row in range(len(part))))


class RowDescriber:
    """Describe rows of a data set: their names, splits and labels."""

    def __init__(self, pictures: Pictures, splits: Sequence[str], classes: Sequence[str]) -> None:
        self.names, self.splits, self.classes = pictures.names, splits, classes
        self.labels = pictures.y.tolist()

    def row(self, row: int) -> tuple[str, str, str]:
        """Return the name, split and label of a picture."""
        return self.names[row], self.splits[row], self.classes[self.labels[row]]

    def duplicate(self, pair: Pair) -> Finding:
        """Describe two pictures that show the same."""
        return Finding("duplicate", *self.row(pair.second), *self.row(pair.first), pair.kind)


def doubtful_labels(
    run: Run, entry: Entry, splits: Splits, whole: Pictures, describe: RowDescriber, device: str
) -> Iterator[Finding]:
    """Yield the pictures whose label a classifier doubts, the most doubtful first."""
    if splits.info.classes != run.info.classes or splits.info.shape != run.info.shape:
        raise ZooError(
            f"{run.label} was trained on other classes or pictures of another size", "name a run of the same classes"
        )
    probabilities = class_probabilities(run, whole, device)
    if splits.train.fingerprint() == run.record.get("fingerprints", {}).get("train"):
        note(f"{run.label} was trained on the training pictures, so fewer of their wrong labels are found")
    for error in find_label_errors(probabilities, whole.y):
        name, split, label = describe.row(error.row)
        likely = splits.info.classes[error.likely]
        yield Finding("label", name, split, label, other_label=likely, detail=f"{error.margin:.4f}")


def class_probabilities(run: Run, pictures: Pictures, device: str) -> Tensor:
    """Compute the class probabilities of pictures, float32 (N, K); ZooError if the run is not a classifier."""
    torch_device = choose_device(device)
    model = run.model(torch_device)
    if not isinstance(model, Classifier):
        raise ZooError(f"{run.label} is not a classifier, so it cannot judge labels")
    return class_scores(model, pictures, torch_device, autocast_type(torch_device, run.entry.train.precision)).exp()


def rows_of(found: Inspection, findings: Iterable[Finding]) -> list[int]:
    """Return the rows of findings among all pictures."""
    by_name = {
        (split, name): row for row, (split, name) in enumerate(zip(found.splits, found.pictures.names, strict=True))
    }
    return [by_name[each.split, each.picture] for each in findings]
