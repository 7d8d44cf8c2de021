"""Run folders: opened, found, gone on with and held; what is damaged is one line with the right exit code."""

from __future__ import annotations

import importlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import Install
from zoo.cli import main
from zoo.core.errors import LockedError, MissingError, ResourceError, RunError, ZooError
from zoo.core.files import digest, write_json
from zoo.core.tensor_files import write_weights
from zoo.core.types import DataInfo
from zoo.registry.build import build_model
from zoo.registry.catalog import catalog
from zoo.registry.entry import Entry, resolve_entry
from zoo.registry.layers import read_registry
from zoo.runs.choose_folder import choose_folder
from zoo.runs.find import find_run
from zoo.runs.lock import lock_folder
from zoo.runs.run import Run, differences, versions

pytestmark = pytest.mark.usefixtures("home")
INFO = DataInfo((1, 8, 8), ("a", "b", "c"), (0.25,), (0.5,))
SMALL = ("model.blocks=2", "model.first=2", "model.last=4", "model.head=0", "model.final=2", "train.epochs=20")


def entry(*overrides: str) -> Entry:
    """The shipped cnn, very small."""
    return resolve_entry(read_registry()[0].resolve("cnn", [*SMALL, *overrides]))


def make(path: str | Path, state: str = "done", **values: Any) -> Run:
    """A run folder as a training leaves it."""
    data = {name: list(value) for name, value in INFO._asdict().items()}
    run = Run.create(Path(path), entry(), {"data": data, "zoo": "0.1.0", "command": "zoo train cnn"})
    torch.manual_seed(0)
    sha256 = write_weights(run.path, build_model(run.entry, INFO).state_dict())
    run.update(state=state, weights_sha256=sha256, **values)
    return run


def change(path: Path, **values: Any) -> None:
    """Change a JSON file by hand."""
    write_json(path, json.loads(path.read_text(encoding="utf-8")) | values)


def refused(path: Path, kind: type[ZooError] = RunError) -> str:
    """The line that opening the folder and building the model gives."""
    with pytest.raises(kind) as caught:
        Run.open(path).model()
    assert caught.value.code == kind.code and str(caught.value).isprintable()
    return str(caught.value)


def test_a_run_folder_is_read_as_it_was_written() -> None:
    made = make("runs/cnn-1")
    run = Run.open(Path("runs/cnn-1"))
    assert (run.entry, run.record, run.info, run.state) == (made.entry, made.record, INFO, "done")
    model = run.model()
    torch.manual_seed(0)
    fresh = build_model(run.entry, INFO).state_dict()
    assert not model.training
    assert all(torch.equal(value, fresh[name]) for name, value in model.state_dict().items())
    assert run.with_overrides(["data.limit=3"]).data.dump()["limit"] == 3
    assert run.with_overrides([]) == run.entry


def test_overrides_that_change_the_weights_are_refused() -> None:
    run = make("runs/cnn-1")
    with pytest.raises(RunError, match="contains the weights of another model"):
        run.model(overrides=["model.first=3"])
    with pytest.raises(ZooError, match="is not an option"):
        run.model(overrides=["model.frist=3"])


def test_every_mutation_of_its_json_is_refused_or_harmless() -> None:
    made, chance, count = make("runs/cnn-1"), random.Random(0), 0
    for name in ("run.json", "entry.json"):
        path = made.path / name
        whole = path.read_bytes()
        for _ in range(150):
            at, size = chance.randrange(len(whole)), chance.randint(0, 8)
            path.write_bytes(whole[:at] + chance.randbytes(chance.choice([0, size])) + whole[at + size :])
            try:
                run = Run.open(made.path)
            except RunError as error:
                assert str(error).isprintable()
                count += 1
            else:
                assert (run.record, run.entry) == (made.record, made.entry)
        path.write_bytes(whole)
    assert count > 200


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "run.json is damaged: Expecting value"),
        ("[]", "run.json is damaged: it has no schema version"),
        ("{}", "run.json is damaged: it has no schema version"),
        ('{"schema": "1"}', "run.json is damaged: it has no schema version"),
        ('{"schema": 1}', "is damaged: run.json or entry.json is not what the zoo wrote"),
        ("[" * 100_000, "run.json is damaged: "),
        ('{"schema": 1, "notes": NaN}', "run.json is damaged: NaN is not a finite number"),
        ('{"schema": 1, "notes": [1e999]}', "run.json is damaged: 1e999 is not a finite number"),
    ],
)
def test_a_damaged_record(content: str, expected: str) -> None:
    run = make("runs/cnn-1")
    (run.path / "run.json").write_text(content, encoding="utf-8")
    assert expected in refused(run.path)


