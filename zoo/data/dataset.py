"""Pictures as uint8 tensors: what a data kind loads, how it is split, and where the decoded set is kept."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from zoo.dataspec import DataSpec
from zoo.errors import DataError, ResourceError
from zoo.files import atomic, cache_dir, digest
from zoo.kinds import DataInfo

CHUNK = 2048
"""Pictures that are counted at a time: all of a set at once would take another third of its memory."""
log = logging.getLogger("zoo")


@dataclass(frozen=True)
class Pictures:
    """Pictures with their labels; memory is laid out channels-last, so that a batch needs no transposition."""

    x: Tensor
    """uint8 (N, C, H, W)."""
    y: Tensor
    """int64 (N,)."""

    @classmethod
    def of(cls, nhwc: NDArray[Any] | Tensor, labels: Sequence[int] | NDArray[Any] | Tensor) -> Pictures:
        """From uint8 (N, H, W, C) or (N, H, W), as decoders give them, without a copy."""
        x = torch.as_tensor(nhwc)
        x = x.unsqueeze(-1) if x.ndim == 3 else x
        return cls(x.permute(0, 3, 1, 2), torch.as_tensor(labels, dtype=torch.int64))

    @property
    def nhwc(self) -> Tensor:
        """The pictures as contiguous uint8 (N, H, W, C); a copy only where another layout came in."""
        return self.x.permute(0, 2, 3, 1).contiguous()

    @property
    def floats(self) -> Tensor:
        """All of them, float32 (N, C, H, W) with values 0..1; a copy."""
        return (self.x.float() / 255).contiguous()

    def __len__(self) -> int:
        return len(self.x)

    def subset(self, rows: Tensor) -> Pictures:
        """A copy of the pictures at the given rows, int64 (M,)."""
        return Pictures(self.nhwc.index_select(0, rows).permute(0, 3, 1, 2), self.y.index_select(0, rows))

    def fingerprint(self) -> str:
        """The SHA-256 of pictures and labels: whether two sets are the same, whatever they were read from."""
        return checksum({"x": self.nhwc.cpu(), "y": self.y.cpu()})

    def to(self, device: torch.device | str) -> Pictures:
        """The same pictures on a device."""
        return Pictures(self.x.to(device), self.y.to(device))


@dataclass(frozen=True)
class Loaded:
    """What a data kind loads: the splits that the set itself has, and the files that could not be read."""

    train: Pictures
    classes: tuple[str, ...]
    test: Pictures | None = None
    valid: Pictures | None = None
    skipped: tuple[tuple[str, str], ...] = ()
    """Path and reason of each picture that was left out."""
    captions: tuple[tuple[str, ...], ...] = ()
    """Other words for each class; empty where there are none."""

    def parts(self) -> dict[str, Pictures]:
        """The splits that are there, by name."""
        named = {"train": self.train, "valid": self.valid, "test": self.test}
        return {name: part for name, part in named.items() if part is not None}


class Splits(NamedTuple):
    """Pictures to learn from, to choose by and to report; valid or test is empty where a share of 0 was asked for."""

    train: Pictures
    valid: Pictures
    test: Pictures
    info: DataInfo


def split(loaded: Loaded, spec: DataSpec) -> Splits:
    """Training, validation and test pictures, stratified by class and chosen by `split_seed`.

    Splits of the set's own are kept. The order comes from the raw 64-bit output of PCG64, which NumPy keeps
    unchanged, so that the same seed gives the same split everywhere. Raises DataError where a set cannot be used.
    """
    check(loaded)
    if spec.imbalance is not None:
        loaded = long_tailed(loaded, spec.imbalance, spec.split_seed)
    train, own = loaded.train, (loaded.test, loaded.valid)
    shares = [0.0 if part else share for part, share in zip(own, (spec.test, spec.valid), strict=True)]
    *kept, rest = deal(train.y.numpy(), shares, spec.split_seed)
    # Copies, so that nothing holds the memory-mapped cache, which would count twice from then on.
    test, valid = (
        train.subset(rows_of(rows)) if part is None else part.subset(torch.arange(len(part)))
        for part, rows in zip(own, kept, strict=True)
    )
    train = train.subset(rows_of(rest[: spec.limit]))
    require_all_classes(train, loaded.classes, "raise `limit`" if spec.limit else "add some, or remove the class")
    channels, height, width = train.x.shape[1:]
    info = DataInfo((channels, height, width), loaded.classes, *mean_std(train), loaded.captions)
    return Splits(train, valid, test, info)


def rows_of(rows: NDArray[np.int64]) -> Tensor:
    """Rows in the order of the file, which a memory-mapped set is read fastest in."""
    return torch.from_numpy(np.sort(rows))


def deal(y: NDArray[np.int64], shares: Sequence[float], seed: int) -> list[NDArray[np.int64]]:
    """Rows for each share and, last, the rest: of every class its part, drawn without replacement.

    Every prefix of the rest has the classes in their proportions. A class keeps one picture for training, and gives
    at least one to each share while it can.
    """
    keys = np.random.PCG64(seed).random_raw(len(y))
    piles: list[list[NDArray[np.int64]]] = [[] for _ in range(len(shares) + 1)]
    places: list[NDArray[np.float64]] = []
    for label in np.unique(y):
        members = np.flatnonzero(y == label)
        members = members[np.argsort(keys[members], kind="stable")]
        total = len(members)
        for pile, share in zip(piles, shares, strict=False):
            count = min(max(1, round(share * total)), len(members) - 1) if share else 0
            pile.append(members[:count])
            members = members[count:]
        piles[-1].append(members)
        places.append((np.arange(len(members)) + 0.5) / len(members))
    *dealt, rest = [np.concatenate(pile) for pile in piles]
    return [*dealt, rest[np.lexsort((keys[rest], np.concatenate(places)))]]


def long_tailed(loaded: Loaded, imbalance: float, seed: int) -> Loaded:
    """Of class k of K the share imbalance^(-k / (K - 1)), at least one picture if there is one, drawn by the seed."""
    last = len(loaded.classes) - 1

    def thinned(part: Pictures) -> Pictures:
        y, keys = part.y.numpy(), np.random.PCG64(seed).random_raw(len(part))
        kept = []
        for label in range(last + 1):
            members = np.flatnonzero(y == label)
            members = members[np.argsort(keys[members], kind="stable")]
            kept.append(members[: max(1, round(len(members) * imbalance ** (-label / last)))])
        return part.subset(rows_of(np.concatenate(kept)))

    parts = {name: thinned(part) for name, part in loaded.parts().items()}
    return Loaded(**parts, classes=loaded.classes, skipped=loaded.skipped, captions=loaded.captions)


def mean_std(pictures: Pictures) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel for values scaled to 0..1, exact because bytes are only counted."""
    nhwc, channels = pictures.nhwc, pictures.x.shape[1]
    counts = torch.zeros(channels, 256, dtype=torch.int64)
    for start in range(0, len(nhwc), CHUNK):
        for channel in range(channels):
            values = nhwc[start : start + CHUNK, ..., channel].reshape(-1)
            counts[channel] += torch.bincount(values, minlength=256).cpu()
    share, level = counts.double() / counts.sum(1, keepdim=True), torch.arange(256).double() / 255
    mean = (share * level).sum(1)
    std = (share * (level - mean[:, None]).square()).sum(1).sqrt()
    return tuple(mean.tolist()), tuple(std.tolist())


