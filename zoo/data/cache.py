"""The cache of decoded pictures."""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from zoo.core.errors import ResourceError
from zoo.core.files import atomic_write, cache_dir, digest
from zoo.core.temporary import sweep
from zoo.core.trust import is_own, user_id
from zoo.data.dataset import Loaded, Pictures, checksum, log
from zoo.data.texts import Texts, from_bytes, to_bytes

SAMPLED_FILES, SAMPLED_BYTES = 1000, 65_536
"""Files of which the content is part of the key, spread evenly over all, and bytes of their beginnings and ends."""


def file_stamps(files: Iterable[Path], root: Path | None = None) -> list[tuple[str, int, int]]:
    """List name, size and a fingerprint of files, as part of a cache key.

    The fingerprint covers the real path of the folder, all that the file system keeps of the file, and for up to 1000
    files the content, so that no two different sets share a key.

    Args:
        files: Existing files.
        root: A folder above all files, to which the names are relative; None for bare file names.

    Returns:
        Name, size in bytes and fingerprint of each file.

    Raises:
        OSError: If a file does not exist.

    Example:
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from zoo.data import file_stamps
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "a.png")
        ...     size = path.write_bytes(b"1234")
        ...     [(name, size) for name, size, fingerprint in file_stamps([path])]
        [('a.png', 4)]
    """
    paths, folders, found = list(files), dict[Path, str](), []
    step = math.ceil(len(paths) / SAMPLED_FILES) or 1
    for index, path in enumerate(paths):
        about, folder = path.stat(), path.parent
        if folder not in folders:
            folders[folder] = os.path.realpath(folder)
        known = [folders[folder], about.st_mtime_ns, about.st_ctime_ns, about.st_ino]
        content = sample_content(path, about) if index % step == 0 else b""
        fingerprint = int.from_bytes(
            hashlib.sha256(repr(known).encode(errors="surrogateescape") + content).digest()[:7]
        )
        found.append((path.relative_to(root).as_posix() if root else path.name, about.st_size, fingerprint))
    return found


def sample_content(path: Path, about: os.stat_result) -> bytes:
    """Read the beginning and the end of a regular file.

    Empty if it cannot be read.
    """
    if not stat.S_ISREG(about.st_mode):
        return b""
    try:
        with path.open("rb", buffering=0) as file:
            begin = file.read(SAMPLED_BYTES) or b""
            if about.st_size <= SAMPLED_BYTES:
                return begin
            file.seek(max(SAMPLED_BYTES, about.st_size - SAMPLED_BYTES))
            return begin + (file.read(SAMPLED_BYTES) or b"")
    except OSError:
        return b""


def load_cached(key: dict[str, Any], make: Callable[[], Loaded]) -> Loaded:
    """Load decoded pictures from the cache, or decode and cache them.

    The tensors are memory-mapped from a file in the cache folder. A file that is damaged, or that another user could
    have written, is replaced; if the folder is not writable, the pictures are decoded again next time.

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
    path = cache_dir() / "data" / f"{digest({'layout': 3, 'user': user_id(), **key})}.safetensors"
    sweep(path.parent)
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
    """Write the splits as safetensors, with class names, skipped files, notes and a checksum as JSON metadata."""
    tensors: dict[str, Tensor] = {}
    for name, part in loaded.parts().items():
        tensors |= {f"{name}.x": part.nhwc, f"{name}.y": part.y.contiguous()}
        if part.texts is not None:
            tensors |= {f"{name}.texts": to_bytes(part.texts.table), f"{name}.index": part.texts.index.contiguous()}
    about = {"classes": loaded.classes, "skipped": loaded.skipped, "sha256": checksum(tensors)}
    about |= {"captions": loaded.captions} if loaded.captions else {}
    about |= {"notes": loaded.notes} if loaded.notes else {}
    with atomic_write(path, private=True) as temporary:
        save_file(tensors, temporary, metadata={"zoo": json.dumps(about | {"seal": digest(about)})})


def read_cache_file(path: Path) -> Loaded | None:
    """Memory-map the splits of a cache file.

    Returns None if it is missing, damaged or not the user's own.
    """
    if not is_own(path) or not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads(file.metadata()["zoo"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        if about.pop("seal", None) != digest(about) or about["sha256"] != checksum(tensors):
            return None
        names = {name.partition(".")[0] for name in tensors}
        parts = {name: read_part(name, tensors) for name in names}
        skipped = tuple((str(name), str(reason)) for name, reason in about["skipped"])
        captions = tuple(tuple(str(name) for name in names) for names in about.get("captions", ()))
        notes = tuple(str(note) for note in about.get("notes", ()))
        classes = tuple(str(name) for name in about["classes"])
        return Loaded(**parts, classes=classes, skipped=skipped, captions=captions, notes=notes)
    except (OSError, SafetensorError, ValueError, LookupError, TypeError, AttributeError, RuntimeError):
        return None


def read_part(name: str, tensors: dict[str, Tensor]) -> Pictures:
    """Return the pictures of a split from the tensors of a cache file."""
    part = Pictures.of(tensors[f"{name}.x"], tensors[f"{name}.y"])
    if f"{name}.texts" not in tensors:
        return part
    return replace(part, texts=Texts(from_bytes(tensors[f"{name}.texts"]), tensors[f"{name}.index"]))
