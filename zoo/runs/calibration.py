"""The calibration of a run: a temperature for the scores of its classifier, kept beside its weights."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zoo.core.errors import RunError
from zoo.core.files import write_json
from zoo.core.trust import load_json
from zoo.display.format import format_value

CALIBRATION = "calibration.json"
"""The file of a run folder."""
LARGEST = 1000.0
"""Largest temperature that is believed."""


@dataclass(frozen=True)
class Calibration:
    """A temperature that was fitted to the validation pictures of a run, and what it changes there.

    Attributes:
        temperature: What scores are divided by.
        weights_sha256: The weights that it belongs to.
        pictures: Number of validation pictures.
        loss_before: Cross-entropy in nats before.
        loss_after: Cross-entropy in nats after.
        error_before: Calibration error before; None without that metric.
        error_after: Calibration error after.
    """

    temperature: float
    weights_sha256: str
    pictures: int
    loss_before: float
    loss_after: float
    error_before: float | None = None
    error_after: float | None = None

    def __str__(self) -> str:
        """Say in one line what the calibration changes."""
        error = f"calibration error {format_value(self.error_before)} -> {format_value(self.error_after)}, "
        figures = (error if self.error_before is not None else "") + (
            f"loss {format_value(self.loss_before)} -> {format_value(self.loss_after)}"
        )
        return f"temperature {self.temperature:.4g} from {self.pictures:,} validation pictures: {figures}"

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return asdict(self)


def write_calibration(folder: Path, found: Calibration) -> Path:
    """Write a calibration into the folder of a run, and return its path."""
    write_json(folder / CALIBRATION, found.to_dict())
    return folder / CALIBRATION


def read_calibration(folders: Iterable[Path], weights: object) -> Calibration | None:
    """Read the calibration of weights from the first folder that has one; None if none has."""
    found = (load_calibration(folder / CALIBRATION) for folder in dict.fromkeys(folders))
    return next((each for each in found if each is not None and each.weights_sha256 == weights), None)


def load_calibration(path: Path) -> Calibration | None:
    """Load a calibration; None if there is none, RunError if the file is not what the zoo wrote."""
    try:
        about = load_json(path)
        found = Calibration(**about)
        figures = (found.temperature, found.loss_before, found.loss_after)
        known = (*figures, *(each for each in (found.error_before, found.error_after) if each is not None))
        if not all(type(value) in (int, float) and math.isfinite(value) and value >= 0 for value in known):
            raise ValueError("it has figures that are no numbers")
        if not 0 < found.temperature <= LARGEST or type(found.pictures) is not int:
            raise ValueError("it has a wrong temperature or number of pictures")
        if not isinstance(found.weights_sha256, str):
            raise TypeError("it names no weights")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, TypeError) as error:
        raise RunError(
            f"{path} is damaged: {str(error)[:120]}", "delete it, or repeat zoo evaluate --calibrate"
        ) from None
    return found
