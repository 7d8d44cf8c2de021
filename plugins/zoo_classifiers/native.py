"""The native kernel's library: built once with the system's compiler, loaded through ctypes."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

from zoo.files import atomic, cache_dir, digest

SOURCE = Path(__file__).with_name("fused.cpp")
FLAGS = ["-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared", "-pthread", "-w"]
TARGETS: tuple[list[str], ...] = (["-march=native"], ["-mcpu=native"], [])


class UnavailableError(Exception):
    """Why there is no native kernel."""


def compilers() -> list[str]:
    """C++ compilers to try, the user's choice first."""
    names = [os.environ.get("CXX", ""), "c++", "g++", "clang++"]
    return [path for name in names if name and (path := shutil.which(name))]


def run(command: list[str], **options: str) -> str:
    """The standard output of a command; UnavailableError with the first line of complaint where it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True, **options)  # type: ignore[call-overload]
    except subprocess.CalledProcessError as error:
        raise UnavailableError(
            f"{Path(command[0]).name} failed: {(error.stderr.strip() or 'no message').splitlines()[0]}"
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"{Path(command[0]).name} failed: {error}") from error
    return str(done.stdout)


def build(compiler: str, flags: list[str]) -> Path:
    """The library, built unless the cache has it from the same source, flags, compiler and kind of CPU."""
    macros = run([compiler, *flags, "-dM", "-E", "-x", "c++", "-"], input="")  # version and instruction sets
    key = digest([SOURCE.read_text(encoding="utf-8"), flags, compiler, macros])[:20]
    path = cache_dir() / "kernels" / key / "fused.so"
    if not path.exists():
        with atomic(path) as temporary:
            run([compiler, *flags, str(SOURCE), "-o", str(temporary)])
    return path


def find(narrow: bool) -> ctypes.CDLL:
    """The library of the first compiler and target that work; a narrow one has short vectors, for few channels."""
    if sys.platform == "win32":
        raise UnavailableError("it is not built on Windows")
    reasons = ["no C++ compiler was found"]
    for compiler in compilers():
        for target in TARGETS:
            try:
                return declare(ctypes.CDLL(str(build(compiler, [*FLAGS, *target, *["-DL=4"] * narrow]))))
            except (UnavailableError, OSError) as error:
                reasons.append(str(error))
    raise UnavailableError(reasons[-1])


def declare(library: ctypes.CDLL) -> ctypes.CDLL:
    """Give the functions their types, and PyTorch's own thread pool where it can be found.

    A second pool would compete with PyTorch's threads, which spin for a while after each operation.
    """
    pointer = ctypes.c_void_p
    types = {"use_team": 1, "moments": 3, "tail_forward": 2, "tail_backward": 2}
    for name, count in types.items():
        function = getattr(library, name)
        function.argtypes, function.restype = [pointer] * count, None
    team = getattr(ctypes.CDLL(None), "GOMP_parallel", None)
    library.use_team(ctypes.cast(team, pointer) if team else None)
    return library
