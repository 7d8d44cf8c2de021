"""Fashion-MNIST: 70,000 grey pictures of clothing, 28x28 pixels, ten classes (Xiao et al. 2017, arXiv:1708.07747)."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.core import DataError, DataInfo
from zoo_data.download import DownloadSpec, fetch

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.data import Loaded, Pictures

CLASSES = ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
FOLDERS = (".", "fashion-mnist", "FashionMNIST/raw")
PARTS = {"train": "train", "test": "t10k"}
MAX_BYTES = 64_000_000
"""More than any of the files has when it is unpacked."""
IDX_OF_BYTES = b"\0\0\x08"
"""How an IDX file of unsigned bytes begins, before its rank."""
KINDS = ("images-idx3-ubyte", "labels-idx1-ubyte")


class FashionMNISTSpec(DownloadSpec):
    """Options of Fashion-MNIST; `root` may be the folder that Debian's package dataset-fashion-mnist installs."""


def info(spec: FashionMNISTSpec) -> DataInfo:
    """Describe the data: 28x28 grey pictures, ten classes."""
    return DataInfo.of((1, 28, 28), CLASSES)


def load(spec: FashionMNISTSpec) -> Loaded:
    """Load the official 60,000 training and 10,000 test pictures."""
    from zoo.data import file_stamps, load_cached

    root = spec.folder()
    paths = find_files(root) or download(spec)
    return load_cached({"kind": "fashion-mnist", "files": file_stamps(paths.values(), root)}, lambda: read(paths))


def find_files(root: Path) -> dict[str, Path]:
    """Find the four files by name, compressed or not; empty if any is missing."""
    names = [f"{part}-{kind}" for part in PARTS.values() for kind in KINDS]
    for folder in FOLDERS:
        found = {
            name: path for name in names for end in (".gz", "") if (path := root / folder / f"{name}{end}").is_file()
        }
        if len(found) == len(names):
            return found
    return {}


def download(spec: FashionMNISTSpec) -> dict[str, Path]:
    """Let torchvision download and verify the files."""
    from torchvision.datasets import FashionMNIST

    files = f"the four files *-ubyte.gz of {FashionMNIST.mirrors[0]} (Debian: package dataset-fashion-mnist)"
    fetch("Fashion-MNIST", spec, files, lambda root: FashionMNIST(root, download=True))
    return find_files(spec.folder())


def read(paths: dict[str, Path]) -> Loaded:
    """Read the training and test pictures."""
    from zoo.data import Loaded, Pictures

    def read_split(name: str) -> Pictures:
        images, labels = (read_idx(paths[f"{PARTS[name]}-{kind}"]) for kind in KINDS)
        if images.shape != (len(labels), 28, 28) or labels.ndim != 1:
            shapes = f"{tuple(images.shape)} and {tuple(labels.shape)}"
            raise DataError(f"the {name} pictures and labels are of shape {shapes}; download the files again")
        return Pictures.of(images, labels)

    return Loaded(read_split("train"), CLASSES, test=read_split("test"))


def read_idx(path: Path) -> Tensor:
    """Read an IDX file of bytes as a tensor."""
    import numpy as np
    import torch

    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
        if content[:3] != IDX_OF_BYTES:
            raise ValueError("it does not begin as an IDX file of bytes")
        rank = content[3]  # the magic number ends in the rank; then come the sizes, then the values
        shape = np.frombuffer(content, ">u4", rank, offset=4)
        values = np.frombuffer(content, np.uint8, offset=4 + 4 * rank).reshape([int(size) for size in shape])
    except (OSError, EOFError, zlib.error, IndexError, ValueError) as error:
        raise DataError(f"{path} is damaged ({' '.join(str(error).split())}); download it again") from error
    return torch.from_numpy(values.copy())
