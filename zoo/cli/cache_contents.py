"""The contents of the cache folder by kind, recognised by the names that the zoo gives them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from zoo.core.files import cache_dir, folder_size
from zoo.core.temporary import is_abandoned, is_temporary


class CacheKind(NamedTuple):
    """What the zoo keeps in one folder of the cache."""

    summary: str
    folder: str
    names: str
    """A pattern of the names in that folder; anything else there is not the zoo's."""


KINDS = {
    "pictures": CacheKind("decoded pictures", "data", r"[0-9a-f]{64}\.safetensors"),
    "texts": CacheKind("encoded texts", "text", r"[0-9a-f]{64}\.safetensors"),
    "classifiers": CacheKind("judges and teachers", "classifiers", r".+-[0-9a-f]{16}(-[0-9]+)?"),
    "weights": CacheKind("unpacked weights of packages", "weights", r"[0-9a-f]{16}(-private)?"),
    "kernels": CacheKind("built kernels", "kernels", r"[0-9a-f]{20}(-private)?"),
    "compiled": CacheKind("caches of torch.compile", "inductor", r"slot-[0-9]+|seed"),
    "plugins": CacheKind("probes of plugins", "plugins", r"[a-z0-9-]+-[0-9a-f]{12}\.json"),
    "registries": CacheKind("parsed registries", "yaml", r"[0-9a-f]{64}\.json"),
    "completion": CacheKind("names for completion", "completion", r"[0-9a-f]{20}\.json"),
    "crashes": CacheKind("reports of bugs", "crashes", r"[0-9]{8}-[0-9]{6}-[0-9]+\.txt"),
    "downloads": CacheKind(
        "downloaded data",
        "data",
        r"cifar-10-python\.tar\.gz|cifar-10-batches-py|FashionMNIST|\.(CIFAR-10|Fashion-MNIST)\.lock",
    ),
}
KEPT = "downloads"
"""The kind that is cleaned only if it is named, since it cannot be made again offline."""


@dataclass
class Contents:
    """The files and folders of one kind in the cache."""

    paths: list[Path] = field(default_factory=list)
    bytes: int = 0

    def to_dict(self) -> dict[str, int]:
        """Return a JSON object."""
        return {"count": len(self.paths), "bytes": self.bytes}


def cache_contents(kinds: Iterable[str] = KINDS) -> dict[str, Contents]:
    """Find what the zoo has in the cache folder, by kind; links are not followed."""
    found = {}
    for kind in kinds:
        paths = list(paths_of(KINDS[kind]))
        found[kind] = Contents(paths, sum(map(size, paths)))
    return found


def paths_of(kind: CacheKind) -> Iterator[Path]:
    """Yield the paths of one kind, with abandoned temporary files beside them."""
    folder = cache_dir() / kind.folder
    if folder.is_symlink() or not folder.is_dir():
        return
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return
    for path in paths:
        named = re.fullmatch(kind.names, path.name) is not None
        left = kind is not KINDS[KEPT] and is_temporary(path.name) and is_abandoned(path)
        if (named or left) and not path.is_symlink() and (path.is_file() or path.is_dir()):
            yield path


def size(path: Path) -> int:
    """Return the size of a file or folder in bytes; 0 if it is gone."""
    try:
        return folder_size(path) if path.is_dir() else path.lstat().st_size
    except OSError:
        return 0


def clean(contents: Contents) -> tuple[Contents, list[str]]:
    """Delete what is in the cache; return what is deleted, and a message for each path that is in use."""
    done, problems = Contents(), []
    for path in contents.paths:
        taken = size(path)
        try:
            delete(path)
        except Timeout:
            problems.append(f"{path} is in use, so it is kept")
        except OSError as error:
            problems.append(f"cannot delete {path}: {error.strerror or error}")
        else:
            done.paths.append(path)
            done.bytes += taken
    return done, problems


def delete(path: Path) -> None:
    """Delete a file or folder; Timeout if another process has locked the folder."""
    if not path.is_dir():
        return path.unlink(missing_ok=True)
    with ExitStack() as stack:
        lock = path / "lock"
        if lock.is_file():
            stack.enter_context(FileLock(lock, timeout=0))
        for inner in path.iterdir():
            if inner != lock:
                shutil.rmtree(inner) if inner.is_dir() and not inner.is_symlink() else inner.unlink()
    return shutil.rmtree(path)