def test_a_newer_run_says_so_even_if_nothing_else_is_understood() -> None:
    run = make("runs/cnn-1")
    change(run.path / "run.json", schema=2, zoo="9.0")
    (run.path / "entry.json").unlink()
    assert refused(run.path) == f"{run.path} was written by a newer zoo (9.0); upgrade pixel-zoo to read it"


def test_missing_parts() -> None:
    run = make("runs/cnn-1", state="done")
    (run.path / "weights.safetensors").unlink()
    assert refused(run.path).endswith("weights.safetensors is missing")
    run.update(state="interrupted")
    assert refused(run.path) == f"{run.path} has not finished; resume with: zoo train cnn"
    (run.path / "entry.json").unlink()
    assert refused(run.path).endswith("is not a run folder: it has no entry.json")
    run.update(data={"shape": [1, 8, 8], "classes": ["a"], "mean": [0.1, 0.2], "std": [0.1]})
    with pytest.raises(RunError, match="`data` is not readable"):
        _ = run.info


@pytest.mark.parametrize(
    "values",
    [
        *({"seconds": None}, {"parameters": None}, {"pictures": None}, {"pictures": {"train": "x"}}, {"held": [1]}),
        *({"held": None}, {"fitted": 3}, {"fitted": {"train.batch": 3}}, {"fitted": {"train.batch": [1]}}),
    ],
)
def test_values_of_other_types_are_refused(values: dict[str, Any]) -> None:
    run = make("runs/cnn-1")
    run.update(**values)
    assert refused(run.path).startswith(f"{run.path / 'run.json'} is damaged: {next(iter(values))!r}")


