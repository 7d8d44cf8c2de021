"""A run folder: its entry, record, metrics log and weights, and the trained model."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.core.errors import MissingError, RunError, ZooError
from zoo.core.files import digest, write_json
from zoo.core.notes import note
from zoo.core.sections import PictureSpec
from zoo.core.trust import load_json
from zoo.core.types import DataInfo
from zoo.core.views import ONE_VIEW
from zoo.registry.entry import Entry, resolve_entry, restore_entry
from zoo.registry.overrides import apply_overrides
from zoo.registry.raw_entry import RawEntry, is_fixed, set_nested
from zoo.runs.names import ROOT

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from zoo.data.any_pictures import AnyPictures
    from zoo.data.decode import Recipe
    from zoo.models.base import Model
    from zoo.registry.weights import Weights
    from zoo.runs.calibration import Calibration
    from zoo.runs.predictions import Predictions


SCHEMA = 1
UNFINISHED = {"running", "interrupted"}
LIBRARIES = ("torch", "torchvision", "timm", "numpy")
"""Packages besides plugins that affect results."""
PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
"""The name or the version of a package."""


@dataclass(repr=False)
class Run:
    """An opened run folder; `record` is its run.json."""

    path: Path
    entry: Entry
    record: dict[str, Any]
    shipped: Weights | None = None
    """The weights of a package that this is; None for a run of one's own."""
    _loaded: dict[tuple[str, object], Model] = field(default_factory=dict, compare=False)
    """The model on each device on which it was called."""

    @classmethod
    def create(cls, path: Path, entry: Entry, record: dict[str, Any]) -> Run:
        """Create the folder; run.json is written last, so a folder that has one is complete."""
        dumped = entry.dump()
        write_json(path / "entry.json", dumped)
        about = {"schema": SCHEMA, "state": "running", "started": utc_now(), "entry_sha256": digest(dumped)}
        run = cls(path, entry, about | record)
        run.update()
        return run

    @classmethod
    def open(cls, path: Path) -> Run:
        """Open a run folder; RunError if it is damaged or from a newer zoo."""
        record, entry = read_files(path)
        try:
            return cls(path, restore_entry(entry), Record(record, path / "run.json"))
        except ZooError as error:
            if missing := missing_packages(record):
                text = f"{path} needs {' and '.join(missing)}, not installed here: {error.args[0]}"
                raise MissingError(text, f"pip install {' '.join(missing)}") from None
            kind = RunError if error.code == ZooError.code else type(error)
            raise kind(f"{path / 'entry.json'}: {error.args[0]}", error.hint) from None

    def update(self, **values: Any) -> None:
        """Update run.json; its checksum `seal` shows later whether the file was changed."""
        self.record |= values
        write_json(self.path / "run.json", self.record | {"seal": digest(self.record)})

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.path.resolve().name

    @property
    def label(self) -> str:
        """What results call it: its path, or ENTRY@DATA for weights that a package ships."""
        return str(self.path) if self.shipped is None else self.shipped.name

    @property
    def results(self) -> Path:
        """The folder for what is made with it: its own, or one below `runs` for weights that a package ships."""
        return self.path if self.shipped is None else ROOT / self.shipped.name

    @property
    def prior_name(self) -> str:
        """The kind of its prior, or `of its own` if it is built in."""
        return self.entry.prior.name if self.entry.prior else "of its own"

    @property
    def state(self) -> str:
        """The state: running, interrupted, diverged or done."""
        return str(self.record.get("state"))

    @property
    def info(self) -> DataInfo:
        """Shape and classes of the pictures that the model was built for."""
        try:
            return DataInfo.load(self.record["data"])
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{self.path / 'run.json'} is damaged: `data` is not readable ({error!r})") from None

    def differences_from(self, entry: Entry) -> list[str]:
        """List what differs in an entry, e.g. `train.epochs: 24 -> 12`.

        Values that were fitted to the pictures are compared as they were before, unless `entry` has them typed.
        """
        typed = entry.typed
        if typed is None:
            return differences(self.entry.spelt_alike(), entry.spelt_alike())
        dumped = self.dump_before_fit(typed)
        released = [name for name in self.record.get("held", []) if not is_fixed(name, typed)]
        return [*differences(dumped, entry.spelt_alike()), *(f"{name}: as typed -> fitted" for name in released)]

    def dump_before_fit(self, typed: Collection[str] = ()) -> dict[str, Any]:
        """Return the entry as JSON, with the options that follow the pictures as they were before, but for `typed`."""
        dumped = self.entry.spelt_alike()
        for option, (old, _) in self.record.get("fitted", {}).items():
            if not is_fixed(option, typed):
                set_nested(dumped, option.split("."), old)
        return dumped

    def log(self) -> list[dict[str, Any]]:
        """Read the metrics of each epoch; RunError if the log is damaged or missing."""
        from zoo.runs.metrics_log import read_epochs

        rows = read_epochs(self.path / "metrics.jsonl")
        if not rows and self.state == "done":
            raise RunError(f"{self.path / 'metrics.jsonl'} is missing or damaged")
        return rows

    def kept_epoch(self) -> dict[str, Any]:
        """Return the metrics of the epoch whose weights were kept; the run must be done."""
        from zoo.runs.metrics_log import kept_row

        return kept_row(self.log(), self.entry.train.model_dump())

    def __repr__(self) -> str:
        """Describe the run in one line."""
        return f"<Run {self.path}: {self.entry.name} on {self.entry.data.name}, {self.state}>"

    def _repr_html_(self) -> str:
        """Return the HTML that a notebook shows."""
        from zoo.display.html import key_value_table, titled_block

        about: dict[str, object] = {"entry": self.entry.name, "state": self.state, "data": self.entry.data.name}
        about |= {key: self.record.get(key) for key in ("parameters", "seconds", "device", "reason")}
        with suppress(RunError, KeyError, IndexError, TypeError):
            kept = self.kept_epoch()
            about |= {
                "kept epoch": kept["epoch"],
                **{f"validation {key}": value for key, value in kept["valid"].items()},
            }
        return titled_block(str(self.path), key_value_table(about))

    def model(self, device: torch.device | str = "cpu", overrides: Iterable[str] = ()) -> Model:
        """Load the trained model in eval mode.

        `overrides` may change options that do not affect the weights.
        """
        from torch.random import fork_rng

        from zoo.core.tensor_files import load_into
        from zoo.models.base import saved_weights_follow
        from zoo.registry.build import build_model

        entry, weights = self.with_overrides(overrides), self.weights()
        with (
            saved_weights_follow(),
            fork_rng(devices=[]),
        ):  # fresh weights are replaced, so leave the random state alone
            model = build_model(entry, self.info)
        load_into(model, weights, str(self.path / "weights.safetensors"))
        return model.to(device).eval()

    def __call__(self, pictures: AnyPictures, device: str = "auto", views: str = ONE_VIEW) -> Predictions:
        """Compute the class probabilities of pictures.

        The model stays loaded for the next call.

        Args:
            pictures: One or several paths, folders, PIL images, and arrays of NumPy or torch: uint8 or floats of 0 to
                1, with the channels first or last. Other sizes and colours are brought to the shape of the model.
            device: "cpu", "cuda", "cuda:1", "mps", or "auto" for the fastest of this machine.
            views: What probabilities are averaged over: "none", "flip", "shift" or "flip+shift", as in `zoo.evaluate`.

        Returns:
            The probability of every class for each picture, in their order.

        Raises:
            ZooError: If the model is not a classifier.
            DataError: If a picture cannot be read.

        Example:
            >>> import zoo
            >>> zoo.load("cnn")("seven.png")[0].label  # doctest: +SKIP
            '7'
        """
        from zoo.models.averaging import with_views
        from zoo.models.device import autocast_type, choose_device
        from zoo.runs.apply import classify

        torch_device = choose_device(device)
        autocast = autocast_type(torch_device, self.entry.train.precision)
        model = with_views(self.calibrated(self.loaded(torch_device)), views, self.label)
        return classify(model, self.info.classes, pictures, self.recipe, torch_device, autocast)

    def embed(self, pictures: AnyPictures, device: str = "auto") -> Tensor:
        """Compute features of pictures by a classifier, or their codes by a generator.

        Args:
            pictures: One or several pictures, as for a call of the run.
            device: "cpu", "cuda", "cuda:1", "mps", or "auto" for the fastest of this machine.

        Returns:
            On the CPU: the inputs of a classifier's last linear layer, float32 (N, D), or a generator's most likely
            codes, float32 or, for code words, int64 (N, *shape).

        Raises:
            ZooError: If the model has neither features nor codes, or there are no pictures.
            DataError: If a picture cannot be read.

        Example:
            >>> import zoo
            >>> zoo.load("cnn").embed(["seven.png", "eight.png"]).shape  # doctest: +SKIP
            torch.Size([2, 284])
        """
        from zoo.models.device import autocast_type, choose_device
        from zoo.runs.apply import embed

        torch_device = choose_device(device)
        autocast = autocast_type(torch_device, self.entry.train.precision)
        return embed(self.loaded(torch_device), pictures, self.recipe, torch_device, autocast)

    @property
    def calibration(self) -> Calibration | None:
        """The calibration that `zoo evaluate --calibrate` kept for its weights; None without one.

        That of weights that a package ships is among the results made with them, or comes with them.
        """
        from zoo.runs.calibration import read_calibration

        return read_calibration((self.results, self.path), self.record.get("weights_sha256"))

    def calibrated(self, model: Model) -> Model:
        """Return its classifier with the temperature of `zoo evaluate --calibrate`, and say so, or else the model."""
        from zoo.models.base import Classifier
        from zoo.models.calibration import with_temperature

        if not isinstance(model, Classifier) or (found := self.calibration) is None:
            return model
        note(f"{self.label} is calibrated: its scores are divided by {found.temperature:.4g}", usual=True)
        return with_temperature(model, found.temperature)

    def loaded(self, device: torch.device) -> Model:
        """Return the trained model on a device, which stays loaded for the next call."""
        key = str(device), self.record.get("weights_sha256")
        if key not in self._loaded:
            self._loaded = {key: self.model(device)}
        return self._loaded[key]

    @property
    def recipe(self) -> Recipe:
        """How pictures are brought to the run's shape.

        Other aspect ratios are fitted as the run's data option `fit` says, or else cropped to the centre.
        """
        from zoo.data.decode import Recipe

        channels, height, width = self.info.shape
        spec = self.entry.data.spec
        fit = spec.fit if isinstance(spec, PictureSpec) else "crop"
        return Recipe(height, width, channels, fit, same_size=False, all_grey=False)

    def weights(self) -> dict[str, Tensor]:
        """Read the kept weights by name, after checking them; RunError if there are none."""
        from zoo.core.tensor_files import from_half, read_weights

        if not (self.path / "weights.safetensors").exists() and self.state in UNFINISHED:
            raise RunError(f"{self.path} has not finished", f"resume with: {self.record.get('command', 'zoo train')}")
        if self.state == "diverged" and "weights_sha256" not in self.record:
            text = f"{self.path} diverged before its first epoch ended, so it has no weights"
            raise RunError(text, "train again with a lower train.lr")
        weights = read_weights(self.path, self.record.get("weights_sha256"))
        return from_half(weights) if self.record.get("stored_as") == "float16" else weights

    def with_overrides(self, overrides: Iterable[str]) -> Entry:
        """Return the run's entry with `key=value` overrides."""
        dumped = self.entry.dump()
        return resolve_entry(apply_overrides(RawEntry(dumped.pop("name"), dumped, {}), overrides))


