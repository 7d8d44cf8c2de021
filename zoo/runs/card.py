"""The model card of a bundle: README.md with the metadata of the Hugging Face hub, written from the run's own files."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from zoo.core.types import DataInfo
from zoo.display import markdown as md
from zoo.display.format import format_cell, format_duration, format_value, is_finite
from zoo.registry.entry import Entry
from zoo.runs.bundle_source import EVALUATION
from zoo.runs.pulled_name import pulled_name
from zoo.runs.run import LIBRARIES, PACKAGE

SOURCE = "https://github.com/pixel-zoo/pixel-zoo"
PICTURES = {"samples.png": "Samples of each class", "confusion.png": "Confusion matrix: true classes by predicted ones"}
TRAINING_COMMAND = re.compile(r"(zoo|python -m zoo) (train|tune|compare) ")
CALL_OPTIONS = ("data", "seed", "device")
"""Arguments of a call in Python that the command has as options."""
HUB_DATASETS = {"cifar10": "uoft-cs/cifar10", "fashion-mnist": "zalando-datasets/fashion_mnist"}
"""Names of data kinds on the hub."""
METRIC_HEADS = ("metric", "value")
MAX_CLASSES = 100
"""Most classes in a table or a list; the others are in the JSON files."""
MAIN_METRICS = (
    *("accuracy", "top5_accuracy", "macro_f1", "calibration_error", "loss", "bound", "frechet", "frechet_floor", "kid"),
    *("judge_right", "judge_right_real", "coverage", "precision", "recall", "psnr", "ssim"),
)
"""Metrics that the card shows, in this order; the others are in the JSON files."""
HUB_METRICS = {"macro_f1": "f1"}
"""Names of metrics on the hub, where it has one of its own."""
CLASS_COLUMNS = {
    **{name: name for name in ("pictures", "precision", "recall", "f1")},
    "judge_right": "judged right",
    "judge_right_real": "real",
    "judge_confidence": "confidence",
    **{name: name for name in ("frechet", "coverage", "sharpness")},
}
"""Figures of a class, with the heads of their columns."""


@dataclass(frozen=True)
class Card:
    """What a model card tells about a run."""

    entry: Entry
    record: Mapping[str, Any]
    kept: Mapping[str, Any]
    """Metrics of the epoch whose weights were kept."""
    address: str
    """Where the bundle is published, for `zoo pull`."""
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    """Content of evaluation.json; empty if there is none."""
    pictures: tuple[str, ...] = ()
    """Names of the picture files beside the card."""

    @property
    def info(self) -> DataInfo:
        """Shape and classes of the pictures."""
        return DataInfo.load(self.record["data"])

    @property
    def task(self) -> str:
        """The hub's name of the task; empty if it has none."""
        if self.entry.prior is not None:
            return "text-to-image" if self.entry.text is not None else "unconditional-image-generation"
        figures = {**self.kept.get("valid", {}), **self.evaluation.get("metrics", {})}
        return "image-classification" if "accuracy" in figures else ""

    @property
    def folder(self) -> str:
        """The folder below `runs` in which `zoo pull` puts the run."""
        return pulled_name(self.address)

    def write(self) -> str:
        """Return the whole card."""
        parts = (self.metadata(), self.top(), self.figures(), self.use(), self.training(), self.repeat(), self.about())
        return "\n".join(filter(None, parts))

    def metadata(self) -> str:
        """Return the front matter that the hub reads."""
        kinds = dict.fromkeys(part.name for name, part in self.entry.components.items() if name != "data")
        tags = ["pixel-zoo", "safetensors", *filter(None, [self.task]), *kinds]
        lines = ["library_name: pixel-zoo", f"tags: [{', '.join(map(md.quoted, tags))}]"]
        lines += [f"pipeline_tag: {self.task}"] if self.task else []
        lines += [f"license: {md.quoted(str(self.record['license']))}"] if self.record.get("license") else []
        if known := HUB_DATASETS.get(self.entry.data.name):
            lines.append(f"datasets: [{known}]")
        return "\n".join(["---", *lines, *self.results(), "---", ""])

    def results(self) -> list[str]:
        """Return the lines of the metadata about metrics; none without an evaluation."""
        figures = main_metrics(self.evaluation.get("metrics", {}))
        if not figures or not self.task:
            return []
        data = self.entry.data.name if "data" not in self.evaluation else str(self.evaluation["data"])
        return [
            f"metrics: [{', '.join(md.quoted(HUB_METRICS.get(key, key)) for key in figures)}]",
            "model-index:",
            f"- name: {md.quoted(self.entry.name)}",
            "  results:",
            f"  - task: {{type: {self.task}}}",
            "    dataset:",
            f"      name: {md.quoted(data)}",
            f"      type: {md.quoted(HUB_DATASETS.get(data, data))}",
            f"      split: {self.evaluation['split']}",
            "    metrics:",
            *(
                f"    - {{type: {md.quoted(HUB_METRICS.get(key, key))}, name: {md.quoted(key)}, value: {value:.6g}}}"
                for key, value in figures.items()
            ),
        ]

    def top(self) -> str:
        """Return the title and what the model is."""
        size = " x ".join(map(str, self.info.shape[1:]))
        colour = {1: "grey", 3: "colour"}.get(self.info.shape[0], f"{self.info.shape[0]}-channel")
        what = f"A model for {colour} pictures of {size} pixels, trained with [pixel-zoo]({SOURCE})."
        return f"# {md.prose(self.entry.name)} on {md.prose(self.entry.data.name)}\n\n{self.summary()}{what}\n"

    def summary(self) -> str:
        """Return the summary of the entry as a sentence."""
        text = md.prose(self.entry.summary).rstrip(".")
        return f"{text[:1].upper()}{text[1:]}. " if text else ""

    def figures(self) -> str:
        """Return the metrics with how they were measured, a table per class, and a picture."""
        if not self.evaluation:
            rows = metric_rows(self.kept.get("valid", {}))
            said = f"Over the {format_value(self.count('valid'))} validation pictures, with which the epoch was chosen."
            return f"## Metrics\n\n{said}\n\n{md.table(METRIC_HEADS, rows, [1])}" if rows else ""
        found = self.evaluation.get("metrics", {})
        rows = metric_rows(found)
        parts = ["## Metrics\n", f"{self.protocol()}\n", md.table(METRIC_HEADS, rows, [1])]
        parts += [f"The other metrics are in `{EVALUATION}`.\n"] if len(rows) < len(found) else []
        if classes := self.class_table():
            parts += ["### By class\n", classes]
        parts += [f"![{PICTURES[name]}]({name})\n" for name in PICTURES if name in self.pictures]
        return "\n".join(parts)

    def protocol(self) -> str:
        """Return in a sentence what was measured."""
        found = self.evaluation
        on = f" of {md.name(str(found['data']))}" if "data" in found else ""
        parts = [f"Over the {format_value(found.get('pictures'))} pictures of the {found['split']} split{on}"]
        parts += [f"predictions averaged over {md.name(str(found['averaging']))}"] if found.get("averaging") else []
        parts += [f"samples judged by {md.name(str(found['judge']))}"] if found.get("judge") else []
        parts += [
            f"{key} {format_value(found[key])}" for key in ("guidance", "temperature") if is_finite(found.get(key))
        ]
        changed = found.get("overrides") or []
        parts += [f"with {', '.join(md.code(str(word)) for word in changed[:20])}"] if changed else []
        half = " The figures are those of the float32 weights; these are stored as float16." if self.is_half else ""
        return f"{', '.join(parts)}.{half}"

    @property
    def is_half(self) -> bool:
        """Whether the weights are stored as float16."""
        return self.record.get("stored_as") == "float16"

    def class_table(self) -> str:
        """Return the figures of each class as a table."""
        found = self.evaluation.get("per_class") or self.evaluation.get("samples_per_class") or {}
        rows = [row for row in found.values() if isinstance(row, dict)]
        keys = [key for key in CLASS_COLUMNS if any(is_finite(row.get(key)) for row in rows)]
        if not keys:
            return ""
        heads = ["class", *(CLASS_COLUMNS[key] for key in keys)]
        lines = [[md.name(label), *(format_cell(row.get(key)) for key in keys)] for label, row in first(found.items())]
        rest = more(len(found), EVALUATION)
        return md.table(heads, lines, range(1, len(heads))) + (f"\n{rest.strip().capitalize()}.\n" if rest else "")

    def use(self) -> str:
        """Return how to use the model, on the command line and in Python."""
        run, source = self.folder, self.address
        if self.entry.prior is not None:
            prompt = [] if self.entry.text is None else [*self.info.classes, *self.info.examples][:1]
            command = ["zoo", "sample", run, *prompt]
            python = [f"samples = zoo.sample(run, {json.dumps(prompt[0])})" if prompt else "samples = zoo.sample(run)"]
            python += ['samples.save("samples.png")']
        else:
            command, python = ["zoo", "predict", run, "picture.png"], ['print(zoo.predict(run, ["picture.png"]))']
        shell = [shlex.join(["pip", "install", "pixel-zoo", *self.packages]), shlex.join(["zoo", "pull", source])]
        code = ["import zoo", "", f"run = zoo.pull({json.dumps(source)})", *python]
        blocks = [md.code_block([*shell, shlex.join(command)], "sh"), md.code_block(code, "python")]
        return "\n".join(["## Use\n", blocks[0], "In Python:\n", blocks[1]])

    @property
    def packages(self) -> list[str]:
        """The packages with plugins that the model needs besides the zoo."""
        named = self.record.get("versions") or {}
        return [
            f"{name}=={version}"
            for name, version in named.items()
            if name not in {*LIBRARIES, "python", "system", "pixel-zoo"}
            and PACKAGE.fullmatch(name)
            and PACKAGE.fullmatch(version)
        ]

    def training(self) -> str:
        """Return what the model was trained on, and how."""
        train = self.entry.train
        counts = ", ".join(f"{format_value(self.count(split))} {split}" for split in ("train", "valid", "test"))
        device = md.name(str(self.record.get("device", "an unknown device")))
        rows = [
            ["data", f"{md.name(self.entry.data.name)}: {counts} pictures"],
            *self.subjects(),
            ["preprocessing", self.preprocessing()],
            ["training", f"weights of epoch {self.kept.get('epoch')} {self.length()}, seed {train.seed}"],
            ["time", f"{format_duration(self.record.get('seconds') or 0.0)} on {device}"],
            ["parameters", format_value(self.record.get("parameters"))],
        ]
        rows += (
            [["FLOPs per picture", format_value(self.record["flops"])]] if is_finite(self.record.get("flops")) else []
        )
        return f"## Training\n\n{md.table(['about', 'this run'], rows)}"

    def length(self) -> str:
        """Return how many epochs or minutes the kept weights were trained, and in which stage if there are several."""
        train, stage = self.entry.train, str(self.kept.get("stage", ""))
        minutes = train.minutes or train.own_minutes(stage)
        length = f"in {minutes:g} minutes" if minutes else f"of {train.stage(stage).epochs}"
        return f"{length} (stage {md.name(stage)})" if train.stages else length

    def subjects(self) -> list[list[str]]:
        """Return what the pictures show: their classes, or examples of their captions."""
        info = self.info
        rows = [
            [f"{len(info.classes)} classes", ", ".join(map(md.name, first(info.classes))) + more(len(info.classes))]
        ]
        captions = [["captions", f"{len(info.words):,} words, e.g. {'; '.join(map(md.name, info.examples[:3]))}"]]
        return rows * bool(info.classes) + captions * bool(info.words)

    def preprocessing(self) -> str:
        """Return how a picture becomes the input of the model."""
        info, dumped = self.info, self.entry.data.dump()
        fit = f", {md.name(str(dumped['fit']))} to {info.shape[1]} x {info.shape[2]}" if "fit" in dumped else ""
        mean, std = (", ".join(f"{value:.4f}" for value in values) for values in (info.mean, info.std))
        return f"values 0 to 1{fit}, mean {mean}, standard deviation {std}; done by the zoo"

    def count(self, split: str) -> Any:
        """Return the number of pictures of a split."""
        found = (self.record.get("pictures") or {}).get(split)
        return found if is_finite(found) else None

    def repeat(self) -> str:
        """Return how to train the same model again."""
        versions = [[md.name(name), md.name(value)] for name, value in (self.record.get("versions") or {}).items()]
        words = safe_command(str(self.record.get("command", "")), self.entry.name)
        text = "`entry.json` has every option, `run.json` the SHA-256 of each split, `metrics.jsonl` each epoch."
        block = md.code_block([words], "sh")
        return f"## Repeat\n\n{block}\n{text}\n\n{md.table(['package', 'version'], versions)}"

    def about(self) -> str:
        """Return what the files are."""
        digest = md.code(str(self.record.get("weights_sha256", "")))
        stored = "as float16 and loaded as float32" if self.is_half else "as they were trained"
        text = (
            f"`weights.safetensors` has the weights, stored {stored}; their SHA-256 is {digest}. `manifest.json` "
            "has the size and the SHA-256 of each file, which `zoo pull` checks. Nothing in these files is executed."
        )
        return f"## Files\n\n{text}\n"