@pytest.mark.parametrize("key", ["seconds", "weights_sha256", "fingerprints", "pictures", "parameters"])
def test_a_missing_value_is_damage(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(Path(__file__).parents[1] / "golden" / "runs" / "comparison", "runs/comparison")
    path = Path("runs/comparison/01-seed0/run.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    del record[key], record["seal"]
    write_json(path, record | {"seal": digest(record)})
    with pytest.raises(RunError, match=f"it has no '{key}'"):
        _ = Run.open(path.parent).record[key]
    if key == "seconds":
        options = "data.limit=200 model.blocks=2 model.first=4 model.last=8 model.head=0 train.compile=off"
        words = [*options.split(), "train.epochs=1", "model.norm=none,before", "--name", "comparison"]
        assert main(["compare", "cnn", *words]) == 5
        assert "run.json is damaged: it has no 'seconds'" in capsys.readouterr().err


def test_weights_and_manifest_of_another_run_are_refused() -> None:
    one, two = make("runs/cnn-1"), make("runs/cnn-2")
    torch.manual_seed(1)
    two.update(weights_sha256=write_weights(two.path, build_model(two.entry, INFO).state_dict()))
    for name in ("weights.safetensors", "manifest.json"):
        (one.path / name).write_bytes((two.path / name).read_bytes())
    assert "belongs to the weights of another run" in refused(one.path)
    assert Run.open(two.path).model()


PLUGIN = """
import zoo
class Options(zoo.Spec):
    width: int = 3
@zoo.hookimpl
def zoo_models():
    yield zoo.ModelKind('odd', Options, print)
"""


def test_a_run_whose_plugin_is_broken_or_gone(install: Install) -> None:
    path = install("odd", PLUGIN)
    chosen = resolve_entry(read_registry()[0].resolve("cnn", ["model.kind=odd"]))
    Run.create(Path("runs/odd-1"), chosen, {})
    path.write_text("raise ImportError('no luck')", encoding="utf-8")
    sys.modules.pop(path.stem)
    catalog.cache_clear()
    expected = (
        "runs/odd-1/entry.json: cnn.model: no model kind 'odd'; plugin odd (zoo-odd 1.0) is broken: ImportError: no l"
    )
    assert refused(Path("runs/odd-1"), MissingError).replace("\\", "/").startswith(expected)


def test_a_run_whose_plugin_is_gone_names_the_package(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    path = install("odd", PLUGIN)
    chosen = resolve_entry(read_registry()[0].resolve("cnn", ["model.kind=odd"]))
    Run.create(Path("runs/odd-1"), chosen, {"versions": versions(chosen)})
    shutil.rmtree(path.parent / "zoo_odd-1.0.dist-info")
    path.unlink()
    importlib.invalidate_caches()
    catalog.cache_clear()
    assert main(["evaluate", "odd-1"]) == 4
    assert capsys.readouterr().err.strip().endswith("pip install zoo-odd==1.0")
    assert main(["runs"]) == 0
    assert "odd-1" in capsys.readouterr().out


EPOCH = '{"stage": "model", "epoch": 1, "valid": {"loss": 1.0}}\n'


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        *(('{"epoch": 1}\n', "one of its lines is not an epoch"), ("3\n", "not an epoch"), ("", "missing")),
        (f'{EPOCH}{{"stage": \n{EPOCH}', "not an epoch"),
        (f"\n{EPOCH}", "not an epoch"),
        (f"{EPOCH}{EPOCH.replace('1', 'NaN')}", "not an epoch"),
    ],
)
def test_a_damaged_log(content: str, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = make("runs/cnn-1")
    (run.path / "metrics.jsonl").write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match=expected):
        run.log()
    assert main(["runs"]) == 0
    assert not content or "damaged" in capsys.readouterr().out


def test_the_log_without_its_torn_last_line() -> None:
    run = make("runs/cnn-1")
    (run.path / "metrics.jsonl").write_text(
        '{"stage": "model", "epoch": 1, "valid": {"loss": 1.0}}\n{"epoch": 2, "va', encoding="utf-8"
    )
    assert [row["epoch"] for row in run.log()] == [1]


def test_find(home: Path) -> None:
    for name in ("cnn-1", "cnn-2", "cnn-10", "cnn-separable-11", "mine"):
        make(f"runs/{name}")
    (home / "runs" / "cnn-99").mkdir()
    (home / "other").mkdir()
    cases = {
        "cnn": "cnn-10",
        "cnn-2": "cnn-2",
        "runs/mine": "mine",
        str(home / "runs" / "cnn-1"): "cnn-1",
        "mine": "mine",
    }
    assert {text: find_run(text).path.name for text in cases} == cases
    with pytest.raises(RunError, match=r"^other is not a run folder: it has no run\.json; the run comes first, "):
        find_run("other")
    with pytest.raises(ZooError, match=r"^no run 'cnn-3'; did you mean 'cnn-\d+'\?$"):
        find_run("cnn-3")
    with pytest.raises(ZooError, match=r"^no run of 'vae' in .*runs; train one with: zoo train vae$"):
        find_run("vae")
    with pytest.raises(ZooError, match=r"^no run 'quux' in .*runs; train one with: zoo train ENTRY$"):
        find_run("quux")


@pytest.mark.parametrize("text", ["x" * 300, "a\0b", "*", "[", "../..", "\udcff", "(", ""])
def test_find_takes_any_text(text: str) -> None:
    with pytest.raises(ZooError) as caught:
        find_run(text)
    assert str(caught.value).isprintable()


def choose(*overrides: str, out: str | None = None, fresh: bool = False) -> tuple[str, bool]:
    """The folder that is chosen, and whether a run in it goes on."""
    path, run = choose_folder(entry(*overrides), None if out is None else Path(out), fresh)
    return path.as_posix(), run is not None


def test_folders_are_numbered(home: Path) -> None:
    assert choose() == ("runs/cnn-1", False)
    assert choose() == ("runs/cnn-2", False)
    for name in ("cnn-v7", "cnn-²", "cnn-07", "cnn-9x", "cnn-separable-50", "cnn-"):
        (home / "runs" / name).mkdir()
    make("runs/cnn-10")
    assert choose() == ("runs/cnn-11", False)


def test_only_an_unfinished_run_of_the_same_entry_goes_on() -> None:
    make("runs/cnn-1", state="interrupted")
    make("runs/cnn-2")
    make("runs/cnn-3", state="diverged")
    assert choose() == ("runs/cnn-1", True)
    assert choose(fresh=True) == ("runs/cnn-4", False)
    assert choose("train.seed=1") == ("runs/cnn-5", False)
    make("runs/cnn-6", state="running")
    assert choose() == ("runs/cnn-6", True)
    changed = replace(entry(), summary="another summary")
    assert choose_folder(changed, None, False)[1] is not None


def test_a_run_goes_on_however_its_kinds_are_spelt() -> None:
    run = make("runs/cnn-1", state="interrupted", fitted={"train.epochs": [20, 5]})
    assert choose("model.kind=classifiers:cnn", "data.kind=pixel-zoo:digits") == ("runs/cnn-1", True)
    fitting = replace(entry("model.kind=classifiers:cnn"), typed=frozenset({"model.kind"}))
    assert run.differences_from(fitting) == []


def test_a_damaged_run_of_long_ago_is_passed_over(home: Path) -> None:
    make("runs/cnn-1", state="interrupted")
    (make("runs/cnn-2").path / "run.json").write_text("{", encoding="utf-8")
    change(make("runs/cnn-3").path / "run.json", schema=99)
    assert choose() == ("runs/cnn-1", True)


def test_a_named_folder(home: Path) -> None:
    assert choose(out="new/folder") == ("new/folder", False)
    make("mine", state="interrupted")
    assert choose(out="mine") == ("mine", True)
    with pytest.raises(
        ZooError, match=r"^mine contains a different run: model.first: 2 -> 3; train.epochs: 20 -> 9; choose an"
    ):
        choose("model.first=3", "train.epochs=9", out="mine")
    with pytest.raises(ZooError, match=r"^mine already contains a run; choose another --out for a new run$"):
        choose(out="mine", fresh=True)
    for name in ("left", "full"):
        (home / name).mkdir()
        for file in ("lock", "lock.json", "entry.json", ".run.json.12-34.tmp"):
            (home / name / file).touch()
    assert choose(out="left") == ("left", False)
    (home / "full" / "thesis.tex").touch()
    for text in ("full", "full/thesis.tex"):
        with pytest.raises(ZooError, match=f"^{text} exists but is not a run folder; choose another --out$"):
            choose(out=text)
    for text in ("nul", "a:b", "x" * 70, "a."):
        with pytest.raises(ZooError, match="cannot be a folder name"):
            choose(out=text)
    change(home / "mine" / "run.json", schema=2)
    with pytest.raises(RunError, match="newer zoo"):
        choose(out="mine")


def test_a_folder_that_cannot_be_made(home: Path) -> None:
    (home / "runs").touch()
    with pytest.raises(ResourceError, match=r"^cannot create the folder runs.cnn-1: "):
        choose()
    with pytest.raises(ResourceError, match=r"^cannot lock runs.cnn-1: "), lock_folder(Path("runs/cnn-1")):
        pass


def test_many_at_once_take_a_folder_each() -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(choose(fresh=True)[0])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted(f"runs/cnn-{number}" for number in range(1, 9))


def test_difference() -> None:
    old = {"summary": "a", "model": {"kind": "cnn", "first": 46}, "train": {"stages": {}, "lr": 1}}
    new = {"summary": "b", "model": {"kind": "cnn", "first": 32}, "train": {"stages": {"a": {"lr": 2}}, "lr": 1.0}}
    assert differences(old, new) == ["model.first: 46 -> 32", "train.stages.a: None -> {'lr': 2}"]


HOLDER = """
import sys, time
from pathlib import Path
from zoo.runs.lock import lock_folder
with lock_folder(Path(sys.argv[1])):
    print('held', flush=True)
    time.sleep(600)
"""


@contextmanager
def holder(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds the folder."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE) as child:
        assert child.stdout and child.stdout.readline().strip() == b"held"
        yield child
        child.kill()


def test_a_folder_that_another_process_holds(home: Path) -> None:
    path = make("runs/cnn-1").path
    with holder(path) as child:
        for _ in range(2):
            with pytest.raises(LockedError) as caught, lock_folder(path):
                pass
        text, who = str(caught.value), f"pid {child.pid} on {socket.gethostname()}"
        assert text.startswith(f"{path} is in use by {who} since 20") and caught.value.code == 6
        (path / "lock.json").write_text("{", encoding="utf-8")
        with pytest.raises(LockedError, match="is in use by another process; wait for it"), lock_folder(path):
            pass
        (path / ".weights.safetensors.1-2.tmp").touch()
        child.kill()
        child.wait()
        with lock_folder(path):
            about = json.loads((path / "lock.json").read_text(encoding="utf-8"))
            assert about["pid"] == os.getpid()
    assert sorted(file.name for file in path.iterdir()) == [
        *("entry.json", "lock", "manifest.json", "run.json", "weights.safetensors")
    ]
    with lock_folder(path), pytest.raises(LockedError), lock_folder(path):
        pass


def test_a_folder_in_which_nothing_was_begun_goes_away(home: Path) -> None:
    with pytest.raises(ZooError), lock_folder(home / "runs" / "cnn-1"):
        raise ZooError("the pictures are missing")
    assert list((home / "runs").iterdir()) == []
    with lock_folder(home / "runs" / "cnn-1"):
        make("runs/cnn-1")
    assert (home / "runs" / "cnn-1" / "run.json").exists()


def test_the_newest_finished_run_of_an_entry_is_found_first(run: Path) -> None:
    shutil.copytree(run, "runs/tiny-2")
    find_run("runs/tiny-2").update(state="interrupted")
    assert find_run("tiny").path == run
    find_run(str(run)).update(state="interrupted")
    assert find_run("tiny").path == Path("runs/tiny-2"), "it says how to go on with it"


def test_a_run_of_another_entry_with_such_a_name_is_not_taken(run: Path) -> None:
    from zoo.runs.names import newest_runs

    root = run.parent / "named"
    for name, entry in (("cnn-1", "cnn"), ("cnn-2", "tiny")):
        shutil.copytree(run, root / name)
        about = json.loads((root / name / "entry.json").read_text())
        (root / name / "entry.json").write_text(json.dumps(about | {"name": entry}))
    assert [path.name for path in newest_runs("cnn", root)] == ["cnn-1"]
    shutil.rmtree(root / "cnn-1")
    assert [path.name for path in newest_runs("cnn", root)] == ["cnn-2"]  # the word can only mean this one
