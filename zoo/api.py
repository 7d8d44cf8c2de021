"""The typed API: what the command line does, as functions. `import zoo` shows them all."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import __version__
from zoo.catalog import Catalog, catalog
from zoo.entry import Entry, resolve, with_train
from zoo.errors import InterruptedRun, JobError, ZooError
from zoo.registry import Registry, read_registry
from zoo.results import append, make_result, results_of
from zoo.runs import Run, choose_folder, find_run, held, now, versions
from zoo.spec import options

if TYPE_CHECKING:
    from zoo.prediction import Prediction
    from zoo.training.watch import Watch

Paths = Iterable[str | Path]


@dataclass(frozen=True)
class EntryInfo:
    """An entry as `zoo list` shows it."""

    name: str
    summary: str
    kind: str
    plugin: str
    needs: list[str]
    """Why it cannot be used now; empty if it can."""
    results: list[dict[str, Any]]


@dataclass(frozen=True)
class Trained:
    """What a training gave."""

    run: Path
    epochs: int
    metrics: dict[str, float]
    """Metrics of the kept weights over the validation pictures."""
    weights_sha256: str


def registry(extra: Paths = ()) -> tuple[Registry, list[str]]:
    """All registry layers with some files on top, and what was left out."""
    return read_registry(catalog(), [Path(path) for path in extra])


def entry(name: str, overrides: Iterable[str] = (), registries: Paths = ()) -> Entry:
    """An entry of the registry with `key=value` overrides, validated."""
    return resolve(catalog(), registry(registries)[0].resolve(name, overrides))


def entries(registries: Paths = ()) -> list[EntryInfo]:
    """Every entry of the registry, also those that cannot be used now."""
    found, _ = registry(registries)
    return [describe(found, name) for name in found.entries]


def describe(found: Registry, name: str) -> EntryInfo:
    """One entry for a listing."""
    summary = kind = ""
    try:
        raw = found.resolve(name)
        summary, kind = str(raw.data.get("summary", "")), str(raw.data.get("model", {}).get("kind", ""))
        chosen = resolve(catalog(), raw)
    except ZooError as error:
        return EntryInfo(name, summary, kind, "", [str(error)], [])
    return EntryInfo(name, summary, kind, chosen.model.plugin.name, [], results_of(chosen, found.results))


def show(name: str, overrides: Iterable[str] = (), registries: Paths = (), measure: bool = True) -> dict[str, Any]:
    """All about an entry; with `measure` also its parameters and FLOPs for its own data, which imports torch."""
    found, _ = registry(registries)
    chosen = resolve(catalog(), found.resolve(name, overrides))
    about: dict[str, Any] = {"name": name, "summary": chosen.summary, "hash": chosen.hash()}
    about |= {"kind": chosen.model.name, "plugin": str(chosen.model.plugin), "parameters": None, "flops": None}
    if measure:
        from zoo.build import count

        info = chosen.data_kind.info(chosen.data.spec)
        size = count(chosen, info)
        about |= {"parameters": size.parameters, "flops": size.flops, "shape": list(info.shape)}
    about["spec"] = chosen.dump()
    about["options"] = [
        {
            "name": f"{section}.{option.name}",
            "type": option.type,
            "default": option.default,
            "search": None if option.search is None else str(option.search),
            "help": option.help,
        }
        for section, spec in (("data", chosen.data.spec), ("model", chosen.model.spec), ("train", chosen.train))
        for option in options(type(spec))
    ]
    about["results"] = results_of(chosen, found.results)
    return about


def train(
    name: str,
    *overrides: str,
    seed: int | None = None,
    out: str | Path | None = None,
    device: str = "auto",
    fresh: bool = False,
    registries: Paths = (),
    watch: Watch | None = None,
) -> Trained:
    """Train an entry, or go on with an unfinished run of it.

    `overrides` are `key=value` texts as on the command line. An unfinished run of exactly this entry goes on where it
    stopped; with the same seed on the same machine the weights are bit for bit those of an undisturbed run.
    """
    chosen = entry(name, overrides, registries)
    if seed is not None:
        chosen = with_train(chosen, seed=seed)
    from zoo.training.device import choose_device

    place = choose_device(device)
    path, before = choose_folder(chosen, catalog(), None if out is None else Path(out), fresh)
    with held(path):
        # Another process may have finished it between the look and the lock.
        before = Run.open(path, catalog()) if (path / "run.json").exists() else before
        if before is not None and before.state not in {"running", "interrupted"}:
            return trained(before)
        return train_in(path, before, chosen, str(place), watch)


def train_in(path: Path, before: Run | None, chosen: Entry, device: str, watch: Watch | None) -> Trained:
    """Train in a folder that this process holds."""
    import torch

    from zoo.build import build_data, build_model, count
    from zoo.tensors import write_weights
    from zoo.training.device import seed_all
    from zoo.training.loop import Job, fit
    from zoo.training.watch import Nobody

    watch = watch or Nobody()
    splits, skipped = build_data(chosen.data)
    for file, reason in skipped[:3]:
        watch.note(f"skipped {file}: {reason}")
    size = count(chosen, splits.info)
    seed_all(chosen.train.seed)
    model = build_model(chosen, splits.info)
    pictures = {"train": len(splits.train), "valid": len(splits.valid), "test": len(splits.test)}
    data = {name: list(value) for name, value in splits.info._asdict().items()}
    if before is not None and (before.record["data"], before.record["pictures"]) != (data, pictures):
        raise ZooError(f"the pictures have changed since {path} began", "train on them with --fresh")
    run = before or Run.create(
        path,
        chosen,
        {
            "zoo": __version__,
            "versions": versions(chosen),
            "command": command_line(),
            "device": device,
            "threads": torch.get_num_threads(),
            "data": data,
            "pictures": pictures,
            "skipped": [list(pair) for pair in skipped[:100]],
            "parameters": size.parameters,
            "flops": size.flops,
            "seconds": 0.0,
        },
    )
    watch.note(f"{chosen.name} on {chosen.data.name}: {size.parameters:,} parameters, run {path}, {device}")
    start = time.monotonic()

    def finish(state: str, **values: Any) -> None:
        run.update(state=state, seconds=round(run.record["seconds"] + time.monotonic() - start, 1), **values)

    job = Job(model, splits, chosen.train, path, torch.device(device), size.flops, watch)
    try:
        weights = fit(job)
    except InterruptedRun as stop:
        finish("interrupted")
        raise InterruptedRun(
            f"interrupted; the state is saved. Go on with: {run.record['command']}", stop.code
        ) from None
    except JobError:
        finish("diverged", finished=now())
        raise
    sha256 = write_weights(path, weights)
    finish("done", finished=now(), weights_sha256=sha256)
    from zoo.training.state import StateFolder

    StateFolder(path / "state", 0).clear()
    return trained(run)


def trained(run: Run) -> Trained:
    """The result of a run that is done."""
    if run.state != "done":
        raise JobError(f"{run.path} ended as {run.state}", "train anew with --fresh")
    rows = run.log()
    kept = min(rows, key=lambda row: row["valid"].get("loss", 0.0)) if run.entry.train.keep == "best" else rows[-1]
    return Trained(run.path, len(rows), kept["valid"], str(run.record["weights_sha256"]))


def command_line() -> str:
    """The command as it was typed, for messages that say how to go on."""
    program = Path(sys.argv[0]).name.removesuffix(".exe")
    start = "python -m zoo" if program == "__main__.py" else shlex.quote(program)
    return f"{start} {shlex.join(sys.argv[1:])}"


def load(run: str | Path) -> Run:
    """Open a run folder, or the newest run of an entry; `.model()` gives the trained model."""
    return find_run(str(run), catalog())


def evaluate(
    run: str | Path,
    *overrides: str,
    split: str = "test",
    device: str = "auto",
    record: str | Path | None = None,
    data_name: str = "",
) -> dict[str, Any]:
    """Metrics of a run over a split, per class where it is a classifier; `record` appends them to a registry file.

    `overrides` may change options that leave the weights as they are, and the data (`data.root=...`). `data_name` is
    what a recorded result calls the pictures, by default their kind.
    """
    from zoo.build import build_data
    from zoo.evaluation import evaluate as compute
    from zoo.evaluation import outputs
    from zoo.training.device import autocast_type, choose_device

    opened, place = load(run), choose_device(device)
    changed = opened.changed(overrides)
    model = opened.model(place, overrides)
    splits, _ = build_data(changed.data)
    if splits.info.classes != opened.info.classes:
        theirs, ours = (", ".join(info.classes) for info in (splits.info, opened.info))
        raise ZooError(f"the run knows the classes {ours}; the data has {theirs}"[:300])
    pictures = {"train": splits.train, "valid": splits.valid, "test": splits.test}[split]
    if not len(pictures):
        raise ZooError(f"the {split} split has no pictures")
    found = outputs(model, pictures, opened.info, place, autocast_type(place, changed.train.precision))
    about = {"run": str(opened.path), "split": split, "pictures": len(pictures), "classes": list(opened.info.classes)}
    result = about | compute(catalog(), found)
    if averaging := getattr(model, "averaging", ""):
        result["averaging"] = averaging
    if record is not None:
        append(Path(record), make_result(opened.entry, data_name or changed.data.name, result, opened.record))
    return result


def predict(run: str | Path, pictures: Sequence[str | Path], device: str = "auto") -> Prediction:
    """Class and probability of picture files and of the pictures in folders."""
    from zoo.prediction import predict as compute

    return compute(load(run), [Path(path) for path in pictures], device)


def schema() -> dict[str, Any]:
    """The JSON schema of registry.yaml, for editors."""
    from zoo.jsonschema import registry_schema

    return registry_schema(catalog())


def bench(
    name: str, *overrides: str, device: str = "auto", seconds: float = 20.0, registries: Paths = ()
) -> dict[str, Any]:
    """Training speed of an entry beside a plain eager PyTorch loop of the same model, in alternation."""
    from zoo.speed import measure
    from zoo.training.device import choose_device

    return measure(entry(name, overrides, registries), choose_device(device), seconds)


__all__ = [
    "Catalog",
    "EntryInfo",
    "Trained",
    "bench",
    "entries",
    "evaluate",
    "load",
    "predict",
    "schema",
    "show",
    "train",
]
