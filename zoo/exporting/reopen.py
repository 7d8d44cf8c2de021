"""Compare an ONNX file that was exported earlier, perhaps elsewhere, with a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.core.errors import RunError, ZooError, one_line
from zoo.core.notes import note
from zoo.core.version import __version__
from zoo.exporting.formats import open_onnx
from zoo.exporting.programs import Program
from zoo.runs.run import Run

NAMES = ("zoo", "entry", "entry_hash", "weights_sha256", "part", "inputs", "outputs", "precision")
"""What the metadata of an exported file has, and a comparison needs."""


def open_exported(path: Path) -> tuple[Any, dict[str, str]]:
    """Open an ONNX file and return the session with its metadata; ZooError if the zoo has not exported it."""
    if path.suffix != ".onnx":
        hint = "PyTorch unpickles parts of pt2 files; export the run again to compare it"
        raise ZooError(f"{path} cannot be compared: only .onnx files are read", hint)
    session = open_onnx(path)
    about = {str(key): str(value) for key, value in session.get_modelmeta().custom_metadata_map.items()}
    if missing := [name for name in NAMES if name not in about]:
        raise ZooError(f"{path} was not exported by the zoo: its metadata have no {missing[0]!r}", "export a run")
    return session, about


def check_origin(path: Path, about: Mapping[str, str], run: Run, weights: str) -> None:
    """Raise ZooError if a file was exported from another run; note another version of the zoo."""
    if about["entry_hash"] != run.entry.hash():
        theirs, ours = (f"{name[:60]} {of[:8]}" for name, of in ((about["entry"], about["entry_hash"]), of_run(run)))
        raise ZooError(f"{path} was exported from a run of the entry {theirs}, not {ours}", "name that run")
    if about["weights_sha256"] != weights:
        text = f"{path} has the weights {about['weights_sha256'][:12]}, and {run.label} has {weights[:12]}"
        raise ZooError(text, "name the run it was exported from, or export it again")
    if about["zoo"] != __version__:
        note(f"{path} was exported by pixel-zoo {about['zoo'][:20]}; this is {__version__}")


def of_run(run: Run) -> tuple[str, str]:
    """Return name and hash of a run's entry."""
    return run.entry.name, run.entry.hash()


def check_interface(path: Path, about: Mapping[str, str], session: Any, program: Program) -> None:
    """Raise RunError unless a file takes and returns what the program of its part does."""
    taken, given = ([each.name for each in part] for part in (session.get_inputs(), session.get_outputs()))
    if taken != list(program.inputs) or given != list(program.outputs):
        text = f"{path} is damaged: it maps {', '.join(taken)[:80]} to {', '.join(given)[:80]}"
        raise RunError(
            text, f"a {about['part'][:20]} maps {json.dumps(list(program.inputs))} to {list(program.outputs)}"
        )


def failure(path: Path, error: Exception) -> RunError:
    """Make the error of a file that onnxruntime cannot run on the inputs of its part."""
    return RunError(f"{path} cannot be run: {one_line(str(error))[:200]}", "export the run again")