def read_files(path: Path) -> tuple[dict[str, Any], Any]:
    """Read the record and the entry of a run.

    Raises RunError if they are damaged or from a newer zoo.
    """
    record = read_record(path / "run.json", SCHEMA)
    entry = read_json(path / "entry.json")
    if record.pop("seal", None) != digest(record) or record.get("entry_sha256") != digest(entry):
        text = f"{path} is damaged: run.json or entry.json is not what the zoo wrote"
        raise RunError(text, "restore it from a copy, or delete the folder and repeat the command")
    check_record(record, path / "run.json")
    return record, entry


def read_json(path: Path) -> Any:
    """Read a JSON file of a run folder."""
    try:
        return load_json(path)
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{path.parent} is not a run folder: it has no {path.name}") from None
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise RunError(f"{path} is damaged: {str(error)[:120]}") from None


def read_record(path: Path, newest: int) -> dict[str, Any]:
    """Read a JSON file with a schema version; RunError if it is newer."""
    record = read_json(path)
    if not isinstance(record, dict) or not isinstance(record.get("schema"), int):
        raise RunError(f"{path} is damaged: it has no schema version")
    if record["schema"] > newest:
        raise RunError(
            f"{path.parent} was written by a newer zoo ({record.get('zoo')})", "upgrade pixel-zoo to read it"
        )
    return record


