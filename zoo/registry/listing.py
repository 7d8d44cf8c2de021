"""The typed API: what the command line does, as functions. `import zoo` shows them all."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.catalog import catalog
from zoo.entry import Entry, resolve, with_train
from zoo.errors import DataError, JobError, ZooError, nearest
from zoo.raw import Raw
from zoo.registry import Registry, read_registry
from zoo.results import append, best_words, make_result, results_of
from zoo.runfolder import ROOT
from zoo.runs import Run, choose_folder, find_run, held
from zoo.spec import options

if TYPE_CHECKING:
    from zoo.data import Pictures
    from zoo.gallery import Gallery
    from zoo.kinds import DataInfo
    from zoo.prediction import Prediction
    from zoo.training.watch import Watch
    from zoo.tuning.study import Studies, Study
    from zoo.tuning.watch import TuneWatch

Paths = Collection[str | Path]
SPLITS = ("train", "valid", "test")
NOBODY = "none"
"""In place of a judge."""
ENTRY_HEADS = ("entry", "what it is", "kind", "plugin", "best result", "parameters", "data")
SPLITTING = ("valid", "test", "split_seed", "limit", "imbalance")


class Trained(NamedTuple):
    """What a training gave."""

    run: Path
    epochs: int
    metrics: dict[str, float]
    """Metrics of the kept weights over the validation pictures."""
    weights_sha256: str

    def _repr_html_(self) -> str:
        """In a notebook."""
        from zoo.notebook import block, pairs

        about = {"epochs": self.epochs, **self.metrics, "weights sha256": self.weights_sha256[:12]}
        return block(str(self.run), pairs(about))


@dataclass(frozen=True)
class EntryInfo:
    """An entry as `zoo list` shows it."""

    name: str
    summary: str
    kind: str
    data: str
    """The kind of its own pictures."""
    plugin: str
    needs: list[str]
    """Why it cannot be used now; empty if it can."""
    results: list[dict[str, Any]]

    @property
    def row(self) -> tuple[str, ...]:
        """It in a table with ENTRY_HEADS."""
        return (self.name, self.summary, self.kind, self.plugin, *best_words(self.results, self.data))

    def _repr_html_(self) -> str:
        """In a notebook."""
        from zoo.notebook import block, pairs

        about: dict[str, object] = dict(zip(ENTRY_HEADS[1:], self.row[1:], strict=True))
        return block(self.name, pairs(about | {"cannot be used": "; ".join(self.needs)}))


class Entries(list[EntryInfo]):
    """Entries that a notebook shows as a table."""

    def _repr_html_(self) -> str:
        """In a notebook."""
        from zoo.notebook import block, line, table

        needs = [line(f"{entry.name} cannot be used: {need}") for entry in self for need in entry.needs]
        return block("", table(ENTRY_HEADS, [entry.row for entry in self], right=[5]), *needs)


def registry(extra: Paths = ()) -> tuple[Registry, list[str]]:
    """All registry layers with some files on top, and what was left out."""
    return read_registry(catalog(), [Path(path) for path in extra])


def entry(name: str, overrides: Iterable[str] = (), registries: Paths = ()) -> Entry:
    """An entry of the registry with `key=value` overrides, validated."""
    return resolve(catalog(), registry(registries)[0].resolve(name, overrides))


def entries(registries: Paths = ()) -> Entries:
    """Every entry of the registry, also those that cannot be used now; a list that a notebook shows as a table."""
    found, _ = registry(registries)
    return Entries(describe(found, name) for name in found.entries)


def describe(found: Registry, name: str) -> EntryInfo:
    """One entry for a listing."""
    summary = kind = ""
    try:
        raw = found.resolve(name)
        summary, kind = str(raw.data.get("summary", "")), str(raw.data.get("model", {}).get("kind", ""))
        chosen = resolve(catalog(), raw)
    except ZooError as error:
        return EntryInfo(name, summary, kind, "", "", [str(error)], [])
    results = results_of(chosen, found.results)
    return EntryInfo(name, summary, kind, chosen.data.name, chosen.model.plugin.name, [], results)


def show(name: str, overrides: Iterable[str] = (), registries: Paths = (), measure: bool = True) -> dict[str, Any]:
    """All about an entry; with `measure` also its parameters and FLOPs for its own data, which imports torch."""
    found, _ = registry(registries)
    raw = found.resolve(name, overrides)
    chosen = resolve(catalog(), raw)
    about: dict[str, Any] = {"name": name, "summary": chosen.summary, "hash": chosen.hash()}
    about |= {"kind": chosen.model.name, "plugin": str(chosen.model.plugin), "parameters": None, "flops": None}
    if measure:
        from zoo.build import count, data_info

        info = data_info(chosen.data)
        size = count(chosen, info)
        about |= {"parameters": size.parameters, "flops": size.flops, "shape": list(info.shape)}
    about["spec"] = chosen.dump() | {"tune": chosen.tune.model_dump(mode="json")}
    searched = search_space(chosen, raw, fixed_by(overrides))
    about["options"] = [
        {
            "name": f"{section}.{option.name}",
            "type": option.type,
            "default": option.default,
            "value": value_at(about["spec"], f"{section}.{option.name}"),
            "search": searched.get(f"{section}.{option.name}"),
            "help": option.help,
        }
        for section, spec in chosen.sections()
        for option in options(type(spec))
    ]
    about["results"] = results_of(chosen, found.results)
    return about


def search_space(chosen: Entry, raw: Raw, fixed: list[str]) -> dict[str, str]:
    """Where `zoo tune` would look, in words, by dotted option; empty where there is nothing to search."""
    from zoo.tuning.space import Space

    try:
        return Space.of(catalog(), raw, chosen, chosen.tune.space, fixed).words()
    except ZooError:
        return {}


def fixed_by(overrides: Iterable[str]) -> list[str]:
    """The options that `key=value` texts set, and that are therefore not searched."""
    keys = (word.partition("=")[0].strip() for word in overrides)
    return [key for key in keys if not key.startswith("tune.")]


def value_at(spec: Any, path: str) -> Any:
    """What stands at a dotted path; None where nothing does."""
    for part in path.split("."):
        spec = spec.get(part) if isinstance(spec, dict) else None
    return spec


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
    from zoo.build import blaming
    from zoo.training.cell import watching
    from zoo.training.device import choose_device
    from zoo.training.session import Session

    place = choose_device(device)
    path, before = choose_folder(chosen, catalog(), None if out is None else Path(out), fresh)
    with held(path):
        # Another process may have finished it between the look and the lock.
        before = Run.open(path, catalog()) if (path / "run.json").exists() else before
        again = "choose another --out" if out else "train anew with --fresh"
        if before is not None and before.state == "diverged":
            raise JobError(f"{path} diverged", f"change its options, or {again}")
        if before is None or before.state != "done":
            command = how_to_go_on("train", name, overrides, {"seed": seed, "out": out, "device": device}, registries)
            session = Session(chosen, path, place, watch or watching(name), command, again)
            with blaming(chosen, "training"):
                before = session.train(before)
        return trained(before)


def trained(run: Run) -> Trained:
    """The result of a run that is done."""
    epochs = sum({row["stage"]: row["epoch"] for row in run.log()}.values())
    return Trained(run.path, epochs, run.kept()["valid"], str(run.record["weights_sha256"]))


def tune(
    name: str,
    *overrides: str,
    trials: int | None = None,
    seconds: float | None = None,
    objective: str | None = None,
    bound: float | None = None,
    max_params: int | None = None,
    fresh: bool = False,
    study: str | None = None,
    address: str | None = None,
    storage: str | Path | None = None,
    parallel: int | None = None,
    device: str = "auto",
    registries: Paths = (),
    watch: TuneWatch | None = None,
) -> Study:
    """Search the options of an entry, or go on with an unfinished study of it.

    What `overrides` set is not searched; those of `tune.` say how to search. Trials run for at most `seconds`, on a Ray
    cluster at `address` or on this machine, `parallel` at a time; run folders are below `storage`/STUDY.
    """
    from zoo.tuning.cell import watching

    watch = watch or watching(seconds)  # in a notebook it hushes what the next lines import
    from zoo.tuning.cluster import Place
    from zoo.tuning.tune import Request
    from zoo.tuning.tune import run_study as search

    raw = registry(registries)[0].resolve(name, overrides)
    options = {"trials": trials, "objective": objective, "bound": bound, "max_params": max_params}
    given: dict[str, Any] = options | {"seconds": seconds, "study": study, "address": address}
    given |= {"storage": storage, "parallel": parallel, "device": device}
    command = how_to_go_on("tune", name, overrides, given, registries)
    request = Request(options, seconds, fresh, study, Path(storage or ROOT), Place(address, parallel, device), command)
    return search(catalog(), raw, fixed_by(overrides), request, watch)


def studies(storage: str | Path | None = None) -> Studies:
    """Every study below a folder, by default `runs`, and what is wrong with those that cannot be read."""
    from zoo.tuning.folder import read_studies as found

    return found(Path(storage or ROOT))


def how_to_go_on(what: str, name: str, overrides: Iterable[str], options: dict[str, Any], registries: Paths) -> str:
    """The command, or the call from Python, that goes on with what was interrupted."""
    program = Path(sys.argv[0]).name.removesuffix(".exe")
    module = Path(sys.argv[0]).parts[-2:] == ("zoo", "__main__.py")
    if module or program == "zoo":
        start = "python -m zoo" if module else program
        return f"{start} {shlex.join(word for word in sys.argv[1:] if word != '--fresh')}"
    given = {key: value for key, value in options.items() if value not in (None, "auto")}
    given |= {"registries": list(registries)} if registries else {}
    words = [repr(word) for word in (name, *overrides)] + [f"{key}={value!r}" for key, value in given.items()]
    return f"zoo.{what}({', '.join(words)})"


def load(run: str | Path) -> Run:
    """Open a run folder, or the newest finished run of an entry; `.model()` gives the trained model."""
    return find_run(str(run), catalog())


def evaluate(
    run: str | Path,
    *overrides: str,
    split: str = "test",
    device: str = "auto",
    record: str | Path | None = None,
    data_name: str = "",
    judge: str = "judge",
    guidance: float = 0.0,
    temperature: float = 1.0,
    tell: Callable[[str], object] = len,
    look: Callable[[Gallery], object] = bool,
) -> dict[str, Any]:
    """Metrics of a run over a split, per class where it is a classifier; `record` appends them to a registry file.

    What a generator makes is shown to a `judge`: a kind of judge, an entry whose classifier is trained on the same
    pictures once and kept in the cache, a run, or `none`; `guidance` and `temperature` are those of the samples. `tell`
    is told what takes long, and `look` is given the pictures that the judge has seen.

    `overrides` may change options that leave the weights as they are, and the data (`data.root=...`). `data_name` is
    what a recorded result calls the pictures, by default their kind.
    """
    from zoo.build import blaming, build_data
    from zoo.evaluation import compute_metrics as compute
    from zoo.evaluation import outputs
    from zoo.judging.appointing import appoint
    from zoo.judging.hanging import hang, manner
    from zoo.latent import Generator
    from zoo.training.device import autocast_type, choose_device

    if split not in SPLITS:
        raise ZooError(f"no split {split!r}", nearest(split, SPLITS))
    opened, place = load(run), choose_device(device)
    changed = opened.changed(overrides)
    model = opened.model(place, overrides)
    how = manner(opened, model, guidance, temperature)
    if judge == NOBODY and how.said():
        raise ZooError("nobody looks at samples, so guidance and temperature change nothing", "leave --judge none out")
    splits, _ = build_data(changed.data)
    pictures: Pictures = getattr(splits, split)
    check_pictures(opened, changed, splits.info, split, pictures)
    with blaming(changed, "evaluation"):
        found = outputs(model, pictures, opened.info, place, autocast_type(place, changed.train.precision))
        if isinstance(model, Generator) and judge != NOBODY:
            appointed = appoint(judge, opened, changed, splits, place, tell)
            found = replace(found, gallery=hang(model, appointed, pictures, splits.train, place, how=how))
    about = {"run": str(opened.path), "split": split, "pictures": len(pictures), "classes": list(opened.info.classes)}
    result: dict[str, Any] = about | compute(catalog(), found)
    if found.gallery:
        result |= {"judge": found.gallery.judge} | how.said()
        look(found.gallery)
    if averaging := getattr(model, "averaging", ""):
        result["averaging"] = averaging
    if record is not None:
        append(Path(record), make_result(opened.entry, data_name or changed.data.name, result, opened.record))
        if opened.entry.hash() != current_hash(opened.entry.name):
            note = f"recorded as stale: the run's options are not those of the entry {opened.entry.name!r}"
            result.setdefault("problems", []).append(note)
    return result


def current_hash(name: str) -> str:
    """The hash of an entry as it is now; empty where there is none that can be used."""
    try:
        return entry(name).hash()
    except ZooError:
        return ""


def check_pictures(run: Run, changed: Entry, info: DataInfo, split: str, pictures: Pictures) -> None:
    """Raise DataError where figures over these pictures would mean nothing, or would be too good to be true."""
    if info.classes != run.info.classes:
        theirs, ours = (", ".join(each.classes) for each in (info, run.info))
        raise DataError(f"the run knows the classes {ours:.100}; the data has {theirs:.100}")
    if info.shape != run.info.shape:
        raise DataError(
            f"the run knows pictures of {run.info.shape}; the data has {info.shape}", "see the data's options"
        )
    if not len(pictures):
        raise DataError(f"the {split} split has no pictures")
    if pictures.fingerprint() == run.record.get("fingerprints", {}).get(split):
        return
    if changed.data.dump() == run.entry.data.dump():
        raise DataError(
            f"the pictures have changed since {run.path} was trained, so its {split} split may hold training pictures",
            "name other data, as in data.path=DIR",
        )
    for name in SPLITTING:
        if getattr(changed.data.spec, name) != getattr(run.entry.data.spec, name):
            raise DataError(f"data.{name} deals the pictures anew, so the {split} split may hold training pictures")


def predict(run: str | Path, pictures: Sequence[str | Path], device: str = "auto") -> Prediction:
    """Class and probability of picture files and of the pictures in folders."""
    from zoo.prediction import predict_files as compute

    return compute(load(run), [Path(path) for path in pictures], device)


def held_out(run: Run) -> Pictures:
    """The test split that a run was trained with; DataError where it is another one now."""
    from zoo.build import build_data

    splits, _ = build_data(run.entry.data)
    check_pictures(run, run.entry, splits.info, "test", splits.test)
    return splits.test


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
