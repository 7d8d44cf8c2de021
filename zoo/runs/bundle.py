"""A bundle: a finished run as a few files in a folder or one .zip file, to be published and fetched again.

Nothing in it is executed or unpickled, and its manifest has the size and the SHA-256 of each file.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from zoo.core.errors import MissingError, ResourceError, RunError, ZooError, describe_error
from zoo.core.files import atomic_write, digest, folder_size, non_finite_to_none, sha256, write_json, write_text
from zoo.core.temporary_folder import move_folder, place_new_folder, refuse_nameless, temporary_folder
from zoo.core.trust import load_json
from zoo.core.version import __version__
from zoo.registry.entry import restore_entry
from zoo.runs.bundle_checks import VERSION, check_bundle, check_evaluation, check_picture
from zoo.runs.bundle_source import (
    CARD,
    EVALUATION,
    LIMITS,
    MANIFEST,
    PICTURES,
    WEIGHTS,
    BundleFiles,
    Copied,
    copy_files,
    open_files,
)
from zoo.runs.calibration import write_calibration
from zoo.runs.card import Card
from zoo.runs.machine_paths import (
    is_machine_path,
    known_paths,
    publishable_entry,
    shorten_command,
    shorten_in_text,
    shorten_paths,
)
from zoo.runs.metrics_log import json_line
from zoo.runs.run import SCHEMA, Run, read_files, read_json

PRIVATE = ("skipped", "origin", "seal")
"""What run.json has and a bundle has not."""
AS_IT_IS = ("data", "command", "notes")
"""What run.json has that is no path, although a class may be called `/m/0k4j`, or that is shortened by other rules."""
ZIP_TIME = (1980, 1, 1, 0, 0, 0)
"""Time of all files in a .zip file, so that the same run gives the same bytes."""


class Bundle(NamedTuple):
    """A bundle that was written."""

    path: Path
    bytes: int
    """Size of the .zip file, or of the files in the folder."""
    sha256: str
    """SHA-256 of the .zip file; empty for a folder."""
    weights_sha256: str


def write_bundle(run: Run, target: Path, half: bool = False, *, license: str = "", address: str = "") -> Bundle:  # noqa: A002
    """Write a finished run as a bundle: a folder, or one file if the name ends in .zip.

    An existing bundle is replaced; ZooError if anything else is there. With `half`, large tensors are stored as
    float16. No path of this machine gets into it. The card names the `license` and the `address` for `zoo pull`.
    """
    check_finished(run)
    is_zip = target.suffix.lower() == ".zip"
    check_target(target, is_zip)
    with temporary_folder(target) as folder:
        weights = collect(run, folder, half, license)
        write_card(run, folder, address or target.name)
        if is_zip:
            pack(folder, target)
            return Bundle(target, target.stat().st_size, sha256(target), weights)
        size = folder_size(folder)
        move_folder(folder, target)
        return Bundle(target, size, "", weights)


def unpack_bundle(source: Path, folder: Path, origin: str = "", check: Callable[[Path], object] | None = None) -> None:
    """Make a run folder of a bundle, after checking all of it, or write nothing.

    Its record says in `origin` where it came from: by default the name of the source. ZooError if there is no bundle,
    or the folder is not empty; RunError if the bundle is damaged or has other files than a bundle has. `check` may
    refuse the run folder before it gets its name.
    """
    refuse_existing(folder)
    with temporary_folder(folder) as temporary:
        with open_files(source) as files:
            copied = copy_files(files, temporary)
        with errors_about(source, temporary):
            check_bundle(temporary, copied)
            make_run_folder(temporary, folder, origin or source.name, copied[WEIGHTS])
            if check is not None:
                check(temporary)
        place_new_folder(temporary, folder)


def refuse_existing(folder: Path) -> None:
    """Raise ZooError if there is something at a path, except for an empty folder, or if the path has no name."""
    refuse_nameless(folder)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ZooError(f"{folder} already exists", "choose another folder with --out, or remove it")


@contextmanager
def errors_about(source: Path | str, folder: Path) -> Iterator[None]:
    """Turn errors about the files in a temporary folder into such about the bundle that they came from."""
    try:
        yield
    except ResourceError:
        raise
    except ZooError as error:
        kind = MissingError if isinstance(error, MissingError) else RunError
        text = str(error.args[0]).replace(f"{folder}{os.sep}", "").replace(f"{folder}: ", "").replace(str(folder), "it")
        raise kind(f"{source}: {text[:300]}", error.hint) from None
    except (ValueError, TypeError, LookupError, AttributeError) as error:  # JSON that says what the zoo never writes
        raise RunError(f"{source} is damaged: {describe_error(error)[:200]}") from None


def check_finished(run: Run) -> None:
    """Raise ZooError unless a run has finished."""
    if run.state != "done":
        how = "diverged" if run.state == "diverged" else "has not finished"
        hint = f"resume with: {run.record.get('command', 'zoo train')}" if run.state != "diverged" else ""
        raise ZooError(f"{run.path} {how}, so there is nothing to publish", hint)


def check_target(target: Path, is_zip: bool) -> None:
    """Raise ZooError if something else than a bundle would be replaced."""
    if not target.exists() or (target.is_dir() and not is_zip and not any(target.iterdir())):
        return
    try:
        bundle_entry(target)
    except ZooError as error:
        raise ZooError(f"{target} exists, and is not a bundle that could be replaced: {error.args[0]}") from None


def bundle_entry(path: Path) -> dict[str, Any]:
    """Return the entry of a bundle as JSON; RunError if it is none."""
    with open_files(path) as files:
        return read_inner(files, "entry.json")


def read_inner(files: BundleFiles, name: str) -> dict[str, Any]:
    """Read one of the JSON files of a bundle."""
    with files.open(name) as file:
        try:
            found = json.loads(file.read(files.sizes[name]))
        except RecursionError:
            raise ValueError(f"{name} is too deeply nested") from None
    if not isinstance(found, dict):
        raise ValueError(f"{name} is no mapping")  # noqa: TRY004 - `open_files` says that the bundle is damaged
    return found


def collect(run: Run, folder: Path, half: bool, license: str = "") -> str:  # noqa: A002 - the hub's own word
    """Write the files of a run's bundle into a folder; return the SHA-256 of the weights."""
    known = known_paths(run.entry, run.path)
    weights = write_weights_file(run, folder / WEIGHTS, half)
    entry = publishable_entry(run.entry)
    write_json(folder / "entry.json", entry)
    about = {key: value for key, value in run.record.items() if key not in PRIVATE}
    record = {key: value if key in AS_IT_IS else shorten_paths(value) for key, value in about.items()}
    record |= {"schema": SCHEMA, "entry_sha256": digest(entry), "weights_sha256": weights}
    record |= ({"stored_as": "float16"} if half else {}) | ({"license": license} if license else {})
    record["command"] = shorten_command(str(record.get("command", "")), known)
    record["notes"] = [shorten_in_text(str(text), known) for text in record.get("notes") or ()]
    write_json(folder / "run.json", record | {"seal": digest(record)})
    write_text(folder / "metrics.jsonl", "".join(map(json_line, run.log())))
    if calibration := run.calibration:
        write_calibration(folder, replace(calibration, weights_sha256=weights))
    collect_evaluation(run, folder, known)
    write_manifest(folder)
    return weights


