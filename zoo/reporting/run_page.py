"""The report of a run: what it is, how it was trained, what it is worth, and how to repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from zoo.core.errors import RunError, ZooError, describe_error, one_line
from zoo.core.notes import Tell
from zoo.core.trust import load_json
from zoo.display.format import format_bytes, format_cell, format_count, format_duration, format_value, is_finite
from zoo.evaluation.figures import MAIN_FIGURES, confusions, real_value, undefined_figures
from zoo.registry.listing import load_entry
from zoo.reporting.blocks import (
    Block,
    Columns,
    Details,
    Heading,
    Matrix,
    Notes,
    Page,
    Picture,
    Section,
    Table,
    Text,
    Tile,
)
from zoo.reporting.curves import curve_blocks
from zoo.reporting.samples import sample_blocks
from zoo.reporting.values import (
    all_options,
    facts,
    metric_blocks,
    option_differences,
    option_text,
    read_picture,
    repeat_blocks,
)
from zoo.runs.card import CLASS_COLUMNS, safe_command
from zoo.runs.run import Run

MAX_MATRIX_CLASSES = 40
"""Most classes whose confusion matrix is shown whole."""
MAX_CONFUSIONS = 10
MAX_NARROW = 5
"""Most columns of a table that stands beside another one."""
MAX_TILES = 3
"""Most metrics at the top."""
PICTURES = {
    "reliability": "Confidence against accuracy",
    "roc-pr": "ROC and precision-recall curves",
    "mistakes": "The worst mistakes, by pair of classes",
}
"""Captions of the pictures of an evaluation, by a word of their file names."""


def run_page(run: Run, device: str, tell: Tell) -> Page:
    """Return what there is to say about a run."""
    rows, kept = read_log(run, tell)
    found = dict(evaluations(run, tell))
    sections = [
        Section("About", about_blocks(run, len(rows))),
        Section("Options", option_blocks(run)),
        *([Section("Curves", curve_blocks(rows, kept))] if rows else []),
        *evaluation_sections(run, found, tell),
    ]
    if not found and kept:
        note = Text("The run was not evaluated yet, so these are metrics of the validation pictures of the kept epoch.")
        sections.append(Section("Metrics", [note, *metric_blocks({"metrics": kept["valid"]})]))
    if samples := sample_blocks(run, device, tell):
        sections.append(Section("Samples", samples))
    sections.append(Section("Repeat", repeat_section(run)))
    best = next(iter(found.values()), {"metrics": (kept or {}).get("valid", {}), "split": "valid"})
    title = f"{run.entry.name} on {run.entry.data.name}"
    return Page("run", title, run.label, metric_tiles(run, best), sections, run.state)


def read_log(run: Run, tell: Tell) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """Return the epochs of a run, and the one whose weights were kept; report a damaged log by a message."""
    try:
        rows = run.log()
    except RunError as error:
        tell(str(error))
        return [], None
    with suppress(LookupError, TypeError, ValueError, ZooError):
        return rows, run.kept_epoch()
    return rows, None


def evaluations(run: Run, tell: Tell) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the evaluations of a run's present weights by the name of their file, that of the test split first."""
    for path in evaluation_files(run):
        try:
            found = load_json(path)
            checked = isinstance(found["metrics"], dict) and isinstance(found["split"], str)
            checked = checked and all(isinstance(name, str) for name in found["classes"])
        except (OSError, ValueError, LookupError, TypeError):
            checked, found = False, {}
        if not checked:
            tell(f"left out {path}: it is not an evaluation that zoo evaluate wrote")
        elif not is_of_weights(run, found):
            tell(f"left out {path}: other weights were evaluated; repeat zoo evaluate {run.label}")
        else:
            yield path.stem, found


def is_of_weights(run: Run, found: dict[str, Any]) -> bool:
    """Return whether an evaluation is of the present weights of a run.

    One that was published with a run names none: those of its bundle were compared.
    """
    published = run.shipped is not None or "origin" in run.record
    sha256 = run.record.get("weights_sha256")
    return bool(found.get("weights_sha256", sha256 if published else None) == sha256)


def evaluation_files(run: Run) -> list[Path]:
    """Return the evaluations in the folder of a run, and of those in that of shipped weights the ones not made here."""
    folders = [each / "evaluation" for each in dict.fromkeys((run.results, run.path))]
    known = {
        path.name: path for folder in reversed(folders) if not folder.is_symlink() for path in folder.glob("*.json")
    }
    return sorted(known.values(), key=lambda path: (not path.name.startswith("test"), path.name))


