"""The pictures that a classifier gets wrong, as a page: the greatest losses, and the most costly confusions."""

from __future__ import annotations

from collections import Counter
from pathlib import Path, PurePosixPath

from zoo.core.files import remove
from zoo.display.grid import DRAWN_CHANNELS, save_png
from zoo.display.tiles import Tile, TileRow, draw_tiles
from zoo.evaluation.classified import ClassifiedSplit

MOST_PAIRS, MOST_OF_PAIR = 12, 8
"""Pairs of true and predicted class on a page, and pictures of each."""
Pair = tuple[int, int]


def write_mistakes(found: ClassifiedSplit, path: Path, title: str) -> Path | None:
    """Write the page of mistakes as a PNG file.

    Args:
        found: What a classifier predicts for a split.
        path: The file.
        title: What the page calls the run.

    Returns:
        The path; None if there is nothing to show, or the pictures are neither grey nor RGB. A page of before is then
        removed.

    Raises:
        ResourceError: If the file cannot be written.
    """
    rows = mistake_rows(found)
    if not rows or found.pictures.x.shape[1] not in DRAWN_CHANNELS:
        remove(path)
        return None
    wrong = int((found.predicted != found.labels).sum())
    count = f"{wrong:,} of {len(found):,} {found.split} pictures wrong"
    save_png(path, draw_tiles(rows, f"{title}: {count}; true ▸ predicted class, and their probabilities"))
    return path


def mistake_rows(found: ClassifiedSplit) -> list[TileRow]:
    """Return the greatest losses of all, then those of each pair of classes, by the sum of the pair's losses."""
    wrong = worst_mistakes(found)
    if not wrong:
        return []
    pairs = pairs_of(found, wrong)
    rows = [TileRow("the greatest losses", [make_tile(found, row, named=True) for row in wrong[:MOST_OF_PAIR]])]
    for (true, predicted), some in list(pairs.items())[:MOST_PAIRS]:
        count = f"{len(some)} picture{'s' * (len(some) != 1)}"
        title = f"{found.classes[true]} ▸ {found.classes[predicted]}: {count}"
        rows.append(TileRow(title, [make_tile(found, row) for row in some[:MOST_OF_PAIR]]))
    return rows


def worst_mistakes(found: ClassifiedSplit) -> list[int]:
    """Return the rows of wrong pictures, the greatest loss first."""
    order = found.losses.sort(descending=True, stable=True).indices
    rows: list[int] = order[(found.predicted != found.labels)[order]].tolist()
    return rows


def pairs_of(found: ClassifiedSplit, wrong: list[int]) -> dict[Pair, list[int]]:
    """Group wrong pictures by true and predicted class; the pair with the greatest sum of losses first."""
    true, predicted, losses = found.labels.tolist(), found.predicted.tolist(), found.losses.tolist()
    pairs: dict[Pair, list[int]] = {}
    sums: Counter[Pair] = Counter()
    for row in wrong:
        pair = true[row], predicted[row]
        pairs.setdefault(pair, []).append(row)
        sums[pair] += losses[row]
    return {pair: pairs[pair] for pair, _ in sums.most_common()}


def make_tile(found: ClassifiedSplit, row: int, *, named: bool = False) -> Tile:
    """Return a picture with its file name or row, the probabilities of both classes, and the classes if `named`."""
    true, predicted = int(found.labels[row]), int(found.predicted[row])
    ours, theirs = (found.scores[row, label].exp().item() for label in (true, predicted))
    name = PurePosixPath(found.pictures.names[row]).name if found.pictures.names else f"{found.split}:{row}"
    pair = (f"{found.classes[true]} ▸ {found.classes[predicted]}",) if named else ()
    picture = found.pictures.x[row].permute(1, 2, 0).cpu().numpy()
    return Tile(picture, (name, *pair, f"{ours:.2f} ▸ {theirs:.2f}"))
