"""A run folder: resolved entry, versions, log, weights, state; who holds it; and the model back from it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from zoo.catalog import Catalog
from zoo.entry import Entry, resolve, restore
from zoo.errors import LockedError, ResourceError, RunError, ZooError, nearest
from zoo.files import check_name, digest, remove, sweep, write_json
from zoo.kinds import DataInfo
from zoo.raw import Raw, overridden
from zoo.registry import read_registry
from zoo.runfolder import ROOT, is_run, named, newest_first, numbered

if TYPE_CHECKING:
    import torch

    from zoo.model import Model

SCHEMA = 1
UNFINISHED = {"running", "interrupted"}


@dataclass
class Run:
    """A run folder that was opened; `record` is its run.json."""

    path: Path
    entry: Entry
    record: dict[str, Any]

    @classmethod
    def create(cls, path: Path, entry: Entry, record: dict[str, Any]) -> Run:
        """Make the folder; run.json comes last, so that a folder with one is whole."""
        dumped = entry.dump()
        write_json(path / "entry.json", dumped)
        about = {"schema": SCHEMA, "state": "running", "started": now(), "entry_sha256": digest(dumped)}
        run = cls(path, entry, about | record)
        run.update()
        return run

    @classmethod
    def open(cls, path: Path, catalog: Catalog) -> Run:
        """Read a run folder; RunError where it is damaged or of a newer zoo."""
        record = read_record(path / "run.json", SCHEMA)
        entry = read_json(path / "entry.json")
        if record.pop("seal", None) != digest(record) or record.get("entry_sha256") != digest(entry):
            raise RunError(f"{path} is damaged: run.json or entry.json is not what the zoo wrote")
        try:
            return cls(path, restore(catalog, entry), record)
        except ZooError as error:
            kind = RunError if error.code == ZooError.code else type(error)
            raise kind(f"{path / 'entry.json'}: {error.args[0]}", error.hint) from None

    def update(self, **values: Any) -> None:
        """Change run.json; the seal shows later whether it is still what was written."""
        self.record |= values
        write_json(self.path / "run.json", self.record | {"seal": digest(self.record)})

    @property
    def state(self) -> str:
        """running, interrupted, diverged or done."""
        return str(self.record.get("state"))

    @property
    def info(self) -> DataInfo:
        """What the model was built for."""
        try:
            return DataInfo.load(self.record["data"])
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{self.path / 'run.json'} is damaged: `data` is not readable ({error!r})") from None

    def log(self) -> list[dict[str, Any]]:
        """The metrics of each epoch; RunError where a run that is done has none."""
        from zoo.training.log import read_rows

        rows = read_rows(self.path / "metrics.jsonl")
        if not all(isinstance(row, dict) and isinstance(row.get("valid"), dict) for row in rows):
            raise RunError(f"{self.path / 'metrics.jsonl'} is damaged: a line of it is not an epoch")
        if not rows and self.state == "done":
            raise RunError(f"{self.path / 'metrics.jsonl'} is missing or damaged")
        return rows

    def kept(self) -> dict[str, Any]:
        """The line of the log for the epoch whose weights are kept, of a run that is done."""
        rows = self.log()
        last = [row for row in rows if row["stage"] == rows[-1]["stage"]]
        if self.entry.train.keep == "last":
            return last[-1]
        return min(last, key=lambda row: row["valid"].get("loss") or 0.0)

    def _repr_html_(self) -> str:
        """In a notebook."""
        from zoo.notebook import block, pairs

        about: dict[str, object] = {"entry": self.entry.name, "state": self.state, "data": self.entry.data.name}
        about |= {key: self.record.get(key) for key in ("parameters", "seconds", "device", "reason")}
        with suppress(RunError, KeyError, IndexError, TypeError):
            kept = self.kept()
            about |= {
                "kept epoch": kept["epoch"],
                **{f"validation {key}": value for key, value in kept["valid"].items()},
            }
        return block(str(self.path), pairs(about))

    def model(self, device: torch.device | str = "cpu", overrides: Iterable[str] = ()) -> Model:
        """The trained model in eval mode; `overrides` may change options that leave the weights as they are."""
        from torch.random import fork_rng

        from zoo.build import build_model
        from zoo.model import saved_weights_follow
        from zoo.tensors import fill, read_weights

        if not (self.path / "weights.safetensors").exists() and self.state in UNFINISHED:
            raise RunError(f"{self.path} is not finished", f"go on with: {self.record.get('command', 'zoo train')}")
        if self.state == "diverged" and "weights_sha256" not in self.record:
            raise RunError(f"{self.path} diverged before an epoch was done, so it has no weights")
        entry = self.changed(overrides)
        weights = read_weights(self.path, self.record.get("weights_sha256"))
        with saved_weights_follow(), fork_rng(devices=[]):  # the fresh weights are replaced, and no draw is missed
            model = build_model(entry, self.info)
        fill(model, weights, str(self.path / "weights.safetensors"))
        return model.to(device).eval()

    def changed(self, overrides: Iterable[str]) -> Entry:
        """The run's entry with key=value laid over it."""
        from zoo.catalog import catalog

        dumped = self.entry.dump()
        return resolve(catalog(), overridden(Raw(dumped.pop("name"), dumped, {}), overrides))


