"""Checks of the system: Python, console, folders, memory, torch, compiler, Ray and one training step."""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from zoo.cli.doctor.contents import install_command
from zoo.cli.doctor.finding import Finding, note, ok, problem
from zoo.core.errors import MissingError, ResourceError, describe_error
from zoo.core.temporary import scratch
from zoo.display.format import format_bytes

PROBE = 'extern "C" int zoo() { return 42; }'


def check_cores() -> Iterator[Finding]:
    """Report the CPU cores and memory."""
    from zoo.tuning.cluster import available_cores as usable

    count, memory = usable(), memory_size()
    text = f"{count} CPU core{'s' * (count != 1)}" + (f", {memory / 1e9:.3g} GB of memory" if memory else "")
    yield ok(text, cores=count, memory=memory)


def memory_size() -> int | None:
    """Return the bytes of memory, or None if unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def check_torch() -> Iterator[Finding]:
    """Check that torch can be imported, and report its threads and devices."""
    try:
        found: Any = import_module("torch")
        threads, built = found.get_num_threads(), found.version.cuda
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        sys.modules.pop("torch", None)  # a partial import would mislead the training step
        yield problem(f"torch cannot be imported: {describe_error(error)}", install_command("torch"), MissingError.code)
        return
    yield ok(f"{found.__version__}, {threads} thread{'s' * (threads != 1)}", threads=threads, cuda_build=built)
    yield from check_devices(found)


def check_devices(found: Any) -> Iterator[Finding]:
    """Report torch's devices besides the CPU."""
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


def check_compiler() -> Iterator[Finding]:
    """Check that a C++ compiler works, which native kernels and torch.compile need, by building a function."""
    slower = "training is slower without one; install g++ or clang++"
    names = ["cl"] if sys.platform == "win32" else [os.environ.get("CXX", ""), "c++", "g++", "clang++"]
    path = next((path for name in names if name and (path := shutil.which(name))), None)
    if path is None:
        yield note("no C++ compiler was found", slower)
    elif sys.platform == "win32":
        yield ok(path)
    elif reason := why_build_fails(path):
        yield note(f"{path} does not work: {reason}", slower)
    else:
        yield ok(f"{path} works", compiler=path)


def why_build_fails(path: str) -> str:
    """Return why a compiler cannot build a library that can be loaded.

    Empty if it can.
    """
    with scratch("doctor") as folder:
        library = folder / "probe.so"
        command = [path, "-x", "c++", "-shared", "-fPIC", "-", "-o", str(library)]
        try:
            subprocess.run(command, input=PROBE, text=True, capture_output=True, check=True, timeout=60)
            return "" if ctypes.CDLL(str(library)).zoo() == 42 else "the compiled function returned a wrong result"
        except subprocess.CalledProcessError as error:
            return (error.stderr.strip() or "no error message").splitlines()[0][:200]
        except (OSError, subprocess.TimeoutExpired) as error:
            return describe_error(error)


def check_ray() -> Iterator[Finding]:
    """Check that Ray can be imported and could start, without starting it."""
    if find_spec("ray") is None:
        yield problem("not installed, so zoo tune cannot work", install_command("ray[tune]"), MissingError.code)
        return
    from zoo.tuning.cluster import ClusterOptions

    version = import_module("ray").__version__
    options = ClusterOptions.choose(None, None, "auto")
    yield from cluster_findings(version, str(options.address)) if options.address else local_findings(version)
    yield from token_findings(Path.home() / ".ray" / "auth_token")


def token_findings(token: Path) -> Iterator[Finding]:
    """Report Ray's own token if others can read it; it lets them into clusters of this user."""
    with suppress(OSError):
        if sys.platform != "win32" and token.stat().st_mode & 0o077:
            text = f"other users can read {token}, which lets them into Ray clusters of yours"
            yield note(f"{text}; zoo tune itself uses another one", f"chmod 600 {token}")


def cluster_findings(version: str, address: str) -> Iterator[Finding]:
    """Report the cluster in RAY_ADDRESS, and whether it accepts everybody."""
    text = f"{version}; RAY_ADDRESS is set, so zoo tune joins the cluster at {address}"
    if os.environ.get("RAY_AUTH_MODE") == "token":
        yield note(text)
    else:
        yield note(
            f"{text}, which accepts everybody who can reach its ports",
            "start and join it with RAY_AUTH_MODE=token, on a private network; or unset RAY_ADDRESS",
        )


def local_findings(version: str) -> Iterator[Finding]:
    """Report the folder of a local Ray, and whether its processes may outlive a kill."""
    from zoo.tuning.local_ray import short_folder, temporary_folder
    from zoo.tuning.orphan_guard import SUPPORTED_RAY, is_supported

    (wanted, source), folder = temporary_folder(), short_folder()
    if folder != wanted:
        text = f"the folder {wanted}{source} cannot hold Ray's sockets, so Ray uses {folder}"
        yield note(text, "no action needed; to choose another folder, set RAY_TMPDIR to a short path")
    if sys.platform == "linux" and not is_supported():
        text = f"zoo tune is tested with version {SUPPORTED_RAY}x, not {version}, whose processes may survive a kill"
        yield note(f"{text} for a minute", f'pip install "ray[tune]=={SUPPORTED_RAY}*"')
    elif sys.platform != "linux":
        yield note("only on Linux are Ray's processes tied to zoo tune", "after `kill -9` of zoo tune: ray stop")
    yield ok(f"{version} can start, in {folder}; it listens on loopback only", folder=str(folder))


