"""Trace a program with torch.export."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.export import Dim, ExportedProgram

from zoo.core.errors import ZooError, one_line
from zoo.exporting.programs import Program

HINT = "other parts may work, see --part"


def trace(program: Program) -> ExportedProgram:
    """Trace a program with inputs of any size along its free axes; ZooError if that fails."""
    shapes = {name: dict.fromkeys(axes, Dim.DYNAMIC) for name, axes in program.free.items()}
    with quiet(), cannot_export(program):
        return torch.export.export(
            program.module.eval(), tuple(program.inputs.values()), dynamic_shapes=shapes, strict=False
        )


@contextmanager
def cannot_export(program: Program) -> Iterator[None]:
    """Turn any exception of PyTorch's exporters into a ZooError of one line."""
    try:
        yield
    except ZooError:
        raise
    except Exception as error:  # exporters raise whatever they meet
        reason = first_sentence(error)
        text = f"the {program.name} cannot be exported: {type(error).__name__}: {reason}"
        raise ZooError(text, HINT if program.name != "model" else "") from error


def first_sentence(error: Exception) -> str:
    """Return the first line of an error that says something, at most 200 characters."""
    lines = [one_line(line) for line in str(error).splitlines()]
    return next((line for line in lines if len(line) > 10), one_line(str(error)))[:200]


@contextmanager
def quiet() -> Iterator[None]:
    """Hide the warnings and the log lines of PyTorch's exporters, which say nothing to those who export."""
    noisy = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in noisy]
    for logger in noisy:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(noisy, levels, strict=True):
            logger.setLevel(level)