def read_json(path: Path) -> Any:
    """A JSON file of a run folder."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path.parent} is not a run folder: it has no {path.name}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path} is damaged: {str(error)[:120]}") from None


def read_record(path: Path, newest: int) -> dict[str, Any]:
    """A JSON file of a folder that says by which schema it was written; RunError where it is of a newer zoo."""
    record = read_json(path)
    if not isinstance(record, dict) or not isinstance(record.get("schema"), int):
        raise RunError(f"{path} is damaged: it has no schema number")
    if record["schema"] > newest:
        raise RunError(f"{path.parent} was made by a newer zoo ({record.get('zoo')})", "upgrade pixel-zoo to read it")
    return record


def find_run(text: str, catalog: Catalog, root: Path = ROOT) -> Run:
    """The run at a path or of that name below `runs`, or the newest finished run of an entry of that name.

    The folder of a study stands for its best run.
    """
    if path := named(text, root):
        return Run.open(path, catalog)
    if found := newest_first(text, root):
        done = (path for path in found if read_json(path / "run.json").get("state") == "done")
        return Run.open(next(done, found[0]), catalog)
    if os.path.isdir(text):  # noqa: PTH112 - takes any text
        raise RunError(f"{text} is not a run folder: it has no run.json")
    names = [path.parent.name for path in root.glob("*/run.json")]
    if text in read_registry(catalog)[0].entries:
        raise ZooError(f"no run of {text!r} in {root.absolute()}", f"train one with: zoo train {text}")
    if "did you mean" in (hint := nearest(text, names)):
        raise ZooError(f"no run {text[:80]!r}", hint)
    raise ZooError(f"no run {text[:80]!r} in {root.absolute()}", "train one with: zoo train ENTRY")


def choose_folder(entry: Entry, catalog: Catalog, out: Path | None, fresh: bool) -> tuple[Path, Run | None]:
    """Where to train, and the run to go on with if there is one.

    Without `out` an unfinished run of the same entry goes on, otherwise NAME-<next number> is made. With `out` that
    folder is used, if it is empty or holds a run of exactly this entry.
    """
    if out is not None:
        return out, use_folder(entry, catalog, out, fresh)
    check_name(entry.name, "the entry")
    before = numbered(ROOT, entry.name)
    for path in reversed(before.values() if not fresh else ()):
        try:
            run = Run.open(path, catalog)
        except ZooError:
            continue  # a damaged run of long ago is no reason not to train
        if run.state in UNFINISHED and not difference(run.entry.dump(), entry.dump()):
            return path, run
    return make_folder(entry.name, max(before, default=0) + 1), None


def use_folder(entry: Entry, catalog: Catalog, out: Path, fresh: bool) -> Run | None:
    """The run in a folder that the user named, or None where nothing is in it yet."""
    check_name(out.resolve().name, "the run folder")
    if not is_run(out):
        if out.exists() and not (out.is_dir() and all(is_remnant(file.name) for file in out.iterdir())):
            raise ZooError(f"{out} exists and is not a run folder", "choose another --out")
        return None
    if fresh:
        raise ZooError(f"{out} holds a run already", "choose another --out for a fresh one")
    run = Run.open(out, catalog)
    if changes := difference(run.entry.dump(), entry.dump()):
        raise ZooError(f"{out} holds another run: {'; '.join(changes[:4])}", "choose another --out")
    return run


def is_remnant(name: str) -> bool:
    """Whether a file may lie in a folder whose run had not yet begun when its process was killed."""
    return name in {"lock", "lock.json", "entry.json"} or (name.startswith(".") and name.endswith(".tmp"))


def make_folder(name: str, number: int) -> Path:
    """A new folder NAME-<number>, or with the next number that no other process takes at the same moment."""
    path = ROOT / f"{name}-{number}"
    try:
        path.mkdir(parents=True)
    except FileExistsError:
        return make_folder(name, number + 1)
    except OSError as error:
        raise ResourceError(f"cannot make the folder {path}: {error.strerror}", "choose another with --out") from None
    return path


def difference(old: Any, new: Any, path: str = "") -> list[str]:
    """What differs between two entries, as `model.first: 46 -> 32`."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(key for key in new if key not in old)]
        return [line for key in keys for line in difference(old.get(key), new.get(key), f"{path}.{key}".strip("."))]
    return [] if old == new or path == "summary" else [f"{path}: {old} -> {new}"]


