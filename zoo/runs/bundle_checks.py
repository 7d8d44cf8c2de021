"""What the files of a bundle must say before a run folder is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.core.errors import RunError, describe_error
from zoo.core.files import LEGAL_NAME, digest
from zoo.core.splits import SPLITS
from zoo.runs.bundle_source import CARD, EVALUATION, MANIFEST, PICTURES, WEIGHTS, Copied
from zoo.runs.calibration import CALIBRATION, load_calibration
from zoo.runs.machine_paths import machine_paths
from zoo.runs.metrics_log import is_epoch, is_metric_value, read_rows
from zoo.runs.run import SCHEMA, read_files, read_json, read_record

VERSION = 1
"""Version of the layout of bundles."""
MAX_SIDE = 20_000
"""Largest side in pixels of a picture in a bundle."""


def check_bundle(folder: Path, copied: Mapping[str, Copied]) -> None:
    """Raise RunError unless the files of a bundle are whole, belong together and say what they should."""
    try:
        check_manifest(folder / MANIFEST, copied)
        record, entry = read_files(folder)
        if record.get("state") != "done" or record.get("weights_sha256") != copied[WEIGHTS].sha256:
            raise RunError("the weights are not those of the run in run.json")
        if not isinstance(entry.get("name"), str) or not LEGAL_NAME.fullmatch(entry["name"]):
            raise RunError(f"its entry has no legal name, but {str(entry.get('name'))[:80]!r}")
        if found := next(machine_paths([part for part in entry.values() if isinstance(part, dict)]), None):
            raise RunError(f"its entry names {found[:80]!r}, a path of another machine")
        check_weights(folder / WEIGHTS)
        rows = read_rows(folder / "metrics.jsonl")
        if not rows or not all(map(is_epoch, rows)) or len(rows) != len(lines_of(folder / "metrics.jsonl")):
            raise RunError("metrics.jsonl is no log of a training")
        if EVALUATION in copied:
            check_evaluation(read_json(folder / EVALUATION))
        if CALIBRATION in copied:
            check_calibration(folder / CALIBRATION, copied[WEIGHTS].sha256)
        for name in PICTURES:
            if name in copied:
                check_picture(folder / name)
        if CARD in copied:
            lines_of(folder / CARD)
    except (ValueError, AttributeError, OSError) as error:
        raise RunError(f"it is damaged: {describe_error(error)}") from None


def check_manifest(path: Path, copied: Mapping[str, Copied]) -> None:
    """Raise RunError unless a manifest lists just the files that are there, with their size and SHA-256."""
    manifest = read_record(path, SCHEMA)
    if manifest.pop("seal", None) != digest(manifest) or not isinstance(manifest.get("bundle"), int):
        raise RunError(f"{MANIFEST} is not what zoo push wrote")
    if manifest["bundle"] > VERSION:
        raise RunError("it was written by a newer zoo", "upgrade pixel-zoo to read it")
    lines = manifest.get("files")
    if not isinstance(lines, list) or any(not isinstance(line, dict) or len(line) != 3 for line in lines):
        raise RunError(f"{MANIFEST} is not what zoo push wrote")
    listed = [(line.get("file"), Copied(line.get("bytes"), line.get("sha256"))) for line in lines]
    there = {name: each for name, each in copied.items() if name not in (CARD, MANIFEST)}
    if len(listed) != len(there) or listed[0][0] != WEIGHTS:
        raise RunError(f"its files are not those that {MANIFEST} lists")
    for name, expected in listed:
        if there.get(str(name)) != expected:
            raise RunError(f"{str(name)[:80]!r} is damaged or was replaced: {MANIFEST} has another size or SHA-256")


def check_weights(path: Path) -> None:
    """Raise RunError unless a file holds tensors, of which only the names and sizes are read."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            if not file.keys():
                raise RunError(f"{path.name} holds no tensors")
    except SafetensorError as error:
        raise RunError(f"{path.name} is damaged: {error}") from None


def check_evaluation(found: Any) -> None:
    """Raise ValueError unless a JSON value is an evaluation as the zoo writes it."""
    types: dict[str, type] = {
        "split": str,
        "pictures": int,
        "classes": list,
        "metrics": dict,
        "per_class": dict,
        "confusion": list,
    }
    if not isinstance(found, dict) or found.get("split") not in SPLITS:
        raise ValueError(f"{EVALUATION} is no evaluation")
    for key, kind in types.items():
        if not isinstance(found.get(key, kind()), kind):
            raise ValueError(f"{EVALUATION} has a wrong {key!r}")  # noqa: TRY004 - it is damaged, as any other file
    figures = found.get("metrics", {}).values()
    rows = [*found.get("per_class", {}).values(), *found.get("samples_per_class", {}).values()]
    if not 0 <= found.get("pictures", 0) < 2**63 or not all(map(is_metric_value, figures)):
        raise ValueError(f"{EVALUATION} has metrics that are no numbers")
    if not all(isinstance(name, str) for name in found.get("classes", ())) or not all(
        isinstance(row, dict) for row in rows
    ):
        raise ValueError(f"{EVALUATION} has wrong classes")


def check_calibration(path: Path, weights: str) -> None:
    """Raise RunError unless a file is a calibration of the weights as the zoo writes it."""
    found = load_calibration(path)
    if found is None or found.weights_sha256 != weights:
        raise RunError(f"{path.name} belongs to other weights")


def check_picture(path: Path) -> None:
    """Raise RunError unless a file is a PNG picture of reasonable size."""
    from PIL import Image

    try:
        with path.open("rb") as file, Image.open(file, formats=["PNG"]) as picture:
            size = picture.size
            picture.verify()
    except Exception as error:  # which kinds Pillow raises is not documented
        raise RunError(f"{path.name} is no PNG picture: {describe_error(error)[:100]}") from None
    if max(size) > MAX_SIDE:
        raise RunError(f"{path.name} is a picture of {size[0]:,} x {size[1]:,} pixels")


def lines_of(path: Path) -> list[str]:
    """Read the lines of a text that are not empty; ValueError unless it is UTF-8."""
    return [line for line in path.read_bytes().decode("utf-8").splitlines() if line.strip()]
