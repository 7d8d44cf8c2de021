"""What `zoo.show` returns: an entry with its options, search space, results and size."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class OptionDescription:
    """An option of an entry.

    Attributes:
        name: Dotted name, such as `train.lr`.
        type: Type and range in words.
        default: Default value of the kind.
        value: Value in the entry.
        search: Range or choices that `zoo tune` searches, in words; None if the option is not searched.
        help: Meaning in one sentence.
    """

    name: str
    type: str
    default: Any
    value: Any
    search: str | None
    help: str


@dataclass(frozen=True, repr=False)
class EntryDescription:
    """An entry with its options, search space, results and size.

    Attributes:
        name: Name of the entry.
        summary: One line that says what the entry is.
        hash: Hash of the options of the model and its training.
        kind: Model kind.
        plugin: Plugin that provides the model kind, with its version.
        parameters: Number of parameters; None if not measured.
        flops: Floating-point operations of a forward pass for one picture; None if not measured or unknown.
        shape: Shape (C, H, W) of the entry's pictures; None if not measured.
        spec: All values of the entry by section, as JSON.
        options: Every option that the kinds of the entry have.
        results: Recorded results, oldest first, each with a boolean `stale`.
        weights: Weights that packages ship, by which the entry can be used without training, likewise.
    """

    name: str
    summary: str
    hash: str
    kind: str
    plugin: str
    parameters: int | None
    flops: int | None
    shape: tuple[int, ...] | None
    spec: dict[str, Any]
    options: list[OptionDescription]
    results: list[dict[str, Any]]
    weights: list[dict[str, Any]] = field(default_factory=list)

    def __repr__(self) -> str:
        """Describe the entry in one line."""
        size = "" if self.parameters is None else f", {self.parameters:,} parameters"
        return f"<Entry {self.name}: kind {self.kind}{size}, {len(self.options)} options>"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that `zoo show --json` prints."""
        about: dict[str, Any] = {"name": self.name, "summary": self.summary, "hash": self.hash, "kind": self.kind}
        about |= {"plugin": self.plugin, "parameters": self.parameters, "flops": self.flops}
        if self.shape is not None:
            about["shape"] = list(self.shape)
        return about | {
            "spec": self.spec,
            "options": [asdict(option) for option in self.options],
            "results": self.results,
            "weights": self.weights,
        }

    def _repr_html_(self) -> str:
        """Return the HTML that a notebook shows."""
        from zoo.display.html import key_value_table, table, titled_block

        about: dict[str, object] = {"what it is": self.summary, "kind": self.kind, "plugin": self.plugin}
        about |= {"hash": self.hash, "parameters": self.parameters, "FLOPs": self.flops}
        rows = [[option.name, option.value, option.default, option.help] for option in self.options]
        return titled_block(self.name, key_value_table(about), table(["option", "value", "default", "meaning"], rows))
