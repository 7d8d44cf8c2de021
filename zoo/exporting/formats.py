"""The file formats of exports: ONNX, which onnxruntime runs, and pt2, which PyTorch runs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, MutableMapping
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.export import ExportedProgram

from zoo.core.errors import MissingError, RunError, ZooError, did_you_mean, one_line
from zoo.core.trust import read_bytes
from zoo.exporting.programs import Program
from zoo.exporting.tracing import cannot_export, quiet

Format = Literal["onnx", "pt2"]
Runner = Callable[[Mapping[str, Tensor]], list[Tensor]]
"""Runs an exported file on inputs by name, and returns its outputs."""
INSTALL = 'pip install "pixel-zoo[export]"'
NOTES = "zoo.json"
"""Name of the file with the metadata inside a pt2 file."""
MAX_FILE = 2**31
"""Largest ONNX file in bytes, which is the limit of the format."""
MAX_OPTIMISED = 1500
"""Most operations of a program that is optimised while it is written."""
REQUIRED = ("onnx", "onnxscript", "onnxruntime")


def check_format(name: str) -> Format:
    """Return a format by its name; ZooError if it is unknown, MissingError if its packages are not installed."""
    if name not in get_args(Format):
        raise ZooError(f"unknown format {name[:80]!r}", did_you_mean(name, get_args(Format)))
    for package in REQUIRED if name == "onnx" else ():
        load_package(package)
    return "onnx" if name == "onnx" else "pt2"


def load_package(name: str) -> Any:
    """Import a package of the extra `export`; MissingError without it."""
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingError(f"ONNX files need {error.name or name}", INSTALL) from error


def format_versions(name: Format) -> dict[str, str]:
    """Return the versions of the packages that write a format."""
    packages = ("torch", "onnx", "onnxscript") if name == "onnx" else ("torch",)
    return {package: version(package) for package in packages}


def write_onnx(program: Program, traced: ExportedProgram, path: Path, about: Mapping[str, str]) -> None:
    """Write a program with its metadata as ONNX; ZooError if an operation has no form there."""
    with quiet(), cannot_export(program):
        found: Any = torch.onnx.export(
            traced,
            dynamo=True,
            verbose=False,
            # onnxruntime optimises too; for an unrolled sampler of thousands of operations this takes minutes.
            optimize=len(traced.graph.nodes) <= MAX_OPTIMISED,
            input_names=list(program.inputs),
            output_names=list(program.outputs),
        )
        for node in found.model.graph.all_nodes():
            forget(node.metadata_props)
        for value in (*found.model.graph.inputs, *found.model.graph.outputs, *found.model.graph.initializers.values()):
            forget(value.metadata_props)
        found.model.metadata_props.update(about)
        found.model.producer_name, found.model.producer_version = "pixel-zoo", about["zoo"]
        found.save(path)


def forget(notes: MutableMapping[str, str]) -> None:
    """Remove the exporter's notes about an operation, which hold file names of this machine."""
    notes.clear()


def write_pt2(program: Program, traced: ExportedProgram, path: Path, about: Mapping[str, str]) -> None:
    """Write a program with its metadata for `torch.export.load`."""
    with quiet(), cannot_export(program):
        for node in traced.graph.nodes:
            node.meta.pop("stack_trace", None)
        torch.export.save(traced, path, extra_files={NOTES: json.dumps(dict(about))})


WRITERS = {"onnx": write_onnx, "pt2": write_pt2}


def open_file(path: Path, threads: int = 0) -> Runner:
    """Open a file that this process has written, by its suffix; `threads` 0 leaves the choice to the runtime."""
    return open_pt2(path) if path.suffix == ".pt2" else run_session(open_onnx(path, threads))


def open_pt2(path: Path) -> Runner:
    """Load a pt2 file that this process has written; others are never loaded, since PyTorch unpickles parts of them."""
    with quiet():
        return run_traced(torch.export.load(path))


def run_traced(traced: ExportedProgram) -> Runner:
    """Return a function that runs a traced program."""
    module = traced.module()

    def run(inputs: Mapping[str, Tensor]) -> list[Tensor]:
        with torch.inference_mode():
            found: Any = module(*inputs.values())
        return [found] if isinstance(found, Tensor) else list(found)

    return run


def open_onnx(path: Path, threads: int = 0) -> Any:
    """Open an ONNX file in onnxruntime; RunError if it is damaged or of a newer version."""
    runtime = load_package("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # what goes wrong is raised
    try:
        # Read here, the file cannot refer to others beside it.
        content = read_bytes(path, MAX_FILE)
        return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except OSError as error:
        raise ZooError(f"{path} cannot be read: {error.strerror or error}", "name an exported file") from None
    except ValueError as error:
        raise RunError(f"{path} is not an exported file: {one_line(str(error))[:200]}") from None
    except Exception as error:  # onnxruntime has a class of its own for each fault
        text = f"{path} cannot be run by onnxruntime {runtime.__version__}: {reason_of(error)}"
        raise RunError(text, "export it again, or upgrade onnxruntime") from None


def run_session(session: Any) -> Runner:
    """Return a function that runs a session of onnxruntime."""

    def run(inputs: Mapping[str, Tensor]) -> list[Tensor]:
        found = session.run(None, {name: value.contiguous().numpy() for name, value in inputs.items()})
        return [torch.from_numpy(each) for each in found]

    return run


def reason_of(error: Exception) -> str:
    """Return what an error of onnxruntime says, without its code and the place in its source."""
    text = one_line(str(error))
    known = re.search(r"(Unsupported model IR version|ONNX Runtime only|No Op registered|protobuf parsing).*", text)
    return (known[0] if known else text.rpartition(" : ")[2])[:200]
