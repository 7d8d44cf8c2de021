"""Build a model to look at it, in a child process if a plugin may end that."""

from __future__ import annotations

import faulthandler
import json
import os
import subprocess
import threading
import time
from contextlib import suppress
from typing import Any, NamedTuple

import zoo.core.errors
from zoo.core.errors import MissingError, ZooError, describe_error
from zoo.core.types import DataInfo
from zoo.registry.entry import Component, Entry, restore_entry
from zoo.registry.kinds import Kind
from zoo.registry.model_size import Count, build_on_meta, size_of
from zoo.registry.plugins.blocklist import OWN
from zoo.registry.plugins.probe import IMPORT_TIMEOUT, WAIT_VARIABLE, start_python
from zoo.registry.plugins.probe_worker import exit_reason, kill_group

BUILD_TIMEOUT = 300.0
"""Seconds after which a child process ends that has not built the model."""
PARENT_POLL = 0.5
"""Seconds between two checks whether the parent of the child process is alive."""


class Build(NamedTuple):
    """What was found of a model, up to the first error."""

    stages: tuple[str, ...] | None = None
    """Names of its stages; None if it could not be built."""
    counted: Count | None = None
    """Its size; None if it could not be built, or does not fit the classes."""
    error: Exception | None = None

    def size(self) -> Count:
        """Return the size, or raise the error."""
        if self.counted is None:
            raise self.error or AssertionError("a build has a size or an error")
        return self.counted


def trial_build(entry: Entry, info: DataInfo) -> Build:
    """Build the model of an entry, without weights if possible, and describe it.

    A model to which a third-party plugin contributes is built in a child process. MissingError if that ends early.
    """
    foreign = [part for name, part in entry.components.items() if name != "data" and part.plugin.distribution != OWN]
    if foreign:
        with suppress(OSError):  # no process can be started, so it has to be this one
            return build_in_child(entry, info, foreign)
    return build_here(entry, info)


def build_here(entry: Entry, info: DataInfo) -> Build:
    """Build the model in this process."""
    stages = None
    try:
        model, on_meta = build_on_meta(entry, info)
        stages = tuple(stage.name for stage in model.stages())
        return Build(stages, size_of(entry, model, info, on_meta))
    except Exception as error:  # a plugin may raise any
        return Build(stages, None, error)


def build_in_child(entry: Entry, info: DataInfo, foreign: list[Component[Kind]]) -> Build:
    """Build the model in a child process, which is ended with this call."""
    order = {"entry": entry.dump(), "info": info._asdict(), "parent": os.getpid()}
    process, start = start_python("zoo.tuning.trial_build:run_child", order, subprocess.PIPE), time.monotonic()
    try:
        assert process.stdout
        with process.stdout as out:
            told = out.read()
        process.wait()
        with suppress(ValueError):
            return build_of(json.loads(told))
    finally:
        with suppress(OSError):
            kill_group(process)  # also what the plugin started
        process.wait()
    names = " and ".join(f"{part.kind.family} kind {part.name!r}" for part in foreign)
    reason = exit_reason(process.returncode, BUILD_TIMEOUT)
    if time.monotonic() - start >= BUILD_TIMEOUT:
        reason = f"it has not finished within {BUILD_TIMEOUT:.0f} s"
    raise MissingError(
        f"{foreign[0].plugin}: building the {names}: {reason}",
        f"report it to its authors; `zoo check {foreign[0].plugin.name}` checks its rules",
    )


def run_child(order: dict[str, Any]) -> None:
    """Build the model of an order, and write the result to stdout as JSON."""
    out = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # a plugin may print
    faulthandler.dump_traceback_later(BUILD_TIMEOUT, exit=True)
    threading.Thread(target=exit_with_parent, args=(order["parent"],), daemon=True).start()
    os.environ[WAIT_VARIABLE] = str(IMPORT_TIMEOUT)
    found = build_here(restore_entry(order["entry"]), DataInfo(**order["info"]))
    with os.fdopen(out, "w", encoding="utf-8") as file:
        json.dump(to_json(found), file)
    os._exit(0)


def exit_with_parent(parent: int) -> None:
    """End this process when its parent has ended, where the system tells of that."""
    while os.name == "nt" or os.getppid() == parent:
        time.sleep(PARENT_POLL)
    os._exit(1)


def to_json(found: Build) -> dict[str, Any]:
    """Return what was found as a JSON object."""
    error = found.error
    told = None if error is None else {"kind": type(error).__name__, "text": describe_error(error), "hint": ""}
    if told and isinstance(error, ZooError):
        told |= {"text": str(error.args[0]), "hint": error.hint}
    return {"stages": found.stages, "count": found.counted, "error": told}


def build_of(found: dict[str, Any]) -> Build:
    """Return what a child process has found."""
    told = found["error"]
    kind = getattr(zoo.core.errors, told["kind"], None) if told else None
    known = kind in (ZooError, *ZooError.__subclasses__()) and kind is not zoo.core.errors.BudgetError
    error = (kind if known and kind else MissingError)(told["text"], told["hint"]) if told else None
    stages, count = found["stages"], found["count"]
    return Build(None if stages is None else tuple(stages), count and Count(*count), error)
