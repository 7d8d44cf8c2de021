"""Compare an exported file with the run it comes from, on the same inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo.core.errors import JobError
from zoo.data.dataset import Pictures
from zoo.exporting.formats import Runner
from zoo.exporting.programs import Classify, Program, Sample, run_model
from zoo.models.generator import Generator
from zoo.models.metrics import EVAL_BATCH

MAX_DIFFERENCE = 1e-4
"""Largest difference of an output in float32; of values above 1, relative to them."""
MAX_ACCURACY_CHANGE, MAX_INT8_LOSS = 5e-4, 5e-3
"""Largest change of the accuracy in float32, and largest loss in int8; one picture may always change."""
MAX_UNEQUAL = 0.01
"""Largest share of rows whose code words may differ: rounding decides between words that are equally near."""
SAMPLES = 250
"""Number of samples that are compared."""
Inputs = dict[str, Tensor]


@dataclass(frozen=True)
class Comparison:
    """How the outputs of an exported file differ from those of the run.

    Attributes:
        rows: Number of pictures, codes or samples that were compared.
        max_difference: Largest difference of an output, among rows with the same code words.
        unequal: Share of rows with other code words.
        accuracy: Accuracy of the file; None unless it is a classifier.
        run_accuracy: Accuracy of the run; None unless it is a classifier.
    """

    rows: int
    max_difference: float
    unequal: float = 0.0
    accuracy: float | None = None
    run_accuracy: float | None = None

    @property
    def loss(self) -> float:
        """By how much the accuracy of the file is lower than that of the run; 0 unless it is a classifier."""
        return 0.0 if self.accuracy is None or self.run_accuracy is None else self.run_accuracy - self.accuracy

    def check(self, name: str, int8: bool, hint: str = "nothing was written") -> None:
        """Raise JobError if the file differs too much from the run."""
        most = max(MAX_INT8_LOSS if int8 else MAX_ACCURACY_CHANGE, 1 / self.rows) + 1e-9
        far = not int8 and not (self.max_difference <= MAX_DIFFERENCE and self.unequal <= MAX_UNEQUAL)
        if far or (self.loss if int8 else abs(self.loss)) > most:
            raise JobError(f"{name} differs from the run: {self}", hint)

    def __str__(self) -> str:
        parts = [f"largest difference {self.max_difference:.1e}"]
        if self.unequal:
            parts.append(f"other code words in {self.unequal:.2%} of them")
        if self.accuracy is not None and self.run_accuracy is not None:
            parts.append(f"accuracy {self.accuracy:.4f}, of the run {self.run_accuracy:.4f}")
        return ", ".join(parts)


def compare(program: Program, run: Runner, pictures: Pictures, model: object) -> Comparison:
    """Compare a file with the run it comes from: on pictures, on their codes, or on samples for their classes."""
    difference, unequal, hits, run_hits, rows = 0.0, 0, 0, 0, 0
    for inputs, labels in inputs_of(program, pictures, model):
        ours, theirs = run_model(program, inputs), run(inputs)
        same = equal_rows(ours, theirs)
        difference = max(difference, largest_difference(ours, theirs, same))
        rows, unequal = rows + len(labels), unequal + int((~same).sum())
        hits += int((theirs[0].flatten(1).argmax(1) == labels).sum())
        run_hits += int((ours[0].flatten(1).argmax(1) == labels).sum())
    classifies = isinstance(program.module, Classify)
    shares = (hits / rows, run_hits / rows) if classifies else (None, None)
    return Comparison(rows, difference, unequal / rows, *shares)


def inputs_of(program: Program, pictures: Pictures, model: object) -> Iterator[tuple[Inputs, Tensor]]:
    """Yield inputs for a program in batches, with the labels of the pictures they come from."""
    nhwc, noise = pictures.nhwc, torch.Generator().manual_seed(0)
    for start in range(0, SAMPLES if isinstance(program.module, Sample) else len(pictures), EVAL_BATCH):
        x, y = nhwc[start : start + EVAL_BATCH], pictures.y[start : start + EVAL_BATCH]
        if not len(y):
            return
        if "pictures" in program.inputs:
            yield {"pictures": x}, y
            continue
        assert isinstance(model, Generator)
        with torch.inference_mode():
            if "code" in program.inputs:
                yield {"code": model.codes(x.permute(0, 3, 1, 2).float() / 255)}, y
                continue
            found = {"noise": torch.randn(len(y), model.prior.noise_size, generator=noise)}
            condition = class_or_no_text(model, y)
        yield found if condition is None else found | {"condition": condition}, y


def class_or_no_text(model: Generator, y: Tensor) -> Tensor | None:
    """Encode labels as conditions, or return those of no text for a model that reads captions."""
    return torch.zeros(len(y), model.text.size) if model.reads_captions else model.condition(y)


def equal_rows(ours: list[Tensor], theirs: list[Tensor]) -> Tensor:
    """Find the rows (N,) whose whole numbers, which are code words, are equal."""
    same = torch.ones(len(ours[0]), dtype=torch.bool)
    for one, other in zip(ours, theirs, strict=True):
        if not one.is_floating_point():
            same &= (one == other).flatten(1).all(1)
    return same


def largest_difference(ours: list[Tensor], theirs: list[Tensor], same: Tensor) -> float:
    """Compute the largest difference of floats in rows that are the `same`; infinite if one is not a number."""
    most = 0.0
    for one, other in zip(ours, theirs, strict=True):
        if one.is_floating_point() and same.any():
            apart = (one - other).abs() / one.abs().clamp(min=1)
            most = max(most, apart[same].nan_to_num(nan=torch.inf).max().item())
    return most
