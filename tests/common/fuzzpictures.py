"""Sets of pictures that are fuzzed: folders, Parquet, IDX, CIFAR batches, cached ones, and single files."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import math
import pickle
import shutil
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from fuzzrun import ANY, REFUSED, Answer, Call, answer, inside
from PIL import Image

from zoo.registry.build import build_data
from zoo.registry.listing import load_entry

COUNT = 24
FORMATS = ("png", "jpg", "bmp", "bmp", "tiff", "ppm", "pgm", "png", "png", "png", "jpg", "png")
Pixels = list[tuple[str, str]]
"""Class and checksum of the pixels of each picture, sorted."""


def picture_targets(home: Path, target: Callable[..., Any]) -> list[Any]:
    """Write the sets, and say how they are read."""
    for name in ("folder", "parquet", "captions", "idx", "idx-gz", "cifar", "cached", "picture"):
        (home / name).mkdir()
    chance = np.random.default_rng(1)
    pixels = chance.integers(0, 256, (COUNT, 8, 8), np.uint8)
    files = write_folder(home / "folder", pixels)
    write_parquet(home / "parquet", pixels)
    write_idx(home / "idx", chance, "")
    write_idx(home / "idx-gz", chance, ".gz")
    batches = write_cifar(home / "cifar", chance)
    write_folder(home / "set", pixels[:8])
    pictures = ("p.png", "q.jpg", "r.webp", "s.jp2", "t.tiff", "u.gif", "v.bmp", "w.avif")
    for name in pictures:
        Image.fromarray(pixels[1]).convert("RGB").save(home / "picture" / name)
    still = load_set("folder", home / "set")
    with inside(home / "cached", home / "cached" / "cache"):
        still()
    kept = tuple(str(path.relative_to(home / "cached")) for path in (home / "cached" / "cache").rglob("*.safetensors"))
    run = str(home / "run" / "r")
    idx = tuple(path.name for path in sorted((home / "idx").iterdir()))
    idx_gz = tuple(path.name for path in sorted((home / "idx-gz").iterdir()))
    return [
        target("folder", home / "folder", files, lambda at: load_set("folder", at), result, folder_reference),
        target("parquet", home / "parquet", ("train.parquet",), parquet_call, result, parquet_reference),
        target("idx", home / "idx", idx, idx_call, result, idx_reference),
        target("idx", home / "idx-gz", idx_gz, idx_call, result, idx_reference),
        target("cifar", home / "cifar", batches, lambda at: load_set("cifar10", at, root=True), result),
        target("cached", home / "cached", kept, lambda _: still, result, cached=True),
        target(
            "picture",
            home / "picture",
            pictures,
            lambda _: ["predict", run, ".", "--json"],
            predicted,
            lambda at: picture_reference(run, at),
        ),
    ]


def load_set(kind: str, path: Path, *options: str, root: bool = False) -> Callable[[], Pixels]:
    """A call that loads a set whole; all pictures are training pictures."""
    words = [f"data.kind={kind}", f"data.{'root' if root else 'path'}={json.dumps(str(path))}", *options]
    words += ["data.download=false"] if root else ["data.valid=0", "data.test=0"]

    def load() -> Pixels:
        splits, _ = build_data(load_entry("cnn", words).data)
        found = []
        for part in (splits.train, splits.valid, splits.test):
            for x, y in zip(part.nhwc, part.y.tolist(), strict=True):
                found.append((splits.info.classes[y], sha(x.numpy())))
        return sorted(found)

    return load


def result(found: Answer) -> Any:
    """What a call loaded, unless it is said that something was left out."""
    said = ("not readable", "left out", "all training pictures are equal", "resized from", "levels")
    return ANY if any(text in found.err for text in said) else found.result


def sha(pixels: np.ndarray[Any, Any]) -> str:
    """A checksum of pixels, of pictures of one channel without that axis."""
    return hashlib.sha256(np.ascontiguousarray(pixels).squeeze().tobytes()).hexdigest()[:16]


def predicted(found: Answer) -> Any:
    """Predictions of all pictures, unless one was skipped or is said to have another size."""
    about = json.loads(found.out)
    return ANY if about["skipped"] or "note" in found.err else about["predictions"]


def picture_reference(run: str, place: Path) -> Any:
    """Predictions for what Pillow reads of each file; ANY for one that is unreadable or of another size or mode."""
    plain = place / "plain"
    plain.mkdir()
    known = []
    for path in sorted(place.iterdir()):
        with suppress(Exception):  # decoders raise any
            if path.is_file():
                with Image.open(path) as image:
                    if image.size == (8, 8) and image.mode == "RGB" and not image.getexif():
                        image.save(plain / f"{path.name}.png")
                        known.append(path.name)
    found = json.loads(answer(["predict", run, str(plain), "--json"]).out)["predictions"] if known else []
    shutil.rmtree(plain)
    by_name = {name: each | {"path": name} for name, each in zip(known, found, strict=True)}
    return [by_name.get(path.name, ANY) for path in sorted(place.iterdir()) if not path.is_dir()]


def write_folder(folder: Path, pixels: np.ndarray[Any, Any]) -> tuple[str, ...]:
    """Write pictures in two class folders, in many formats."""
    names = []
    for index, each in enumerate(pixels):
        name = f"{'ab'[index % 2]}/{index}.{FORMATS[index % len(FORMATS)]}"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(each).save(folder / name)
        names.append(name)
    return tuple(names)


def folder_reference(place: Path) -> Any:
    """Class and pixels of each file as Pillow reads it; ANY if one is unreadable or of another size or mode."""
    found = []
    for path in sorted(place.glob("[ab]/*")):
        try:
            if not path.is_file():
                return ANY
            with Image.open(path) as image:
                if image.mode != "L" or image.size != (8, 8) or image.getexif():
                    return ANY
                found.append((path.parent.name, sha(np.asarray(image))))
        except Exception:  # decoders raise any
            return ANY
    return sorted(found)


def write_parquet(folder: Path, pixels: np.ndarray[Any, Any]) -> None:
    """Write pictures as bytes with labels and a caption."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = {"image": [encoded(each) for each in pixels], "label": ["a", "b"] * (COUNT // 2), "note": ["é"] * COUNT}
    pq.write_table(pa.table(rows), folder / "train.parquet", compression="none")


