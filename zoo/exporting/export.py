"""Export the trained model of a run, and check the files before they are put in place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from zoo.core.errors import ResourceError, ZooError
from zoo.core.files import atomic_write, expand_user, sha256
from zoo.core.notes import Tell, ignore
from zoo.core.temporary import scratch
from zoo.core.trust import refuse_link
from zoo.core.types import DataInfo
from zoo.core.version import __version__
from zoo.data.dataset import Pictures, Splits
from zoo.exporting.comparison import Comparison, compare
from zoo.exporting.formats import WRITERS, Format, check_format, format_versions, open_file, run_session
from zoo.exporting.int8 import quantise
from zoo.exporting.programs import Program, Sample, programs_of_run
from zoo.exporting.tracing import trace
from zoo.models.base import Classifier, Model
from zoo.models.text import accepted_texts
from zoo.registry.blame import model_errors
from zoo.runs.find import load
from zoo.runs.inputs import check_pictures, run_overrides
from zoo.runs.run import Run

FOLDER = "exports"
"""The folder of a run for its exported files."""
INT8 = "int8"


@dataclass(frozen=True)
class ExportedFile:
    """An exported file, and how it differs from the run.

    Attributes:
        path: Where the file is.
        part: "model" for a classifier; "encoder", "decoder" or "sampler" for a generator.
        precision: "float32" or "int8".
        bytes: Size of the file.
        sha256: SHA-256 of the file.
        comparison: Differences between its outputs and those of the run on the test split.
    """

    path: Path
    part: str
    precision: str
    bytes: int
    sha256: str
    comparison: Comparison


@dataclass(frozen=True)
class Export:
    """Result of `export`: the files that were written.

    Attributes:
        run: Folder of the run, or the name of shipped weights.
        entry: Name of its entry.
        format: "onnx" or "pt2".
        files: The files, in the order in which they were written.
    """

    run: str
    entry: str
    format: Format
    files: tuple[ExportedFile, ...]

    def __repr__(self) -> str:
        """Describe the export in one line."""
        return f"<Export of {self.run}: {', '.join(str(file.path) for file in self.files)}>"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that `zoo export --json` prints."""
        found = asdict(self)
        files = [row | {"path": str(row["path"])} | row["comparison"] for row in found["files"]]
        for row in files:
            del row["comparison"]
        return found | {"files": files}


def export(
    run: Run | str | Path,
    format: str = "onnx",  # noqa: A002 - the name of the option
    *,
    int8: bool = False,
    parts: Sequence[str] = (),
    out: str | Path | None = None,
    data: str | Path | None = None,
    check: str | Path | None = None,
    tell: Tell = ignore,
) -> Export:
    """Export a trained model as files that run without the zoo.

    A file takes uint8 pictures (N, H, W, C) of any size and number, resizes and standardises them as the zoo does, and
    returns probabilities. A generator becomes an encoder, a decoder and a sampler. Each file is run on the test
    split and compared with the run before it is put in place.

    Args:
        run: A run that is open, its folder, a name below `runs`, an entry or a study.
        format: "onnx", or "pt2" for `torch.export.load`.
        int8: Whether to write a second file of a classifier that computes in int8, calibrated on training pictures.
        parts: The parts of a generator: "encoder", "decoder" and "sampler"; by default all.
        out: A folder, or for a classifier also a file; by default the folder `exports` of the run.
        data: Other data on which to compare; by default those of the run.
        check: An ONNX file that was exported earlier: it is compared with the run, and nothing is written.
        tell: Called with a message before each slow step.

    Returns:
        The files, with their sizes and differences from the run.

    Raises:
        ZooError: If the model cannot be exported, or an option does not apply to it.
        MissingError: If the packages of the extra `export` are not installed.
        JobError: If a file differs too much from the run; nothing is written then.

    Example:
        >>> import zoo
        >>> zoo.export("cnn").files[0].comparison.max_difference  # doctest: +SKIP
        2.4e-07
    """
    kind, opened = check_format(format), load(run, data)
    if check is not None:
        return check_again(opened, expand_user(check), data)
    model = opened.calibrated(opened.model("cpu"))
    check_int8(int8, kind, model, opened)
    programs = programs_of_run(opened, model, parts)
    targets = {program.name: target_of(opened, out, program, kind) for program in programs}
    for target in targets.values():
        refuse_link(target.parent)
    found: list[ExportedFile] = []
    with scratch("export") as folder:
        made = [(program, write(opened, program, kind, folder, tell)) for program in programs]
        splits = load_splits(opened, data)
        for program, path in made:
            paths = [(path, "float32")]
            if int8:
                tell("measuring the ranges of int8")
                paths.append((path.with_name(f"{path.stem}-{INT8}{path.suffix}"), INT8))
                quantise(path, paths[1][0], splits.train)
            for each, precision in paths:
                comparison = check_file(opened, program, each, splits.test, model, precision == INT8)
                size, checksum = each.stat().st_size, sha256(each)
                found.append(ExportedFile(each, program.name, precision, size, checksum, comparison))
        placed = [put_in_place(file, targets[file.part]) for file in found]
    return Export(opened.label, opened.entry.name, kind, tuple(placed))


