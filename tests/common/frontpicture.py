"""The README's picture of the front, drawn from registry.yaml by `zoo front`: `nox -s written`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from zoo.cli import main
from zoo.registry.front import front_digest, front_points
from zoo.registry.layers import installed_registry

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "_static" / "front.png"
DATA = "CIFAR-10 (JPEG q75)"


def expected_digest() -> str:
    """The checksum of the points that the picture should show."""
    return front_digest(front_points(installed_registry()[0], DATA, "accuracy", higher=True))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as empty:  # without the user's registry and that of the working folder
        os.environ["ZOO_CONFIG"] = empty
        os.chdir(empty)
        raise SystemExit(main(["front", "--data", DATA, "--out", str(PICTURE)]))