def encoded(pixels: np.ndarray[Any, Any]) -> bytes:
    """A picture as the bytes of a PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def parquet_call(place: Path) -> Call:
    """Load the Parquet file."""
    return load_set("parquet", place / "train.parquet")


def parquet_reference(place: Path) -> Any:
    """The same as PyArrow and Pillow read it; ANY if they do not."""
    import pyarrow.parquet as pq

    found = []
    try:
        if not (place / "train.parquet").is_file():
            return REFUSED
        table = pq.ParquetFile(place / "train.parquet").read()
        for row in table.to_pylist():
            with Image.open(io.BytesIO(row["image"])) as image:
                if image.mode != "L" or image.size != (8, 8) or image.getexif():
                    return ANY
                found.append((str(row["label"]), sha(np.asarray(image))))
    except Exception:  # of damaged files
        return ANY
    return sorted(found)


def write_idx(folder: Path, chance: np.random.Generator, end: str) -> None:
    """Write four IDX files: 20 training and 10 test pictures of 28x28."""
    for part, count in (("train", 20), ("t10k", 10)):
        images = chance.integers(0, 256, (count, 28, 28), np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 10
        for name, values in (("images-idx3", images), ("labels-idx1", labels)):
            head = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">i4").tobytes()
            content = head + values.tobytes()
            path = folder / f"{part}-{name}-ubyte{end}"
            path.write_bytes(gzip.compress(content, mtime=0) if end else content)


def idx_call(place: Path) -> Call:
    """Load the four IDX files."""
    return load_set("fashion-mnist", place, root=True)


def idx_reference(place: Path) -> Any:
    """Class and pixels of each picture by the definition of the format; REFUSED if a file does not follow it."""
    from zoo_data.fashion_mnist import CLASSES

    found = []
    try:
        for part in ("train", "t10k"):
            images, labels = (
                read_idx(first(place, f"{part}-{kind}*")) for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
            )
            if images.shape != (len(labels), 28, 28) or labels.ndim != 1:
                return REFUSED
            found += [(CLASSES[int(y)], sha(x)) for x, y in zip(images, labels, strict=True)]
    except (OSError, EOFError, ValueError, LookupError, zlib.error):
        return REFUSED
    return sorted(found)


def first(folder: Path, pattern: str) -> Path:
    """The file whose name begins so."""
    return next(folder.glob(pattern), folder / "none")


def read_idx(path: Path) -> np.ndarray[Any, Any]:
    """Read an IDX file of bytes strictly."""
    if not path.is_file():
        raise OSError
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    zero, kind, rank = int.from_bytes(content[:2], "big"), content[2], content[3]
    shape = [int.from_bytes(content[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(rank)]
    values = content[4 + 4 * rank :]
    if zero or kind != 8 or len(values) != math.prod(shape):
        raise ValueError
    return np.frombuffer(values, np.uint8).reshape(shape)


def write_cifar(folder: Path, chance: np.random.Generator) -> tuple[str, ...]:
    """Write batches as in CIFAR-10, and let torchvision expect their checksums."""
    from torchvision.datasets import CIFAR10

    root = folder / CIFAR10.base_folder
    root.mkdir()
    sums = {}
    for index, name in enumerate([name for name, _ in CIFAR10.train_list + CIFAR10.test_list]):
        about = {"data": chance.integers(0, 256, (10, 3072), np.uint8), "labels": list(range(10)), "index": index}
        (root / name).write_bytes(pickle.dumps(about, protocol=2))
        sums[name] = hashlib.md5((root / name).read_bytes(), usedforsecurity=False).hexdigest()
    (root / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}, protocol=2))
    sums["batches.meta"] = hashlib.md5((root / "batches.meta").read_bytes(), usedforsecurity=False).hexdigest()
    CIFAR_SUMS.update(sums)
    return tuple(f"{CIFAR10.base_folder}/{name}" for name in sums)


CIFAR_SUMS: dict[str, str] = {}
"""MD5 of each written batch."""


def expect_written_batches(patch: Any) -> None:
    """Let torchvision take the written batches for the real ones."""
    from torchvision.datasets import CIFAR10

    for name in ("train_list", "test_list"):
        patch.setattr(CIFAR10, name, [[file, CIFAR_SUMS[file]] for file, _ in getattr(CIFAR10, name)])
    patch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": CIFAR_SUMS["batches.meta"]})
