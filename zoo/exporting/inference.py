"""Measure how fast trained models answer: in PyTorch, and as exported files."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from zoo.core.errors import ZooError
from zoo.core.notes import Tell, ignore
from zoo.core.temporary import scratch
from zoo.exporting.export import INT8, check_int8, load_splits, write
from zoo.exporting.formats import Runner, check_format, open_file
from zoo.exporting.int8 import quantise
from zoo.exporting.programs import Program, programs_of_run, run_model
from zoo.models.base import Model
from zoo.models.generator import Generator
from zoo.models.metrics import EVAL_BATCH
from zoo.runs.find import load
from zoo.runs.run import Run

ROUNDS = 5
EAGER = "eager"
Candidates = dict[str, Runner]


@dataclass(frozen=True)
class InferenceSpeed:
    """How fast one program runs in one form.

    Attributes:
        part: "model" for a classifier; "encoder", "decoder" or "sampler" for a generator.
        form: "eager", "onnx", "int8" or "pt2".
        latency_ms: Milliseconds for one picture, the median.
        pictures_per_second: Speed in batches, the median.
        ratio_to_eager: Latency in PyTorch divided by this one, the median over the rounds.
        bytes: Size of the file; None for eager.
    """

    part: str
    form: str
    latency_ms: float
    pictures_per_second: float
    ratio_to_eager: float
    bytes: int | None


@dataclass(frozen=True)
class InferenceBenchmark:
    """Result of `bench_inference`.

    Attributes:
        run: Folder of the run, or the name of shipped weights.
        entry: Name of its entry.
        threads: CPU threads that each form uses.
        batch: Pictures per batch.
        speeds: A row for each program and form.
    """

    run: str
    entry: str
    threads: int
    batch: int
    speeds: tuple[InferenceSpeed, ...]

    def __repr__(self) -> str:
        """Describe the speeds in one line."""
        rows = ", ".join(f"{row.part} {row.form} {row.latency_ms:.3g} ms" for row in self.speeds)
        return f"<Inference of {self.entry}: {rows}>"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that `zoo bench --inference --json` prints."""
        return asdict(self) | {"speeds": [asdict(row) for row in self.speeds]}


def bench_inference(
    run: Run | str | Path,
    formats: Sequence[str] = (),
    *,
    int8: bool = False,
    parts: Sequence[str] = (),
    threads: int = 1,
    seconds: float = 20.0,
    tell: Tell = ignore,
) -> InferenceBenchmark:
    """Measure the latency of a trained model on the CPU, eager and exported.

    All forms take turns, so that other load on the machine affects them alike. The files are made in a temporary
    folder, and include the resizing of pictures.

    Args:
        run: A run that is open, its folder, a name below `runs`, an entry or a study.
        formats: Formats to compare with PyTorch: "onnx" and "pt2".
        int8: Whether to measure ONNX in int8 too; calibration needs the training pictures of the run.
        parts: The parts of a generator: "encoder", "decoder" and "sampler"; by default all.
        threads: CPU threads that each form uses.
        seconds: About how long the measurement takes, without the time in which the files are made.
        tell: Called with a message before each slow step.

    Returns:
        The latency of one picture and the speed of a batch of each form.

    Raises:
        ZooError: If the model cannot be exported, or an option does not apply to it.
        MissingError: If the packages of the extra `export` are not installed.

    Example:
        >>> import zoo
        >>> zoo.bench_inference("cnn", ["onnx"]).speeds[1].latency_ms  # doctest: +SKIP
        1.3
    """
    kinds = [check_format(name) for name in dict.fromkeys([*formats, *(["onnx"] if int8 else [])])]
    opened = load(run)
    model = opened.model("cpu")
    check_int8(int8, "onnx", model, opened)
    programs = programs_of_run(opened, model, parts)
    found: list[InferenceSpeed] = []
    with scratch("bench") as folder, use_threads(threads):
        files: dict[tuple[str, str], Path] = {
            (each.name, kind): write(opened, each, kind, folder, tell) for each in programs for kind in kinds
        }
        if int8:
            files["model", INT8] = folder / "model-int8.onnx"
            quantise(files["model", "onnx"], files["model", INT8], load_splits(opened, None).train)
        for program in programs:
            paths = {form: path for (part, form), path in files.items() if part == program.name}
            found += measure(program, model, opened, paths, threads, seconds / len(programs))
    return InferenceBenchmark(opened.label, opened.entry.name, threads, EVAL_BATCH, tuple(found))


def measure(
    program: Program, model: Model, run: Run, files: dict[str, Path], threads: int, seconds: float
) -> list[InferenceSpeed]:
    """Measure one program in PyTorch and as files, in turns."""
    runners: Candidates = {EAGER: lambda inputs: run_model(program, inputs)}
    runners |= {form: open_file(path, threads) for form, path in files.items()}
    one, many = (example_inputs(program, model, run, count) for count in (1, EVAL_BATCH))
    times: dict[str, list[tuple[float, float]]] = {form: [] for form in runners}
    for runner in runners.values():  # the first calls allocate memory
        runner(one)
        runner(many)
    share = seconds / (2 * ROUNDS * len(runners))
    for _ in range(ROUNDS):
        for form, runner in runners.items():
            times[form].append((median_time(runner, one, share), median_time(runner, many, share)))
    return [describe(program, form, times, files.get(form)) for form in runners]


def describe(
    program: Program, form: str, times: dict[str, list[tuple[float, float]]], path: Path | None
) -> InferenceSpeed:
    """Summarise the times of one form, in seconds for one picture and for a batch, over the rounds."""
    latency, batch = (median(column) for column in zip(*times[form], strict=True))
    ratio = median(eager / own for (eager, _), (own, _) in zip(times[EAGER], times[form], strict=True))
    size = None if path is None else path.stat().st_size
    return InferenceSpeed(
        program.name, form, round(1000 * latency, 4), round(EVAL_BATCH / batch, 1), round(ratio, 2), size
    )


def median_time(runner: Runner, inputs: dict[str, Tensor], seconds: float) -> float:
    """Return the median time of a call in seconds, from calls for about `seconds`, at least one."""
    times: list[float] = []
    deadline = time.perf_counter() + seconds
    while not times or time.perf_counter() < deadline:
        start = time.perf_counter()
        runner(inputs)
        times.append(time.perf_counter() - start)
    return median(times)


def example_inputs(program: Program, model: Model, run: Run, count: int) -> dict[str, Tensor]:
    """Make inputs for a program: pictures of the model's size, codes, or noise with the condition of a class."""
    chance = torch.Generator().manual_seed(0)
    channels, height, width = run.info.shape
    if "pictures" in program.inputs:
        return {"pictures": torch.randint(0, 256, (count, height, width, channels), generator=chance).to(torch.uint8)}
    found = {
        name: torch.randn(count, *value.shape[1:], generator=chance)
        if value.is_floating_point()
        else torch.zeros(count, *value.shape[1:], dtype=value.dtype)
        for name, value in program.inputs.items()
    }
    if "condition" in found:
        assert isinstance(model, Generator)
        with torch.inference_mode():
            labels = torch.zeros(count, dtype=torch.int64)
            found["condition"] = torch.zeros(count, model.text.size)
            if not model.reads_captions:
                found["condition"] = model.text.labels(labels).contiguous()
    return found


@contextmanager
def use_threads(count: int) -> Iterator[None]:
    """Let PyTorch use so many threads within the block."""
    if count < 1:
        raise ZooError(f"inference needs at least one thread, got {count}")
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