def write_card(run: Run, folder: Path, address: str) -> None:
    """Write the model card from the other files of a bundle."""
    record, entry = read_files(folder)
    evaluation = read_json(folder / EVALUATION) if (folder / EVALUATION).exists() else {}
    pictures = tuple(name for name in PICTURES if (folder / name).exists())
    card = Card(restore_entry(entry), record, run.kept_epoch(), address, evaluation, pictures)
    write_text(folder / CARD, card.write())


def write_weights_file(run: Run, path: Path, half: bool) -> str:
    """Write the verified weights of a run; return the SHA-256 of the file."""
    from zoo.core.tensor_files import save_tensors, to_half

    weights = run.weights()
    if half:
        return str(save_tensors(path, to_half(weights))["sha256"])
    shutil.copyfile(run.path / WEIGHTS, path)
    if (found := sha256(path)) != run.record.get("weights_sha256"):
        raise RunError(f"{run.path / WEIGHTS} changed while it was copied", "repeat the command")
    return found


def collect_evaluation(run: Run, folder: Path, known: list[str]) -> None:
    """Write the evaluation of a run over its test split, and the pictures that belong to it, if there are any."""
    before, current = run.results / "evaluation", run.record["weights_sha256"]
    try:
        found = load_json(before / "test.json")
        check_evaluation(found)
    except (OSError, ValueError):
        return
    if found.get("weights_sha256", current) != current:
        return  # of the weights before these
    write_json(folder / EVALUATION, non_finite_to_none(publishable_evaluation(found, run.name, known)))
    # the title of older pictures names the run folder
    left_out = () if "weights_sha256" in found or not is_machine_path(str(found.get("run"))) else ("confusion.png",)
    for name in PICTURES:
        with suppress(OSError, RunError):
            if name not in left_out:
                check_picture(before / f"test-{name}")
                shutil.copyfile(before / f"test-{name}", folder / name, follow_symlinks=False)