def safe_command(command: str, entry: str) -> str:
    """Return the command of a training with all words quoted, or one that trains the entry."""
    try:
        words = call_words(command) if command.startswith("zoo.") else shlex.split(command)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        words = []
    text = shlex.join(words)
    return text if TRAINING_COMMAND.match(text) else shlex.join(["zoo", "train", entry])


def call_words(call: str) -> list[str]:
    """Return the words of the command for a call in Python, e.g. of `zoo.train("cnn", "train.epochs=3", seed=1)`."""
    tree = ast.parse(call, mode="eval").body
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Attribute):
        raise ValueError("no call of a function of the zoo")  # noqa: TRY004
    words = [str(ast.literal_eval(each)) for each in tree.args]
    options = [each for each in tree.keywords if each.arg in CALL_OPTIONS and isinstance(each.value, ast.Constant)]
    typed = [word for each in options for word in (f"--{each.arg}", str(ast.literal_eval(each.value)))]
    return ["zoo", tree.func.attr, *words, *typed]


def main_metrics(found: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics that matter most; all of them if none is known."""
    numbers = {str(key): float(value) for key, value in found.items() if is_finite(value)}
    return {key: numbers[key] for key in MAIN_METRICS if key in numbers} or dict(first(numbers.items()))


def metric_rows(found: Mapping[str, Any]) -> list[list[str]]:
    """Return the rows of a table of metrics."""
    return [[md.name(key), format_value(value)] for key, value in main_metrics(found).items()]


def first(values: Iterable[Any]) -> list[Any]:
    """Return the first values, as many as are shown."""
    return list(values)[:MAX_CLASSES]


def more(count: int, where: str = "run.json") -> str:
    """Say how many values are not shown, if any."""
    return f" and {count - MAX_CLASSES} more in `{where}`" if count > MAX_CLASSES else ""
