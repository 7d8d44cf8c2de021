"""The command line: help, listings, errors and their exit codes."""

from __future__ import annotations

import errno
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zoo
from zoo.cli import main
from zoo.cli.app import COMMANDS
from zoo.core.errors import InterruptedRun, JobError
from zoo.registry.catalog import catalog
from zoo.registry.listing import load_entry as resolve_entry
from zoo.registry.listing import show
from zoo.registry.plugins.discover import Plugin
from zoo.runs.lock import lock_folder

pytestmark = pytest.mark.usefixtures("home")
HEAVY = ("torch", "ray", "optuna", "timm", "numpy", "sklearn", "matplotlib", "PIL")
ERROR = {"code", "name", "message", "hint"}

Capture = pytest.CaptureFixture[str]


def modules_after(*argv: str) -> set[str]:
    """What is imported by a command in a process of its own."""
    code = f"import sys; from zoo.cli import main; main({list(argv)}); print('\\n' + ' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_help_imports_nothing_heavy() -> None:
    assert not modules_after("--help") & {*HEAVY, "pydantic", "ruamel.yaml", "rich", "pluggy"}


@pytest.mark.parametrize(
    "argv", [("list",), ("plugins",), ("show", "cnn", "--options"), ("schema",), ("runs",), ("cache",)]
)
def test_a_listing_imports_no_torch(argv: tuple[str, ...]) -> None:
    assert not modules_after(*argv) & set(HEAVY)


def test_help_names_every_command(capsys: Capture) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert main([]) == 0
    assert capsys.readouterr().out == text
    assert all(f"\n  {name} " in text for name in COMMANDS)
    for name in COMMANDS:
        assert main([name, "--help"]) == 0
        assert capsys.readouterr().out.startswith(f"Usage: zoo {name} ")


def test_version(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"pixel-zoo {zoo.__version__}\n"


def test_python_dash_m_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "zoo", "trian"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: no command 'trian'; did you mean 'train'?\n"


BAD = [
    (["--nonsense"], 2, "no such option '--nonsense'; see zoo --help"),
    (
        ["train", "cnn", "--epochs", "2"],
        2,
        "no such option '--epochs'; options of an entry are set with KEY=VALUE: train.epochs=2",
    ),
    (
        ["train", "cnn", "epochs=2"],
        2,
        "did you mean train.epochs=2? See all with: zoo show cnn --options",
    ),
    (["show"], 2, "missing argument 'NAME'; name an entry, e.g. zoo show cnn; zoo list shows them all"),
    (["show", "cnm"], 2, "no entry 'cnm'; did you mean 'cnn'?"),
    (["show", "cnn", "model.firt=3"], 2, "cnn.model.firt is not an option; did you mean 'model.first'?"),
    (["train", "cnn", "train.epochs=0"], 2, "cnn.train.epochs: input should be greater than or equal to 1, got 0"),
    (["train", "cnn", "--seed", "-1"], 2, "cnn.train.seed: input should be greater than or equal to 0, got -1"),
    (["train", "cnn", "--device", "abacus"], 2, "no device 'abacus'"),
    (["train", "cnn", "--data", "phots"], 3, "'phots' is neither a data kind nor a path; "),
    (["train", "cnn", "--data", "notes.txt"], 3, "notes.txt is a file that does not end in .parquet"),
    (["train", "cnn", "--data", "empty"], 3, "empty has neither pictures (empty/CLASS/*.png) nor .parquet files"),
    (["list", "--registry", "nix.yaml"], 2, "nix.yaml"),
    (["evaluate", "nix"], 2, "no run 'nix'"),
    (["evaluate", "empty"], 5, "empty is not a run folder: it has no run.json"),
    (["predict", "nix", "a.png"], 2, "no run 'nix'"),
    (["studies", "--storage", "a\0b"], 2, "has a null character or half of one; remove it"),
    (["studies", "--storage", "a\ud800b"], 2, "has a null character or half of one; remove it"),
]


@pytest.mark.parametrize(("argv", "code", "text"), BAD)
def test_a_mistake_is_one_line_and_an_exit_code(
    home: Path, capsys: Capture, argv: list[str], code: int, text: str
) -> None:
    (home / "notes.txt").touch()
    (home / "empty").mkdir()
    assert main(argv) == code
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("error: ")
    assert text in err
    assert main([*argv, "--json"]) == code
    out, err = capsys.readouterr()
    error = json.loads(out)["error"]
    assert error.keys() == ERROR
    assert (error["code"], err.count("\n")) == (code, 1)
    assert error["message"] in err


FAILURES: list[tuple[BaseException, int, str]] = [
    (JobError("the loss is not finite", "lower train.lr"), 1, "error: the loss is not finite; lower train.lr\n"),
    (OSError(errno.ENOSPC, "No space left on device", "runs/x"), 7, "error: runs/x: No space left on device\n"),
    (PermissionError(errno.EACCES, "Permission denied", "runs"), 7, "error: runs: Permission denied\n"),
    (MemoryError(), 7, "error: out of memory; try a smaller train.batch or model\n"),
    (
        RuntimeError("DefaultCPUAllocator: not enough memory"),
        7,
        "error: out of memory: DefaultCPUAllocator: not enough memory; try a smaller train.batch or model\n",
    ),
    (KeyboardInterrupt(), 130, "\ninterrupted\n"),
    (InterruptedRun("interrupted; go on with: zoo train cnn", 143), 143, "interrupted; go on with: zoo train cnn\n"),
    (BrokenPipeError(), 141, ""),
]


def failing(error: BaseException) -> Callable[..., Any]:
    """A function that raises."""

    def fail(*args: Any, **kwargs: Any) -> Any:
        raise error

    return fail


@pytest.mark.parametrize(("error", "code", "text"), FAILURES, ids=lambda value: type(value).__name__)
def test_a_failure_has_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, error: BaseException, code: int, text: str
) -> None:
    monkeypatch.setattr("zoo.training.train.train", failing(error))
    assert main(["train", "cnn"]) == code
    assert capsys.readouterr() == ("", text)