def check_again(run: Run, path: Path, data: str | Path | None) -> Export:
    """Compare an ONNX file that was exported earlier with its run."""
    from zoo.exporting.reopen import check_interface, check_origin, failure, open_exported

    session, about = open_exported(path)
    check_origin(path, about, run, weights_of(run))
    model = run.calibrated(run.model("cpu"))
    parts = [] if about["part"] == "model" else [about["part"]]
    (program,) = programs_of_run(run, model, parts)
    check_interface(path, about, session, program)
    pictures = load_splits(run, data).test
    try:
        found = compare(program, run_session(session), pictures, model)
    except (ZooError, MemoryError):
        raise
    except Exception as error:  # onnxruntime, or shapes that do not fit
        raise failure(path, error) from error
    int8 = about["precision"] == INT8
    found.check(str(path), int8, "export the run again")
    size, checksum = path.stat().st_size, sha256(path)
    file = ExportedFile(path, program.name, INT8 if int8 else "float32", size, checksum, found)
    return Export(run.label, run.entry.name, "onnx", (file,))


def check_int8(int8: bool, kind: Format, model: Model, run: Run) -> None:
    """Raise ZooError if int8 is asked for something else than an ONNX file of a classifier."""
    if int8 and kind != "onnx":
        raise ZooError("int8 is for ONNX files", "drop --int8, or choose --format onnx")
    if int8 and not isinstance(model, Classifier):
        raise ZooError(f"int8 is for classifiers, and {run.name} is not one", "drop --int8")


def target_of(run: Run, out: str | Path | None, program: Program, kind: Format) -> Path:
    """Return where the file of a program goes; ZooError if a file is named for a generator's several ones."""
    place = run.results / FOLDER if out is None else expand_user(out)
    if place.suffix != f".{kind}":
        return place / f"{program.name}.{kind}"
    if program.name != "model":
        raise ZooError(f"{run.name} is a generator, which becomes several files", "name a folder with -o")
    return place


def write(run: Run, program: Program, kind: Format, folder: Path, tell: Tell) -> Path:
    """Write a program into a temporary folder."""
    tell(f"exporting the {program.name}")
    path = folder / f"{program.name}.{kind}"
    WRITERS[kind](program, trace(program), path, metadata(run, program, kind))
    return path


def load_splits(run: Run, data: str | Path | None) -> Splits:
    """Load the data of a run, or other ones, for the comparison; DataError if they do not fit."""
    from zoo.registry.build import build_data

    changed = run.with_overrides(run_overrides(run, data, ()))
    splits, _ = build_data(changed.data)
    check_pictures(run, changed, splits.info, "test", splits.test)
    return splits


def check_file(run: Run, program: Program, path: Path, test: Pictures, model: Model, int8: bool) -> Comparison:
    """Compare a file with its run; JobError if it differs too much."""
    with model_errors(run.entry, "comparison"):
        found = compare(program, open_file(path), test, model)
    found.check(path.name, int8)
    return found


def put_in_place(file: ExportedFile, target: Path) -> ExportedFile:
    """Copy a checked file to where it belongs."""
    if file.precision == INT8:
        target = target.with_name(f"{target.stem}-{INT8}{target.suffix}")
    try:
        with atomic_write(target) as temporary:
            shutil.copyfile(file.path, temporary)
    except OSError as error:
        raise ResourceError(f"cannot write {target}: {error.strerror}", "choose another place with -o") from None
    return ExportedFile(target, file.part, file.precision, file.bytes, file.sha256, file.comparison)


def metadata(run: Run, program: Program, kind: Format) -> dict[str, str]:
    """Return what a file says about itself, as texts; lists and numbers are JSON."""
    info = run.info
    about: dict[str, Any] = {
        "zoo": __version__,
        "entry": run.entry.name,
        "entry_hash": run.entry.hash(),
        "weights_sha256": weights_of(run),
        "trained_on": run.entry.data.name,
        "part": program.name,
        "precision": "float32",
        "inputs": list(program.inputs),
        "outputs": list(program.outputs),
        "shape": list(info.shape),
        "classes": list(info.classes),
        "versions": format_versions(kind),
    }
    if calibration := run.calibration:
        about["calibration_temperature"] = calibration.temperature
    if isinstance(program.module, Sample) and "condition" in program.inputs:
        about["conditions"] = class_conditions(program.module, info)
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in about.items()}


def weights_of(run: Run) -> str:
    """Return the SHA-256 of a run's weights."""
    return str(run.record.get("weights_sha256") or sha256(run.path / "weights.safetensors"))


def class_conditions(module: Sample, info: DataInfo) -> dict[str, list[float]]:
    """Return the condition of each class, or of some captions, for those who have no text encoder."""
    import torch

    with torch.inference_mode():
        captioned = module.text.takes_captions and info.words
        texts = accepted_texts(module.text, info.examples) if captioned else list(info.classes)
        if not texts:
            return {}
        found: Tensor = module.text.encode(texts)
    return {name: [round(value, 7) for value in row] for name, row in zip(texts, found.tolist(), strict=True)}
