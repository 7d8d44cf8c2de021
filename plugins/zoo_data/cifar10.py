"""CIFAR-10: 60,000 colour pictures of 32x32 pixels, ten classes (Krizhevsky 2009)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.core import DataError, DataInfo
from zoo_data.download import DownloadSpec, fetch

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.data import Loaded

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FOLDER = "cifar-10-batches-py"


class Cifar10Spec(DownloadSpec):
    """Options of CIFAR-10."""


def info(spec: Cifar10Spec) -> DataInfo:
    """Describe the data: 32x32 colour pictures, ten classes."""
    return DataInfo.of((3, 32, 32), CLASSES)


def load(spec: Cifar10Spec) -> Loaded:
    """Load the official 50,000 training and 10,000 test pictures."""
    from zoo.data import file_stamps, load_cached

    root = spec.folder()
    if not any(archive_files(root)):
        download(spec)
    return load_cached({"kind": "cifar10", "files": file_stamps(archive_files(root), root)}, lambda: read(root))


def archive_files(root: Path) -> list[Path]:
    """List the batch files of the unpacked archive; DataError if one is a link that leads nowhere or no file."""
    found = sorted((root / FOLDER).glob("*_batch*"))
    if odd := next((path for path in found if not path.is_file()), None):
        raise DataError(f"{odd} is not a regular file; delete {root / FOLDER} to download it again")
    return found


def download(spec: Cifar10Spec) -> None:
    """Let torchvision download, verify and unpack the archive."""
    from torchvision.datasets import CIFAR10

    fetch("CIFAR-10", spec, CIFAR10.url, lambda root: CIFAR10(root, download=True))


def read(root: Path) -> Loaded:
    """Read the batch files after torchvision has verified their checksums."""
    from torchvision.datasets import CIFAR10

    from zoo.data import Loaded, Pictures

    def read_split(train: bool) -> Pictures:
        try:
            found: Any = CIFAR10(root, train=train)
        except RuntimeError as error:
            raise DataError(f"{root / FOLDER} is damaged; delete it to download it again") from error
        return Pictures.of(found.data, found.targets)

    return Loaded(read_split(train=True), CLASSES, test=read_split(train=False))
