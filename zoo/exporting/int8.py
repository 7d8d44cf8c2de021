"""Quantise an ONNX file to int8, with ranges measured on training pictures."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from zoo.data.dataset import Pictures
from zoo.exporting.formats import load_package
from zoo.exporting.tracing import quiet

CALIBRATION, BATCH = 512, 64
"""Number of training pictures on which the ranges of activations are measured, and how many at a time."""
PRODUCTS = ("Conv", "Gemm", "MatMul")
"""Operations that are computed in int8."""


class Calibration:
    """Training pictures for onnxruntime's calibration, in batches; the same ones each time."""

    def __init__(self, pictures: Pictures) -> None:
        chosen = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(0))[:CALIBRATION]
        self.batches = iter(torch.split(pictures.nhwc[chosen], BATCH))

    def get_next(self) -> dict[str, Any] | None:
        """Return the next batch, or None after the last."""
        batch = next(self.batches, None)
        return None if batch is None else {"pictures": batch.numpy()}


def quantise(source: Path, target: Path, pictures: Pictures) -> None:
    """Write an int8 copy of an ONNX file of a classifier, which keeps its metadata."""
    quantization = load_package("onnxruntime.quantization")
    with quiet(), quiet_root():
        quantization.quantize_static(
            str(source),
            str(target),
            Calibration(pictures),
            op_types_to_quantize=list(PRODUCTS),
            nodes_to_exclude=products_without_weights(source),
            per_channel=True,
            # Older processors add two products in 16 bits, which would overflow with 8 bits of weights.
            reduce_range=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
    relabel(target)


def relabel(path: Path) -> None:
    """Say in the metadata of an ONNX file that it computes in int8."""
    onnx = load_package("onnx")
    model = onnx.load(path)
    about = {each.key: each.value for each in model.metadata_props} | {"precision": "int8"}
    onnx.helper.set_model_props(model, about)
    onnx.save(model, path)


def products_without_weights(path: Path) -> list[str]:
    """Name the products of an ONNX file that have no stored weights, such as those that resize pictures."""
    graph = load_package("onnx").load(path).graph
    stored = {each.name for each in graph.initializer}
    return [node.name for node in graph.node if node.op_type in PRODUCTS and not stored.intersection(node.input)]


@contextmanager
def quiet_root() -> Iterator[None]:
    """Hide the advice that onnxruntime's quantisation logs to the root logger."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