RECORD_TYPES: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("zoo", "command", "device", "state", "started", "finished", "reason"), str),
    **dict.fromkeys(("weights_sha256", "stored_as", "origin"), str),
    **dict.fromkeys(("data", "pictures", "fingerprints", "teacher", "distill", "versions", "init_from"), dict),
    **dict.fromkeys(("threads", "parameters"), int),
    "seconds": (int, float),
    **dict.fromkeys(("skipped", "held", "notes"), list),
    "fitted": dict,
}
"""Types of the values in run.json that commands use."""


NEVER_NULL = {"zoo", "device", "state", "data", "pictures", "fingerprints", "parameters", "seconds", "fitted", "held"}


def check_record(record: dict[str, Any], path: Path) -> None:
    """Raise RunError if a value in run.json has another type than the zoo writes."""
    for key, types in RECORD_TYPES.items():
        value = record.get(key)
        wrong = not isinstance(value, types) or isinstance(value, bool)
        known = key in record and (value is not None or key in NEVER_NULL)
        if (known and wrong) or (isinstance(value, float | int) and not 0 <= value < 2**63):
            raise RunError(f"{path} is damaged: {key!r} is {value!r:.60}")
    for key in ("fingerprints", "teacher", "versions"):
        if any(not isinstance(value, str) for value in (record.get(key) or {}).values()):
            raise RunError(f"{path} is damaged: {key!r} holds values that are no text")
    if any(type(count) is not int for count in record.get("pictures", {}).values()):
        raise RunError(f"{path} is damaged: 'pictures' holds values that are no counts")
    if any(not isinstance(value, list) or len(value) != 2 for value in record.get("fitted", {}).values()):
        raise RunError(f"{path} is damaged: 'fitted' holds values that are no pairs")
    if any(not isinstance(name, str) for name in record.get("held", ())):
        raise RunError(f"{path} is damaged: 'held' holds names that are no text")