def check(loaded: Loaded) -> None:
    """Raise DataError with one line where the pictures cannot be trained on."""
    train, classes = loaded.train, loaded.classes
    for name, part in loaded.parts().items():
        check_part(name, part, len(classes))
        if part.x.shape[1:] != train.x.shape[1:]:
            raise DataError(f"train pictures are {size(train)}, {name} pictures {size(part)}; make them equal")
    if len(classes) < 2:
        raise DataError(f"all pictures are of one class, {classes[0]!r}; a classifier needs at least two classes")
    if len(loaded.captions) not in (0, len(classes)):
        raise DataError(f"captions for {len(loaded.captions)} of {len(classes)} classes; the data kind must give all")
    require_all_classes(train, classes, "add some, or remove the class")


def check_part(name: str, part: Pictures, classes: int) -> None:
    """Raise DataError where one split is empty or is not what a data kind must give."""
    if (
        part.x.dtype != torch.uint8
        or part.x.ndim != 4
        or part.y.dtype != torch.int64
        or part.y.shape != part.x.shape[:1]
    ):
        raise DataError(f"{name} pictures must be uint8 (N, C, H, W) with int64 labels (N,); the data kind gave others")
    if not len(part) or not part.x.numel():
        raise DataError(f"there are no {name} pictures; look at the path and at what it holds")
    low, high = int(part.y.min()), int(part.y.max())
    if low < 0 or high >= classes:
        wrong = low if low < 0 else high
        raise DataError(f"{name} has a picture with label {wrong}, but there are {classes} class names; correct either")


