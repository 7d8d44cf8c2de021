"""The result of `zoo.evaluate`: the metrics of a run over a split, and more detailed results."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.display.format import format_value

if TYPE_CHECKING:
    from zoo.evaluation.classified import ClassifiedSplit
    from zoo.models.gallery import Gallery


@dataclass(frozen=True, repr=False)
class Evaluation:
    """Metrics of a run over one split.

    Attributes:
        run: Run folder; the names of several, joined by `+`, for an ensemble.
        split: Name of the split, "train", "valid" or "test".
        pictures: Number of pictures in the split.
        classes: Class names, in the order of the labels.
        metrics: Value of each metric by name, such as `loss` in nats per picture and `accuracy` from 0 to 1.
        details: Results of metric kinds that are more than a number. For a classifier, `confusion` is a list of
            K rows (true class) of K counts (predicted class), or for more than 200 classes `confusions` lists true
            class, predicted class and count; `per_class` has precision and recall by class, `ranking` the
            areas below their curves, `intervals` confidence intervals, and `reliability` accuracy by confidence.
        problems: One line for each metric that failed, and if the recorded result is stale.
        judge: Name of the network that judged samples; empty if none did.
        temperature: Temperature of the samples.
        guidance: Guidance of the samples.
        averaging: What a prediction is averaged over; empty if it is not averaged.
        members: For an ensemble, name, entry, parameters and checksum of the weights of each run.
        kinds: Names of the metrics of each metric kind.
        requested: Metric kinds that the user asked for, and those of other plugins that the entry uses.
        unrequested: Metric kinds that are not shown, since they belong to plugins that the entry does not use;
            `zoo.evaluate(metrics=...)` asks for them.
        gallery: Real pictures, samples and reconstructions with the judge's features; None without a judge.
        predictions: What a classifier predicts for each picture; None for other models.
    """

    run: Path
    split: str
    pictures: int
    classes: list[str]
    metrics: dict[str, float]
    details: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    judge: str = ""
    temperature: float = 1.0
    guidance: float = 0.0
    averaging: str = ""
    members: list[dict[str, Any]] = field(default_factory=list)
    kinds: dict[str, list[str]] = field(default_factory=dict, compare=False)
    requested: list[str] = field(default_factory=list, compare=False)
    unrequested: list[str] = field(default_factory=list, compare=False)
    gallery: Gallery | None = field(default=None, repr=False, compare=False)
    predictions: ClassifiedSplit | None = field(default=None, repr=False, compare=False)

    @property
    def visible_metrics(self) -> dict[str, float]:
        """The metrics without those of plugins that nobody asked for."""
        hidden = {name for kind in self.unrequested for name in self.kinds[kind]}
        return {name: value for name, value in self.metrics.items() if name not in hidden}

    def __repr__(self) -> str:
        """Describe the evaluation in one line."""
        figures = ", ".join(f"{name} {format_value(value)}" for name, value in list(self.visible_metrics.items())[:3])
        return f"<Evaluation of {self.run}: {self.pictures:,} {self.split} pictures, {figures}>"

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object, with `details` among its keys, and without optional fields that have defaults."""
        about: dict[str, Any] = {"run": str(self.run), "split": self.split, "pictures": self.pictures}
        about |= {"classes": self.classes, "metrics": self.metrics} | self.details
        optional = {
            "judge": (self.judge, ""),
            "temperature": (self.temperature, 1.0),
            "guidance": (self.guidance, 0.0),
            "averaging": (self.averaging, ""),
            "members": (self.members, []),
            "parameters": (sum(member["parameters"] for member in self.members), 0),
            "problems": (self.problems, []),
        }
        return about | {name: value for name, (value, default) in optional.items() if value != default}

    def _repr_html_(self) -> str:
        """Show the metrics as a table in a notebook."""
        from zoo.display.html import key_value_table, muted_line, titled_block

        table = key_value_table({"judge": self.judge, **self.visible_metrics})
        title = f"{self.run}: {self.pictures:,} {self.split} pictures"
        return titled_block(title, table, *map(muted_line, self.problems))
