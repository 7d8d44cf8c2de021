"""What can be computed with: cores, torch and its devices, a compiler, Ray, and one training step."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from zoo.cli.doctor.finding import Finding, note, ok, problem
from zoo.cli.doctor.packages import install
from zoo.core.errors import MissingError, ResourceError, describe_error

PROBE = 'extern "C" int zoo() { return 42; }'
SOCKET, LONGEST_SOCKET = "/ray/session_2026-01-01_00-00-00_000000_0000000/sockets/plasma_store", 107
"""The longest of Ray's sockets below its folder, and what a path of a socket may have."""


def cores() -> Iterator[Finding]:
    """Cores and memory."""
    from zoo.tuning.cluster import available_cores as usable

    count, memory = usable(), memory_size()
    text = f"{count} CPU core{'s' * (count != 1)}" + (f", {memory / 1e9:.3g} GB of memory" if memory else "")
    yield ok(text, cores=count, memory=memory)


def memory_size() -> int | None:
    """Bytes of memory, where the system says it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def torch() -> Iterator[Finding]:
    """Whether torch can be imported, its threads and its devices."""
    try:
        found: Any = import_module("torch")
        threads, built = found.get_num_threads(), found.version.cuda
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        sys.modules.pop("torch", None)  # what is left of it would mislead the training step
        yield problem(f"torch cannot be imported: {describe_error(error)}", install("torch"), MissingError.code)
        return
    yield ok(f"{found.__version__}, {threads} thread{'s' * (threads != 1)}", threads=threads, cuda_build=built)
    yield from devices(found)


def devices(found: Any) -> Iterator[Finding]:
    """What torch can compute on besides the CPU."""
    names = []
    if found.cuda.is_available():
        for index in range(found.cuda.device_count()):
            about = found.cuda.get_device_properties(index)
            names.append(f"cuda:{index} {about.name}, {about.total_memory / 1e9:.3g} GB")
    if found.backends.mps.is_available():
        names.append("mps")
    if names:
        yield ok("; ".join(names), devices=names)
    elif shutil.which("nvidia-smi"):
        built = f"is built for CUDA {found.version.cuda}" if found.version.cuda else "is built for the CPU only"
        yield note(
            f"there is an NVIDIA driver, but torch, which {built}, sees no GPU", "see pytorch.org for a CUDA build"
        )
    else:
        yield ok("no GPU, so the CPU is used", devices=[])


def compiler() -> Iterator[Finding]:
    """Whether a C++ compiler works, by building and loading a function: kernels and torch.compile need one."""
    slower = "training is slower without one; install g++ or clang++"
    names = ["cl"] if sys.platform == "win32" else [os.environ.get("CXX", ""), "c++", "g++", "clang++"]
    path = next((path for name in names if name and (path := shutil.which(name))), None)
    if path is None:
        yield note("no C++ compiler was found", slower)
    elif sys.platform == "win32":
        yield ok(path)
    elif reason := why_not_built(path):
        yield note(f"{path} does not work: {reason}", slower)
    else:
        yield ok(f"{path} works", compiler=path)


def why_not_built(path: str) -> str:
    """What keeps a compiler from building a library that can be loaded; empty where nothing does."""
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        library = Path(folder, "probe.so")
        command = [path, "-x", "c++", "-shared", "-fPIC", "-", "-o", str(library)]
        try:
            subprocess.run(command, input=PROBE, text=True, capture_output=True, check=True, timeout=60)
            return "" if ctypes.CDLL(str(library)).zoo() == 42 else "the compiled function returned a wrong result"
        except subprocess.CalledProcessError as error:
            return (error.stderr.strip() or "no error message").splitlines()[0][:200]
        except (OSError, subprocess.TimeoutExpired) as error:
            return describe_error(error)


def ray() -> Iterator[Finding]:
    """Whether Ray can be imported, and whether it could start; it is not started."""
    if find_spec("ray") is None:
        yield problem("not installed, so zoo tune cannot work", install("ray[tune]"), MissingError.code)
        return
    version = import_module("ray").__version__
    folder = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir())
    if address := os.environ.get("RAY_ADDRESS"):
        yield note(f"{version}; RAY_ADDRESS is set, so zoo tune joins the cluster at {address}")
    elif not os.access(folder, os.W_OK):
        yield problem(f"{version} cannot write to {folder}", "set RAY_TMPDIR to a writable folder", ResourceError.code)
    elif sys.platform != "win32" and len(f"{folder}{SOCKET}") > LONGEST_SOCKET:
        text = f"{version} cannot create sockets in {folder}: the path is too long"
        yield problem(text, "set RAY_TMPDIR to a shorter one", ResourceError.code)
    else:
        yield ok(f"{version} can start, in {folder}", folder=str(folder))


def training_step() -> Iterator[Finding]:
    """One step of `cnn` on the digits, on the device that a training would take."""
    if sys.modules.get("torch") is None:
        yield note("not run, since torch cannot be imported")
        return
    from zoo.registry.build import build_data
    from zoo.registry.catalog import catalog
    from zoo.registry.entry import resolve_entry
    from zoo.registry.layers import installed_registry
    from zoo.training.bench import plain_loop, synchronize
    from zoo.training.device import choose_device

    registry, _ = installed_registry()  # without the user's files, which may be what is wrong
    entry, device = resolve_entry(catalog(), registry.resolve("cnn", ["data.kind=digits"])), choose_device()
    splits, _ = build_data(entry.data)
    step = plain_loop(entry, splits, device)
    start = time.monotonic()
    step()
    synchronize(device)
    seconds = time.monotonic() - start
    yield ok(f"cnn on digits: {seconds:.2g} s on {device}", seconds=round(seconds, 4), device=str(device))
