"""Publish a run: as a folder, as one .zip file, or on the Hugging Face hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.core.errors import ZooError
from zoo.core.files import expand_user
from zoo.core.notes import note
from zoo.runs.bundle import bundle_entry, check_finished, write_bundle
from zoo.runs.find import load
from zoo.runs.run import Run

LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]{1,49}")
"""Identifiers of licenses as the hub writes them, such as mit, apache-2.0 or cc-by-4.0."""


@dataclass(frozen=True)
class Pushed:
    """What was published.

    Attributes:
        run: The run folder.
        address: Where it can be pulled from: a path, or `hf:user/name`.
        url: The page of the model on the hub; empty for a folder or a file.
        bytes: Size of the files, or of the .zip file.
        sha256: SHA-256 of the .zip file; empty for anything else.
        weights_sha256: SHA-256 of the weights as published.
    """

    run: Path
    address: str
    url: str
    bytes: int
    sha256: str
    weights_sha256: str

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {**vars(self), "run": str(self.run)}


def push(
    run: Run | str | Path,
    to: str | Path,
    *,
    half: bool = False,
    license: str = "",  # noqa: A002 - the word of the hub and of packages
    private: bool | None = None,
    force: bool = False,
    index: bool = False,
    data_name: str = "",
    source: str = "",
) -> Pushed:
    """Publish a finished run with its weights, metrics and a model card.

    A bundle of the same entry that is there already is replaced.

    Args:
        run: A run folder, a name below `runs`, an entry or a study.
        to: A folder, a file whose name ends in .zip, or `hf:user/name`, or `hf:user/name@branch`.
        half: Whether to store large tensors as float16, which halves the size.
        license: The license of the weights as the hub writes it, e.g. "mit" or "cc-by-4.0".
        private: Whether a new model on the hub is private; None for what your account has as its default.
        force: Whether to replace the bundle of another entry, or to add to another model on the hub.
        index: Whether `to` is the folder of a Python package that ships weights: the bundle becomes one of its files,
            and a row of its index.
        data_name: What the pictures are called there, after the entry's name and an @; by default the data kind.
        source: Where the pictures come from, for that row.

    Returns:
        Where it is, with the size and the SHA-256.

    Raises:
        ZooError: If the run has not finished, or something else is at the target.
        MissingError: If huggingface-hub is not installed.
        JobError: If the hub cannot be reached.

    Example:
        >>> import zoo
        >>> zoo.push("cnn", "cnn.zip", license="mit").bytes  # doctest: +SKIP
        1200345
    """
    if license and not LICENSE.fullmatch(license):
        raise ZooError(f"{license[:60]!r} is no license of the hub", "write it as mit, apache-2.0 or cc-by-4.0")
    if (data_name or source) and not index:
        raise ZooError("only weights in the index of a package have a name of the data and a source", "add --index")
    opened, text = load(run), str(to)
    check_finished(opened)
    if index:
        return push_to_index(opened, expand_user(to), half, data_name, license, source)
    if text.startswith("hf:"):
        from zoo.runs.hub import push_to_hub

        bundle, url = push_to_hub(opened, text, half=half, license=license, private=private, force=force)
    elif private is not None:
        raise ZooError("only a model on the hub can be private", "push it to hf:user/name")
    else:
        target, url = expand_user(to), ""
        check_same_entry(opened, target, force)
        bundle = write_bundle(opened, target, half, license=license)
    if not (opened.results / "evaluation" / "test.json").is_file():
        note(
            f"the card has only validation metrics; for a table per class: zoo evaluate {opened.path}, then push again"
        )
    return Pushed(opened.path, text, url, bundle.bytes, bundle.sha256, bundle.weights_sha256)


def push_to_index(run: Run, package: Path, half: bool, data_name: str, license: str, source: str) -> Pushed:  # noqa: A002
    """Add a run to the weights that a package ships."""
    from zoo.runs.weights_index import add_to_index

    weights, bundle = add_to_index(run, package, half=half, data=data_name, license=license, source=source)
    return Pushed(run.path, weights.name, "", bundle.bytes, bundle.sha256, bundle.weights_sha256)


def check_same_entry(run: Run, target: Path, force: bool) -> None:
    """Raise ZooError if a bundle of another entry would be replaced; whatever else is there is checked later."""
    if force or not target.exists():
        return
    try:
        name = bundle_entry(target).get("name")
    except ZooError:
        return
    if name != run.entry.name:
        raise ZooError(f"{target} has the entry {str(name)[:80]!r}, not {run.entry.name!r}", "replace it with --force")