def check_training_step() -> Iterator[Finding]:
    """Run one training step of `cnn` on the digits, on the default device."""
    if sys.modules.get("torch") is None:
        yield note("not run, since torch cannot be imported")
        return
    from zoo.core.notes import collect_notes
    from zoo.models.device import choose_device
    from zoo.registry.build import build_data
    from zoo.registry.entry import resolve_entry
    from zoo.registry.layers import installed_registry
    from zoo.training.bench import plain_loop, synchronize

    registry, _ = installed_registry()  # without the user's files, which may be broken
    entry, device = resolve_entry(registry.resolve("cnn", ["data.kind=digits"])), choose_device()
    with collect_notes():
        splits, _ = build_data(entry.data)
    step = plain_loop(entry, splits, device)
    start = time.monotonic()
    step()
    synchronize(device)
    seconds = time.monotonic() - start
    yield ok(f"cnn on digits: {seconds:.2g} s on {device}", seconds=round(seconds, 4), device=str(device))


MIN_FREE, LOW_FREE = 200_000_000, 2_000_000_000
"""Bytes of free space needed to train, and below which a note is shown."""
SHARED_MEMORY = Path("/dev/shm")
MIN_SHARED_MEMORY = 500_000_000
"""Bytes of shared memory below which Ray stores its objects on disk."""


def check_python() -> Iterator[Finding]:
    """Report interpreter, operating system and machine."""
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    about = {"python": platform.python_version(), "system": platform.system(), "machine": platform.machine()}
    text = f"{platform.python_implementation()} {about['python']} on {system}, {sys.executable}"
    yield ok(text, **about, executable=sys.executable)


def check_console() -> Iterator[Finding]:
    """Check the encoding and size of the console."""
    stream = sys.__stdout__
    encoding = (getattr(stream, "encoding", None) or "none").lower()
    terminal = bool(stream and stream.isatty())
    size = f", {shutil.get_terminal_size().columns} columns" if terminal else ""
    kind = f"terminal {os.environ.get('TERM', '')}".rstrip() if terminal else "not a terminal, so output is plain"
    about = {"encoding": encoding, "terminal": terminal}
    if encoding.replace("-", "") == "utf8":
        yield ok(f"{encoding}, {kind}{size}", **about)
    else:
        yield note(f"{encoding}, {kind}{size}", "some characters are shown as escapes; set PYTHONUTF8=1", **about)


def check_folders() -> Iterator[Finding]:
    """Check the folders for runs, cache and configuration, and the free space on their disks."""
    from zoo.core.files import cache_dir
    from zoo.registry.layers import user_registry
    from zoo.runs.names import ROOT

    yield from check_folder("runs", Path.cwd() / ROOT, "change to a writable folder, or choose one with --out")
    yield from check_folder("cache", cache_dir(), "make it writable, or set ZOO_CACHE to another folder")
    mine = user_registry()
    there = "" if mine.is_file() else ", not found (optional)"
    yield ok(f"configuration {mine}{there}", folder="configuration", path=str(mine))


def check_folder(name: str, path: Path, elsewhere: str) -> Iterator[Finding]:
    """Check that a folder, or the parent in which it will be created, can be written to and has free space."""
    near = next(each for each in (path, *path.parents) if each.exists())
    about: dict[str, Any] = {"folder": name, "path": str(path)}
    try:
        with tempfile.TemporaryFile(dir=near) as file:
            file.write(b"zoo")
        free = shutil.disk_usage(near).free
    except OSError as error:
        text = f"{name} {path} cannot be written to: {error.strerror or describe_error(error)}"
        yield problem(text, elsewhere, ResourceError.code, **about)
        return
    about["free"] = free
    text = f"{name} {path}, {format_bytes(free)} free"
    if free < MIN_FREE:
        yield problem(text, f"free some space, or {elsewhere}", ResourceError.code, **about)
    elif free < LOW_FREE:
        yield note(text, "free some space before long trainings", **about)
    else:
        yield ok(text, **about)


def check_shared_memory() -> Iterator[Finding]:
    """Check the shared memory on Linux, where Ray's workers share pictures."""
    if not SHARED_MEMORY.is_dir():
        return
    usage = shutil.disk_usage(SHARED_MEMORY)
    text = f"{SHARED_MEMORY} {format_bytes(usage.free)} free of {format_bytes(usage.total)}"
    if usage.free < MIN_SHARED_MEMORY:
        yield note(text, "zoo tune will be slower; in a container raise it with --shm-size=2g", free=usage.free)
    else:
        yield ok(text, free=usage.free)
