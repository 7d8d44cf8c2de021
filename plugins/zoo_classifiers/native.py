"""The native kernel's library: built once with the system's compiler, loaded through ctypes."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from zoo.core import atomic_write, cache_dir, digest

SOURCE = Path(__file__).with_name("fused.cpp")
FLAGS = ["-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared", "-pthread", "-w"]
X86 = ("x86_64", "amd64", "i386", "i686")


class UnavailableError(Exception):
    """Why there is no native kernel."""


def compilers() -> list[str]:
    """C++ compilers to try, the user's choice first."""
    names = [os.environ.get("CXX", ""), "c++", "g++", "clang++"]
    return [path for name in names if name and (path := shutil.which(name))]


def run(command: list[str], given: str = "") -> str:
    """What a command given that input prints; UnavailableError with its first line of complaint where it fails.

    Its session is its own: a Ctrl-C that the training handles must not end the compiler.
    """
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=180, check=True, start_new_session=True
        )
    except subprocess.CalledProcessError as error:
        raise UnavailableError(
            f"{Path(command[0]).name} failed: {(error.stderr.strip() or 'no message').splitlines()[0]}"
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"{Path(command[0]).name} failed: {error}") from error
    return done.stdout


def build(compiler: str, flags: list[str]) -> Path:
    """The library, built unless the cache has it from the same source, flags, compiler and kind of CPU."""
    macros = run([compiler, *flags, "-dM", "-E", "-x", "c++", "-"])  # version and instruction sets
    key = digest([SOURCE.read_text(encoding="utf-8"), flags, compiler, macros])[:20]
    path = cache_dir() / "kernels" / key / "fused.so"
    if not path.exists():
        with atomic_write(path) as temporary:
            run([compiler, *flags, str(SOURCE), "-o", str(temporary)])
    return path


def own(compiler: str) -> list[str]:
    """The flag for all that this machine can do, none where the compiler rejects it; on x86 -mcpu only tunes."""
    flag = "-march=native" if platform.machine().lower() in X86 else "-mcpu=native"
    try:
        run([compiler, flag, "-E", "-x", "c++", "-"])
    except UnavailableError:
        return []
    return [flag]


def find(narrow: bool) -> tuple[ctypes.CDLL, str]:
    """The library of the first compiler that works and "baseline" if it is for any machine of the kind.

    A narrow one has short vectors, for few channels.
    """
    if sys.platform == "win32":
        raise UnavailableError("it is not built on Windows")
    reasons = ["no C++ compiler was found"]
    for compiler in compilers():
        target = own(compiler)
        try:
            library = ctypes.CDLL(str(build(compiler, [*FLAGS, *target, *["-DL=4"] * narrow])))
        except (UnavailableError, OSError) as error:
            reasons.append(str(error))
        else:
            return declare(library), "" if target else "baseline"
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