def metric_tiles(run: Run, found: dict[str, Any]) -> list[Tile]:
    """Return the figures at the top: the main metrics, and the cost of the model."""
    metrics = {name: value for name, value in found["metrics"].items() if is_finite(value)}
    names = [name for name in MAIN_FIGURES if name in metrics]
    split = f"{found['split']} split"
    real = {name: real_value(name, metrics) for name in names}
    tiles = [
        Tile(name, format_value(metrics[name]), f"{split}; real pictures {real[name]}" if real[name] else split)
        for name in names[:MAX_TILES]
    ]
    if parameters := run.record.get("parameters"):
        flops = run.record.get("flops")
        note = f"{format_count(flops)} FLOPs a picture" if isinstance(flops, int) else ""
        tiles.append(Tile("parameters", format_value(parameters), note))
    seconds = run.record.get("seconds") or 0.0
    return [*tiles, Tile("training", format_duration(seconds), f"on {run.record.get('device', 'an unknown device')}")]


def about_blocks(run: Run, epochs: int) -> list[Block]:
    """Return what the run is, which has trained so many epochs."""
    record, info = run.record, run.info
    channels, height, width = info.shape
    colour = {1: "grey", 3: "in colour"}.get(channels, f"{channels} channels")
    counts = ", ".join(f"{format_value(count)} {split}" for split, count in record.get("pictures", {}).items())
    classes = ", ".join(info.classes[:20]) + (f" and {len(info.classes) - 20} more" if len(info.classes) > 20 else "")
    about: dict[str, object] = {
        "entry": run.entry.name,
        "model": run.entry.model.name,
        "prior": run.entry.prior.name if run.entry.prior else None,
        "text encoder": run.entry.text.name if run.entry.text else None,
        "data": run.entry.data.name,
        "path": getattr(run.entry.data.spec, "path", None) or None,
        "pictures": counts,
        "size": f"{height} x {width}, {colour}",
        "classes": f"{len(info.classes)}: {classes}" if info.classes else None,
        "epochs": epochs or None,
        "seed": run.entry.train.seed,
        "started": str(record.get("started") or "").replace("T", " ").removesuffix("Z"),
        "finished": str(record.get("finished") or "").replace("T", " ").removesuffix("Z"),
        "threads": record.get("threads"),
        "fetched from": record.get("origin"),
        "ended because": record.get("reason"),
    }
    summary = one_line(run.entry.summary)
    notes = [str(note) for note in record.get("notes") or ()]
    notes += [f"calibrated: {run.calibration}"] if run.calibration else []
    skipped = [
        [str(row.get("path", "")), str(row.get("reason", ""))]
        for row in record.get("skipped") or ()
        if isinstance(row, dict)
    ]
    return [
        *([Text(f"{summary[:1].upper()}{summary[1:]}.")] if summary else []),
        facts(about),
        *([Heading("Notes"), Notes(notes)] if notes else []),
        *(
            [Details(f"{len(skipped)} pictures were left out", [Table(["file", "reason"], skipped, name="Left out")])]
            if skipped
            else []
        ),
    ]


def option_blocks(run: Run) -> list[Block]:
    """Return how the options differ from those of the entry, and what was fitted to the pictures."""
    blocks: list[Block] = []
    try:
        rows = option_differences(run.dump_before_fit(), load_entry(run.entry.name).spelt_alike())
    except ZooError:
        blocks.append(Text(f"The registry here has no entry {run.entry.name}, so all options are listed."))
    else:
        text = (
            "Options that differ from the entry as the registry has it now:"
            if rows
            else "All options are those of the entry."
        )
        blocks.append(Text(text))
        blocks += [Table(["option", "this run", "entry"], rows, name="Options that differ")] if rows else []
    if fitted := run.record.get("fitted"):
        lines = [[name, option_text(new), option_text(old)] for name, (old, new) in fitted.items()]
        blocks += [
            Heading("Fitted to the pictures"),
            Table(["option", "fitted", "before"], lines, name="Fitted options"),
        ]
    return [*blocks, all_options(run.entry.dump())]


def evaluation_sections(run: Run, found: dict[str, dict[str, Any]], tell: Tell) -> Iterator[Section]:
    """Yield a section for each evaluation; leave out, with a message, one with values that the zoo never writes."""
    for name, each in found.items():
        try:
            yield Section(metrics_title(name, each), evaluation_blocks(run, name, each))
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            tell(f"left out {name}.json: it holds values that zoo evaluate never writes ({describe_error(error):.80})")


