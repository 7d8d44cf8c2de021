"""The cache of decoded pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from zoo.core.errors import ResourceError
from zoo.core.files import atomic_write, cache_dir, digest
from zoo.data.dataset import Loaded, Pictures, checksum, log


def file_stamps(files: Iterable[Path], root: Path | None = None) -> list[tuple[str, int, int]]:
    """List name, size and modification time of files, as part of a cache key.

    Args:
        files: Existing files.
        root: A folder above all files, to which the names are relative; None for bare file names.

    Returns:
        Name, size in bytes and modification time in nanoseconds of each file.

    Raises:
        OSError: If a file does not exist.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from zoo.data import file_stamps
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "a.png")
        ...     size = path.write_bytes(b"1234")
        ...     [(name, size) for name, size, changed in file_stamps([path])]
        [('a.png', 4)]
    """
    found = []
    for path in files:
        stat = path.stat()
        found.append((path.relative_to(root).as_posix() if root else path.name, stat.st_size, stat.st_mtime_ns))
    return found


def load_cached(key: dict[str, Any], make: Callable[[], Loaded]) -> Loaded:
    """Load decoded pictures from the cache, or decode and cache them.

    The tensors are memory-mapped from a file in the cache folder. A damaged file is replaced; if the
    folder is not writable, the pictures are decoded again next time.

    Args:
        key: JSON object with everything that determines the pictures: options, `file_stamps`, `decoder_versions`.
        make: Decodes the pictures; called only if they are not in the cache.

    Returns:
        The result of `make`, from this call or an earlier one with the same key.

    Example:
        >>> import torch
        >>> from tempfile import TemporaryDirectory
        >>> from unittest.mock import patch
        >>> from zoo.data import Loaded, Pictures, load_cached
        >>> def make() -> Loaded:
        ...     print("decoding")
        ...     return Loaded(Pictures.of(torch.zeros(2, 4, 4, dtype=torch.uint8), [0, 1]), ("cat", "dog"))
        >>> with TemporaryDirectory() as folder, patch.dict("os.environ", {"ZOO_CACHE": folder}):
        ...     first, second = load_cached({"set": "toy"}, make), load_cached({"set": "toy"}, make)
        ...     same = first.train.fingerprint() == second.train.fingerprint()
        ...     del first, second
        decoding
        >>> same
        True
    """
    path = cache_dir() / "data" / f"{digest({'layout': 1, **key})}.safetensors"
    if (kept := read_cache_file(path)) is not None:
        return kept
    made = make()
    try:
        write_cache_file(path, made)
    except (OSError, ResourceError, SafetensorError) as error:
        log.warning("cannot cache decoded pictures: %s", error)
        return made
    return read_cache_file(path) or made


def write_cache_file(path: Path, loaded: Loaded) -> None:
    """Write the splits as safetensors, with class names, skipped files and a checksum as JSON metadata."""
    tensors: dict[str, Tensor] = {}
    for name, part in loaded.parts().items():
        tensors |= {f"{name}.x": part.nhwc, f"{name}.y": part.y.contiguous()}
    about = {"classes": loaded.classes, "skipped": loaded.skipped, "sha256": checksum(tensors)}
    about |= {"captions": loaded.captions} if loaded.captions else {}
    with atomic_write(path) as temporary:
        save_file(tensors, temporary, metadata={"zoo": json.dumps(about)})


def read_cache_file(path: Path) -> Loaded | None:
    """Memory-map the splits of a cache file; None if it is missing or damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads(file.metadata()["zoo"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        if about["sha256"] != checksum(tensors):
            return None
        names = {name.partition(".")[0] for name in tensors}
        parts = {name: Pictures.of(tensors[f"{name}.x"], tensors[f"{name}.y"]) for name in names}
        skipped = tuple((str(name), str(reason)) for name, reason in about["skipped"])
        captions = tuple(tuple(str(name) for name in names) for names in about.get("captions", ()))
        return Loaded(**parts, classes=tuple(about["classes"]), skipped=skipped, captions=captions)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None