def publishable_evaluation(found: dict[str, Any], run: str, known: list[str]) -> dict[str, Any]:
    """Return an evaluation without paths of this machine."""
    about = {key: value for key, value in found.items() if key not in ("files", "weights_sha256")} | {"run": run}
    texts = {key: shorten_in_text(str(about[key]), known) for key in ("trained_on", "data", "judge") if key in about}
    words = {key: [shorten_command(str(word), known) for word in about[key]] for key in ("overrides",) if key in about}
    lines = {key: [shorten_in_text(str(line), known) for line in about[key]] for key in ("problems",) if key in about}
    return about | texts | words | lines


def write_manifest(folder: Path) -> None:
    """Write the manifest of a bundle, the weights first as in that of a run."""
    names = sorted((file.name for file in folder.iterdir()), key=list(LIMITS).index)
    lines = [
        {"file": name, "sha256": sha256(folder / name), "bytes": (folder / name).stat().st_size}
        for name in names
        if name not in (CARD, MANIFEST)
    ]
    about = {"schema": SCHEMA, "bundle": VERSION, "zoo": __version__, "files": lines}
    write_json(folder / MANIFEST, about | {"seal": digest(about)})


def pack(folder: Path, target: Path) -> None:
    """Write the files of a folder as one .zip file, the same bytes for the same files."""
    with atomic_write(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for file in sorted(folder.iterdir()):
            about = zipfile.ZipInfo(file.name, ZIP_TIME)
            about.compress_type = zipfile.ZIP_STORED if file.name in PICTURES else zipfile.ZIP_DEFLATED
            about.external_attr, about.file_size = 0o644 << 16, file.stat().st_size
            with file.open("rb") as content, archive.open(about, "w") as out:
                shutil.copyfileobj(content, out)


def make_run_folder(temporary: Path, folder: Path, origin: str, weights: Copied) -> None:
    """Turn the files of a bundle into those of a run folder."""
    record, _ = read_files(temporary)
    record["origin"] = origin
    write_json(temporary / "run.json", record | {"seal": digest(record)})
    line = {"file": WEIGHTS, "sha256": weights.sha256, "bytes": weights.bytes}
    write_json(temporary / MANIFEST, {"schema": SCHEMA, "files": [line]})
    if (temporary / EVALUATION).exists():
        found = read_json(temporary / EVALUATION) | {"run": str(folder)}
        (temporary / EVALUATION).unlink()
        write_json(temporary / "evaluation" / f"{found['split']}.json", found)
        for name in PICTURES:
            if (temporary / name).exists():
                (temporary / name).replace(temporary / "evaluation" / f"{found['split']}-{name}")