def test_a_reader_that_goes_away_is_no_fault() -> None:
    command = [sys.executable, "-m", "zoo", "list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_an_entry_that_extends_nothing_does_not_hide_the_others(home: Path, capsys: Capture) -> None:
    (home / "registry.yaml").write_text("version: 1\nentries:\n  lost: {extends: nix}\n", encoding="utf-8")
    assert main(["list"]) == 0
    out, err = capsys.readouterr()
    assert "\ncnn " in out
    assert "lost cannot be used: registry.yaml:3: lost extends 'nix', which does not exist" in err


def test_a_bug_leaves_a_traceback_in_a_file(monkeypatch: pytest.MonkeyPatch, home: Path, capsys: Capture) -> None:
    monkeypatch.setattr("zoo.cli.commands.list.load_registry", failing(RuntimeError("surprise")))
    assert main(["list"]) == 70
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    (file,) = (home.parent / "cache" / "crashes").iterdir()
    assert str(file) in err
    assert "RuntimeError: surprise" in err
    assert "Traceback (most recent call last)" in file.read_text(encoding="utf-8")


def test_traceback_shows_where_an_error_comes_from(capsys: Capture) -> None:
    assert main(["show", "cnm", "--traceback"]) == 2
    err = capsys.readouterr().err
    assert "Traceback (most recent call last)" in err
    assert err.endswith("error: no entry 'cnm'; did you mean 'cnn'?\n")


def test_a_kind_of_a_broken_plugin_is_missing(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, home: Path, capsys: Capture
) -> None:
    plugins = [*catalog().plugins, Plugin("acme", "acme-zoo", "1.2", error="ImportError: no module named acme")]
    monkeypatch.setattr("zoo.registry.catalog.discover", lambda: plugins)
    catalog.cache_clear()
    request.addfinalizer(catalog.cache_clear)
    (home / "registry.yaml").write_text("version: 1\nentries:\n  moe: {model: {kind: moe}}\n", encoding="utf-8")
    assert main(["show", "moe"]) == 4
    assert "plugin acme (acme-zoo 1.2) is broken: ImportError: no module named acme" in capsys.readouterr().err
    assert main(["list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "acme" in found["problems"][0]
    assert {entry["name"]: bool(entry["needs"]) for entry in found["entries"]} | {"moe": True, "cnn": False} == {
        entry["name"]: bool(entry["needs"]) for entry in found["entries"]
    }
    assert main(["plugins", "--json"]) == 0
    states = {plugin["name"]: plugin["state"] for plugin in json.loads(capsys.readouterr().out)["plugins"]}
    assert (states["acme"], states["data"]) == ("broken", "ok")


def test_a_run_in_use_by_another_process_is_locked(capsys: Capture) -> None:
    with lock_folder(Path("runs/other")):
        assert main(["train", "cnn", "--out", "runs/other"]) == 6
    assert "runs/other is in use by pid" in capsys.readouterr().err


def test_a_damaged_run_and_one_of_a_newer_zoo(run: Path, capsys: Capture) -> None:
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    (run / "run.json").write_text(json.dumps(record | {"schema": 99, "zoo": "7.0"}), encoding="utf-8")
    assert main(["evaluate", str(run)]) == 5
    assert "written by a newer zoo (7.0)" in capsys.readouterr().err
    (run / "run.json").write_text(json.dumps(record), encoding="utf-8")
    weights = run / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    assert main(["evaluate", str(run)]) == 5
    assert "weights.safetensors is damaged" in capsys.readouterr().err


RESULTS: list[dict[str, Any]] = [
    {"of": "00000000", "data": "digits", "split": "test", "metrics": {"loss": 0.01, "accuracy": 0.99}},
    {"data": "digits", "split": "test", "metrics": {"loss": 0.07, "accuracy": 0.9}, "parameters": 874764},
    {"data": "digits", "split": "test", "metrics": {"loss": 0.05, "accuracy": 0.95}, "parameters": 874764},
    {"data": "digits", "split": "test", "metrics": {"accuracy": 0.99}},
    {"data": "digits", "split": "valid", "metrics": {"loss": 0.02}},
    {"data": "digits", "metrics": {"loss": 0.02}},
    {"data": "mnist", "split": "test", "metrics": {"loss": 0.03}},
    {"data": "easy", "split": "test", "metrics": {"loss": 0.001}},
    {"data": "mnist", "split": "test", "metrics": {"loss": 0.04}},
]


def listed(capsys: Capture, rows: list[dict[str, Any]], *argv: str) -> str:
    """What `zoo list` prints with these results of an entry `mine`, a cnn for the digits."""
    entries = {"mine": {"extends": "cnn", "data": {"kind": "digits"}}}
    path = Path("registry.yaml")
    path.write_text(json.dumps({"version": 1, "entries": entries}), encoding="utf-8")
    of = resolve_entry("mine").hash()
    results = [{"entry": "mine", "of": of} | row for row in rows]
    path.write_text(json.dumps({"version": 1, "entries": entries, "results": results}), encoding="utf-8")
    assert main(["list", *argv]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("rows", "shown"),
    [
        (RESULTS, "loss 0.05, accuracy 0.95 874,764 digits"),
        (RESULTS[:1], "loss 0.01, accuracy 0.99 (stale) digits"),
        (RESULTS[4:], "loss 0.03 mnist"),
        ([RESULTS[0], *RESULTS[7:8]], "loss 0.001 easy"),
        (RESULTS[4:6], "cnn classifiers"),
    ],
)
def test_list_shows_the_best_of_the_results_that_compare(
    capsys: Capture, rows: list[dict[str, Any]], shown: str
) -> None:
    (line,) = (line for line in listed(capsys, rows).splitlines() if line.startswith("mine "))
    assert " ".join(line.split()).endswith(f" {shown}")


def test_list_as_json_has_all_results(capsys: Capture) -> None:
    found = json.loads(listed(capsys, RESULTS, "--json"))
    assert found.keys() == {"entries", "problems"}
    entry = next(entry for entry in found["entries"] if entry["name"] == "mine")
    assert {"name", "summary", "kind", "plugin", "needs", "results"} <= entry.keys()
    assert [row["stale"] for row in entry["results"]] == [True] + [False] * (len(RESULTS) - 1)


def test_show_tells_size_options_and_what_is_set(capsys: Capture) -> None:
    assert main(["show", "cnn", "data.kind=cifar10"]) == 0
    out = capsys.readouterr().out
    assert "875,592 parameters, " in out
    assert " MFLOP per picture on 3x32x32 pictures of cifar10" in out
    assert main(["show", "vae"]) == 0
    assert ["prior.kind", "vamp"] in [line.split() for line in capsys.readouterr().out.splitlines()]
    assert main(["show", "cnn", "model.first=40", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"name", "parameters", "flops", "spec", "options", "results"} <= found.keys()
    assert found["spec"]["model"]["first"] == 40
    assert main(["show", "cnn", "--options"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("model.first "))
    assert line.split()[:6] == ["model.first", "46", "46", "int", "1..4096", "8..64"]
    assert line.endswith("Channels after the first block.")


def test_what_a_plugin_prints_does_not_spoil_the_json(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    real = show

    def noisy(*args: Any, **kwargs: Any) -> Any:
        print("hello from a plugin")
        return real(*args, **kwargs)

    monkeypatch.setattr("zoo.cli.commands.show.show", noisy)
    assert main(["show", "cnn", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["name"] == "cnn"
    assert "hello from a plugin" in err


def test_show_without_the_data_still_shows_the_rest(capsys: Capture) -> None:
    assert main(["show", "cnn", "data.kind=folder", "data.path=nix", "--json"]) == 0
    out, err = capsys.readouterr()
    assert "nix does not exist" in err
    assert json.loads(out)["parameters"] is None


def test_text_that_a_console_cannot_show(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = "two\u202elines \x1b[31m日本 é"
    body = {"version": 1, "entries": {"mine": {"extends": "cnn", "summary": summary}}}
    (home / "registry.yaml").write_text(json.dumps(body), encoding="utf-8")
    for argv in (["list"], ["list", "--json"]):
        bytes_out = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(bytes_out, encoding="cp1252", write_through=True))
        assert main(argv) == 0
        text = bytes_out.getvalue().decode("cp1252")
        assert "\x1b" not in text
    assert summary in {entry["summary"] for entry in json.loads(text)["entries"]}


def test_the_schema_is_json(capsys: Capture) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["$schema"].endswith("2020-12/schema")


def test_a_home_folder_is_expanded_where_shells_leave_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    assert main(["front", "--data=digits", "--out=~/f.png"]) == 0
    assert (home / "f.png").is_file()
    assert not Path("~").exists()
    assert main(["front", "--data=digits", "--out", "~/g.png"]) == 0
    assert (home / "g.png").is_file()