def require_all_classes(train: Pictures, classes: tuple[str, ...], advice: str) -> None:
    """Raise DataError where a class has no training picture."""
    counts = torch.bincount(train.y, minlength=len(classes))
    if missing := [name for name, count in zip(classes, counts.tolist(), strict=True) if not count]:
        names = ", ".join(map(repr, missing[:5])) + (", ..." if len(missing) > 5 else "")
        raise DataError(f"no training picture of class {names}; {advice}")


def size(pictures: Pictures) -> str:
    """Channels, height and width as people write them: 3x32x32."""
    return "x".join(str(side) for side in pictures.x.shape[1:])


def stamps(files: Iterable[Path], root: Path | None = None) -> list[tuple[str, int, int]]:
    """Name, size in bytes and time of change of each file, for a cache key; with a root, names are relative to it."""
    found = []
    for path in files:
        stat = path.stat()
        found.append((path.relative_to(root).as_posix() if root else path.name, stat.st_size, stat.st_mtime_ns))
    return found


def cached(key: dict[str, Any], make: Callable[[], Loaded]) -> Loaded:
    """What `make` gives, kept decoded in the cache folder and memory-mapped from there.

    The key holds all that the result depends on. A damaged file is made anew; a folder that cannot be written to
    only costs the decoding next time.
    """
    path = cache_dir() / "data" / f"{digest({'layout': 1, **key})}.safetensors"
    if (kept := load_cache(path)) is not None:
        return kept
    made = make()
    try:
        save_cache(path, made)
    except (OSError, ResourceError, SafetensorError) as error:
        log.warning("decoded pictures are not kept: %s", error)
        return made
    return load_cache(path) or made


def save_cache(path: Path, loaded: Loaded) -> None:
    """Write the splits as safetensors, with names, skipped files and a checksum as JSON metadata."""
    tensors: dict[str, Tensor] = {}
    for name, part in loaded.parts().items():
        tensors |= {f"{name}.x": part.nhwc, f"{name}.y": part.y.contiguous()}
    about = {"classes": loaded.classes, "skipped": loaded.skipped, "sha256": checksum(tensors)}
    about |= {"captions": loaded.captions} if loaded.captions else {}
    with atomic(path) as temporary:
        save_file(tensors, temporary, metadata={"zoo": json.dumps(about)})


def load_cache(path: Path) -> Loaded | None:
    """The splits of a cache file, memory-mapped; None where there is no whole one."""
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


def checksum(tensors: dict[str, Tensor]) -> str:
    """SHA-256 over names, shapes and content."""
    total = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        total.update(f"{name} {tuple(value.shape)} ".encode())
        total.update(value.numpy().data)
    return total.hexdigest()