def metrics_title(name: str, found: dict[str, Any]) -> str:
    """Name an evaluation by its split, and by what it was averaged over."""
    averaged = f", averaged over {found['averaging']}" if found.get("averaging") else ""
    return f"Metrics: {found['split']} split{averaged}"


def evaluation_blocks(run: Run, name: str, found: dict[str, Any]) -> list[Block]:
    """Return an evaluation: metrics, classes, confusions and pictures of mistakes."""
    said = [f"{found['pictures']:,} pictures"] if is_finite(found.get("pictures")) else []
    said += [f"{key} {found[key]}" for key in ("data", "judge", "guidance", "temperature") if found.get(key)]
    blocks: list[Block] = [Text("; ".join(map(str, said)) + ".")] if said else []
    figures: list[Block] = [Heading("Figures"), *metric_blocks(found)]
    classes = class_blocks(found)
    narrow = all(len(block.heads) <= MAX_NARROW for block in classes if isinstance(block, Table))
    blocks += [Columns([figures, classes])] if classes and narrow else [*figures, *classes]
    blocks += confusion_blocks(found)
    blocks += mistake_pictures(run.results / "evaluation", name)
    problems = [str(line) for line in found.get("problems") or ()]
    return [*blocks, *([Heading("Problems"), Notes(problems)] if problems else [])]


def class_blocks(found: dict[str, Any]) -> list[Block]:
    """Return the figures of each class."""
    rows = found.get("per_class") or found.get("samples_per_class") or {}
    if not isinstance(rows, dict) or not all(isinstance(row, dict) for row in rows.values()):
        return []
    keys = [key for key in CLASS_COLUMNS if any(is_finite(row.get(key)) for row in rows.values())]
    undefined = undefined_figures(rows, found.get("confusion")) if found.get("per_class") else {}
    lines = [
        [label, *("-" if key in undefined.get(label, ()) else format_cell(row.get(key)) for key in keys)]
        for label, row in rows.items()
    ]
    heads = ["class", *(CLASS_COLUMNS[key] for key in keys)]
    return [Heading("By class"), Table(heads, lines, range(1, len(heads)), "By class")] if keys else []


def confusion_blocks(found: dict[str, Any]) -> list[Block]:
    """Return the confusion matrix if it fits, and the most frequent confusions."""
    names, matrix = found["classes"], found.get("confusion") or []
    square = len(matrix) == len(names) and all(len(row) == len(names) and all(map(is_finite, row)) for row in matrix)
    wrong = [tuple(row) for row in found.get("confusions") or () if len(row) == 3]
    columns: list[list[Block]] = []
    if matrix and square:
        columns += [[Heading("Confusion matrix"), Matrix(names, matrix)]] if len(names) <= MAX_MATRIX_CLASSES else []
        wrong = confusions(matrix)
    if worst := sorted(wrong, key=lambda each: -each[2])[:MAX_CONFUSIONS]:
        lines = [[names[true], names[predicted], count] for true, predicted, count in worst]
        heads = ["true", "predicted", "pictures"]
        columns += [[Heading("Most frequent confusions"), Table(heads, lines, [2], "Confusions")]]
    return [Columns(columns)] if columns else []


def mistake_pictures(folder: Path, name: str) -> list[Block]:
    """Return the pictures of mistakes and the like that belong to an evaluation."""
    found: list[Picture] = []
    for word, caption in PICTURES.items():
        found += read_picture(folder / f"{name}-{word}.png", caption)
    return [Heading("Mistakes and confidence"), *found] if found else []


def repeat_section(run: Run) -> list[Block]:
    """Return the commands, versions and checksums."""
    record = run.record
    commands = [
        safe_command(str(record.get("command") or ""), run.entry.name),
        shlex.join(["zoo", "evaluate", run.label]),
    ]
    sums = [[f"{split} pictures", value] for split, value in record.get("fingerprints", {}).items()]
    sums += [["weights", str(record["weights_sha256"])]] if record.get("weights_sha256") else []
    sums += [["entry", run.entry.hash()]]
    weights = run.path / "weights.safetensors"
    size = f"The weights take {format_bytes(weights.stat().st_size)}." if weights.is_file() else "There are no weights."
    return [
        *repeat_blocks(commands, record.get("versions") or {}),
        Heading("Fingerprints"),
        Text(f"Equal pictures and equal weights have equal SHA-256. {size}"),
        Table(["of", "SHA-256"], sums, name="Fingerprints"),
    ]