class Record(dict[str, Any]):
    """The values in run.json; a missing one is damage."""

    def __init__(self, values: dict[str, Any], path: Path) -> None:
        super().__init__(values)
        self.path = path

    def __missing__(self, key: str) -> Any:
        raise RunError(f"{self.path} is damaged: it has no {key!r}")

    def __reduce__(self) -> tuple[type[Record], tuple[dict[str, Any], Path]]:
        return type(self), (dict(self), self.path)


def differences(old: Any, new: Any, path: str = "") -> list[str]:
    """List the differences between two entries, e.g. `model.first: 46 -> 32`."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(key for key in new if key not in old)]
        return [line for key in keys for line in differences(old.get(key), new.get(key), f"{path}.{key}".strip("."))]
    return [] if old == new or path == "summary" else [f"{path}: {old} -> {new}"]


def utc_now() -> str:
    """Return the current time in UTC, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def missing_packages(record: dict[str, Any]) -> list[str]:
    """Return the plugin packages that a run was trained with and that are not installed, e.g. `zoo-acme==1.0`."""
    found = record.get("versions")
    names = found if isinstance(found, dict) else {}
    plugins = [name for name in names if PACKAGE.fullmatch(name) and name not in {*LIBRARIES, "python", "system"}]
    return [
        f"{name}=={names[name]}" if PACKAGE.fullmatch(str(names[name])) else name
        for name in plugins
        if not is_installed(name)
    ]


def is_installed(package: str) -> bool:
    """Return whether a package is installed."""
    try:
        version(package)
    except (PackageNotFoundError, ValueError):
        return False
    return True


def versions(entry: Entry) -> dict[str, str]:
    """Return the versions of Python, system and packages that affect the results of a run."""
    plugins = {component.plugin.distribution for component in entry.components.values()}
    names = {*LIBRARIES, *plugins}
    found = {"python": sys.version.split()[0], "system": f"{platform.system()} {platform.machine()}"}
    for name in sorted(names):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
