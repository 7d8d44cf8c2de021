"""A private Ray cluster: it listens on loopback only, and no other user can read its token or its folder."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from zoo.core.errors import ResourceError

FOLDER_PREFIX = "zoo-ray-"
SOCKET_EXAMPLE = f"{FOLDER_PREFIX}00000000/r/session_2026-01-01_00-00-00_000000_0000000/sockets/plasma_store"
"""Example of the longest path of a Ray socket, below the folder for temporary files."""
MAX_SOCKET_PATH = 107 if sys.platform == "linux" else 103
"""Largest length of the path of a socket, in bytes."""
LOCK_FILE = "lock"
SWEEP_AGE = 60.0
"""Age in seconds after which an unlocked folder is removed; a younger one may not be locked yet."""


@contextmanager
def private_ray() -> Iterator[dict[str, Any]]:
    """Yield arguments of `ray.init` for a cluster that no other user can access.

    By default Ray makes its folders writable for all users, keeps its token in a file that all can read, and listens on
    all interfaces. Here a folder that only this user can access contains the files and a new token, and Ray listens on
    loopback only. The environment is restored after the block.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(private_folder())
        token = folder / "token"
        with os.fdopen(os.open(token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
        stack.enter_context(own_token(token))
        stack.enter_context(loopback_only())
        yield {"address": "local", "include_dashboard": False, "_temp_dir": str(folder / "r")}


@contextmanager
def private_folder() -> Iterator[Path]:
    """Make a folder that only this user can access, for the files of Ray.

    It is removed after the block.
    """
    base = short_folder()
    sweep_leftovers(base)
    folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=base))
    lock = FileLock(folder / LOCK_FILE)
    try:
        with lock:
            yield folder
    finally:
        for _ in range(3):  # processes of Ray that are ending may still write
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                break
            time.sleep(0.2)


def short_folder() -> Path:
    """Find a folder for temporary files whose path is short enough for Ray's sockets."""
    base, source = temporary_folder()
    for folder in (base, *map(Path, ("/tmp", "/var/tmp", os.environ.get("XDG_RUNTIME_DIR", "")))):
        if fits_sockets(folder) and folder.is_dir() and os.access(folder, os.W_OK | os.X_OK):
            return folder
    reason = "is too long for the path of a socket" if not fits_sockets(base) else "cannot be written to"
    raise ResourceError(
        f"Ray cannot start: the folder {base}{source} {reason}", "set RAY_TMPDIR to a short path of a writable folder"
    )


def temporary_folder() -> tuple[Path, str]:
    """Return the configured folder for temporary files, and the variable that sets it, as text to append."""
    if folder := os.environ.get("RAY_TMPDIR"):
        return Path(folder).absolute(), " of RAY_TMPDIR"
    base = Path(tempfile.gettempdir())
    name = next((name for name in ("TMPDIR", "TEMP", "TMP") if os.environ.get(name)), "")
    return base, f" of {name}" if name else ""


def fits_sockets(folder: Path) -> bool:
    """Whether Ray's sockets can be created below a folder."""
    return folder.is_absolute() and (
        sys.platform == "win32" or len(os.fsencode(f"{folder}/{SOCKET_EXAMPLE}")) <= MAX_SOCKET_PATH
    )


def sweep_leftovers(base: Path) -> None:
    """Remove folders whose process was killed."""
    for folder in base.glob(f"{FOLDER_PREFIX}*"):
        with suppress(OSError, Timeout):
            about = folder.lstat()
            mine = not hasattr(os, "getuid") or about.st_uid == os.getuid()
            if mine and stat.S_ISDIR(about.st_mode) and time.time() - about.st_mtime > SWEEP_AGE:
                with FileLock(folder / LOCK_FILE, timeout=0):
                    pass
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def own_token(path: Path) -> Iterator[None]:
    """Make Ray use the token in a file within the block, whatever tokens the environment sets."""
    settings = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(path), "RAY_AUTH_TOKEN": None}
    try:
        with changed_environment(settings):
            forget_token()
            yield
    finally:
        forget_token()


@contextmanager
def changed_environment(values: Mapping[str, str | None]) -> Iterator[None]:
    """Set variables of the environment within the block, and unset those that are None."""
    before = {name: os.environ.get(name) for name in values}
    set_environment(values)
    try:
        yield
    finally:
        set_environment(before)


def set_environment(values: Mapping[str, str | None]) -> None:
    """Set variables of the environment, and unset those that are None."""
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def forget_token() -> None:
    """Make Ray read the environment again, since it caches the token and whether one is required."""
    with suppress(ImportError, AttributeError):
        raylet: Any = import_module("ray._raylet")
        raylet.Config.initialize("")
        raylet.AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def loopback_only() -> Iterator[None]:
    """Make Ray listen on loopback only if it starts within the block, as it always does on macOS and Windows."""
    from ray._private import ray_constants

    before = getattr(ray_constants, "ENABLE_RAY_CLUSTER", None)
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        if before is not None:
            ray_constants.ENABLE_RAY_CLUSTER = before