@contextmanager
def held(path: Path, advice: str = "wait for it, or train elsewhere with --out") -> Iterator[None]:
    """Hold a run folder; LockedError says who else does. A lock of a process that died is free at once."""
    who, lock = path / "lock.json", FileLock(path / "lock")
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise LockedError(f"{path} is in use by {owner(who)}", advice) from None
    except OSError as error:
        raise ResourceError(f"cannot hold {path}: {error.strerror or error}", "choose another with --out") from None
    try:
        sweep(path)
        write_json(who, {"pid": os.getpid(), "host": socket.gethostname(), "since": now()})
        yield
    finally:
        remove(who)
        begun = not path.is_dir() or any(file.name != "lock" for file in path.iterdir())
        if not begun:  # as with pictures that cannot be read; Windows deletes no file that is open, so it stays there
            remove(path / "lock")
        lock.release()
        if not begun:
            with suppress(OSError):
                path.rmdir()


@contextmanager
def held_soon(path: Path, wait: Callable[[LockedError], None]) -> Iterator[None]:
    """Hold a run folder as soon as no other process does; between two tries `wait` is called, which may raise."""
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(held(path))
                break
            except LockedError as error:
                wait(error)
        yield


def opened(path: Path, catalog: Catalog) -> Run | None:
    """The run in a folder that this process holds, or None; what is left of a damaged one is removed."""
    if not is_run(path):
        return None
    try:
        return Run.open(path, catalog)
    except RunError:
        for file in path.iterdir():
            if file.name not in {"lock", "lock.json"}:
                shutil.rmtree(file, ignore_errors=True) if file.is_dir() else file.unlink(missing_ok=True)
        return None


def owner(who: Path) -> str:
    """Who holds a folder, as far as it is known."""
    try:
        about = json.loads(who.read_text(encoding="utf-8"))
        return f"pid {about['pid']} on {about['host']} since {about['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def versions(entry: Entry) -> dict[str, str]:
    """What the numbers of a run depend on."""
    names = {"torch", "torchvision", "timm", "numpy", *(chosen.plugin.distribution for chosen in entry.kinds())}
    found = {"python": sys.version.split()[0], "system": f"{platform.system()} {platform.machine()}"}
    for name in sorted(names):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
