"""`zoo doctor`: a healthy home, and one fault after another."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Install
from zoo.cli import main
from zoo.cli.commands import doctor
from zoo.registry.catalog import Catalog
from zoo.registry.plugins.discover import Plugin

pytestmark = pytest.mark.usefixtures("home")
Capture = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch
Usage = namedtuple("Usage", "total used free")


def only(patch: Patch, *areas: str) -> None:
    """Leave the other checks out."""
    patch.setattr(doctor, "CHECKS", {area: doctor.CHECKS[area] for area in doctor.CHECKS if area in areas})


def found(capsys: Capture, code: int = 0) -> list[dict[str, Any]]:
    """The findings as JSON."""
    capsys.readouterr()
    assert main(["doctor", "--json"]) == code
    document = json.loads(capsys.readouterr().out)
    assert document["code"] == code and document["works"] is not bool(code)
    assert all(bool(row["code"]) == (row["state"] == "problem") for row in document["findings"])
    assert all(row["todo"] for row in document["findings"] if row["state"] == "problem")
    rows: list[dict[str, Any]] = document["findings"]
    return rows


def wrong(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that are not ok."""
    return [row for row in rows if row["state"] != "ok"]


def test_a_healthy_home(home: Path, tmp_path: Path, capsys: Capture) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert main(["doctor"]) == 0
    *lines, summary = capsys.readouterr().out.splitlines()
    areas = [line[9:24].strip() for line in lines]
    assert list(dict.fromkeys(areas)) == [area for area in doctor.CHECKS if area in areas]
    assert set(doctor.CHECKS) - set(areas) <= {"shared memory"}
    assert all(line.split()[0] in {"ok", "note"} for line in lines)
    assert summary.startswith("the zoo works here")
    text = "\n".join(lines)
    assert f"pixel-zoo {importlib.metadata.version('pixel-zoo')}" in text
    assert str(home / "runs") in text and str(tmp_path / "cache") in text and str(tmp_path / "config") in text
    left = {path.name for path in set(tmp_path.rglob("*")) - set(before)}
    assert not {"runs", "config"} & left


def test_the_same_for_programs(monkeypatch: Patch, capsys: Capture) -> None:
    only(monkeypatch, "torch", "data", "plugins", "training step")
    rows = {row["area"]: row for row in found(capsys)}
    assert rows["training step"]["seconds"] > 0
    assert {"data", "classifiers"} <= set(rows["plugins"]["working"])
    kept = [row for row in found(capsys) if row["area"] == "data"]
    assert "digits" in kept[0]["here"] and "cifar10" in kept[1]["absent"]


def hide(patch: Patch, *hidden: str) -> None:
    """Let distributions look as if they were not installed."""
    real = importlib.metadata.Distribution.from_name

    def from_name(name: str) -> importlib.metadata.Distribution:
        if name in hidden:
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    patch.setattr(importlib.metadata.Distribution, "from_name", from_name)


def test_a_missing_extra_is_a_note_with_the_line_that_installs_it(monkeypatch: Patch, capsys: Capture) -> None:
    only(monkeypatch, "extras")
    hide(monkeypatch, "zuko")
    row = next(row for row in found(capsys) if row["extra"] == "zuko")
    assert (row["state"], row["todo"]) == ("note", 'pip install "pixel-zoo[zuko]"')
    assert row["text"].startswith("zuko: zuko>=") and "is not installed" in row["text"]


def test_a_missing_dependency_is_a_problem(monkeypatch: Patch, capsys: Capture) -> None:
    only(monkeypatch, "packages")
    hide(monkeypatch, "filelock", "tensorboardX", "tensorboardx")
    rows = wrong(found(capsys, 4))
    problems = {row["package"]: row for row in rows if row["state"] == "problem"}
    (filelock,) = (row for name, row in problems.items() if name.startswith("filelock>="))
    assert filelock["todo"] == f'pip install "{filelock["package"]}"'
    (ray,) = (row for name, row in problems.items() if name.startswith("ray[tune]>="))
    assert "lacks tensorboard" in ray["text"].lower()


def test_a_dependency_that_is_too_old_is_named(install: Install, monkeypatch: Patch, capsys: Capture) -> None:
    only(monkeypatch, "packages")
    install("old", "", "rich", points="[x]\n", metadata="Metadata-Version: 2.1\nName: rich\nVersion: 1.0\n")
    (row,) = (row for row in wrong(found(capsys, 4)) if row["state"] == "problem")
    assert row["package"].startswith("rich>=") and "1.0 is installed" in row["text"]


def test_a_file_in_place_of_the_cache_folder(tmp_path: Path, home: Path, monkeypatch: Patch, capsys: Capture) -> None:
    only(monkeypatch, "folders")
    (tmp_path / "cache").write_text("", encoding="utf-8")
    (row,) = wrong(found(capsys, 7))
    assert row["folder"] == "cache" and "ZOO_CACHE" in row["todo"]
    (home / "runs").write_text("", encoding="utf-8")
    assert [row["folder"] for row in wrong(found(capsys, 7))] == ["runs", "cache"]
    assert main(["doctor"]) == 7
    assert capsys.readouterr().out.splitlines()[-1] == "2 problems (folders)"


@pytest.mark.parametrize(("free", "state", "code"), [(10**6, "problem", 7), (10**9, "note", 0), (10**12, "ok", 0)])
def test_too_little_disk(free: int, state: str, code: int, monkeypatch: Patch, capsys: Capture) -> None:
    only(monkeypatch, "folders")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 10**12 - free, free))
    rows = [row for row in found(capsys, code) if "free" in row]
    assert [(row["folder"], row["state"], row["free"]) for row in rows] == [
        ("runs", state, free),
        ("cache", state, free),
    ]


def test_a_broken_plugin_is_a_note_with_its_cause(install: Install, monkeypatch: Patch, capsys: Capture) -> None:
    install("sad", "raise RuntimeError('no luck')")
    only(monkeypatch, "plugins")
    (row,) = wrong(found(capsys))
    assert row["plugin"] == "sad" and "no luck" in row["text"] and "pip uninstall zoo-sad" in row["todo"]


def test_a_plugin_that_was_left_out_on_purpose_is_a_note(monkeypatch: Patch, capsys: Capture) -> None:
    only(monkeypatch, "plugins")
    assert main(["doctor", "--no-plugin", "codecs", "--json"]) == 0
    (row,) = wrong(json.loads(capsys.readouterr().out)["findings"])
    assert (row["state"], row["text"]) == ("note", "plugin codecs is blocked by --no-plugin")


def test_a_plugin_of_the_zoo_that_is_broken_is_a_problem(monkeypatch: Patch, capsys: Capture) -> None:
    only(monkeypatch, "plugins")
    broken = Plugin("data", "pixel-zoo", "0.1.0", "ImportError: no sklearn")
    monkeypatch.setattr("zoo.registry.catalog.discover", lambda: [broken])
    (row,) = wrong(found(capsys, 4))
    assert "no sklearn" in row["text"]
    assert Catalog([broken]).names("data") == []


def test_a_registry_file_that_cannot_be_read(home: Path, monkeypatch: Patch, capsys: Capture) -> None:
    only(monkeypatch, "registry", "entries", "torch", "training step")
    (home / "registry.yaml").write_text("version: 1\nentries: {a: [}\n", encoding="utf-8")
    rows = found(capsys, 2)
    (row,) = wrong(rows)
    assert row["area"] == "entries" and row["text"].startswith("registry.yaml:2: ")
    assert str(home / "registry.yaml") in next(row for row in rows if row["area"] == "registry")["files"]


def test_an_entry_that_cannot_be_used(home: Path, monkeypatch: Patch, capsys: Capture) -> None:
    only(monkeypatch, "entries")
    (home / "registry.yaml").write_text("version: 1\nentries: {mine: {model: {kind: moe}}}\n", encoding="utf-8")
    (row,) = wrong(found(capsys))
    assert row["entry"] == "mine" and "moe" in row["text"]


def test_torch_that_cannot_be_imported(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise OSError('libtorch.so: cannot open')", encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-m", "zoo", "doctor"],
        capture_output=True,
        encoding="utf-8",
        check=False,
        env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"},
    )
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "torch cannot be imported: OSError: libtorch.so: cannot open" in done.stdout
    assert done.stdout.count("since torch cannot be imported") == 2
    assert " working: " in done.stdout and " classifiers" in done.stdout and "problem" in done.stdout.splitlines()[-1]


@pytest.mark.parametrize(("code", "cause"), [("import sys; sys.exit(3)", "SystemExit: 3"), ("", "AttributeError: ")])
def test_torch_that_is_none(code: str, cause: str, tmp_path: Path, monkeypatch: Patch, capsys: Capture) -> None:
    (tmp_path / "torch.py").write_text(code, encoding="utf-8")
    only(monkeypatch, "torch", "training step")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    broken, step = wrong(found(capsys, 4))
    assert broken["text"].startswith(f"torch cannot be imported: {cause}")
    assert broken["todo"].startswith("pip install") and step["text"].startswith("not run")


def test_ray_at_an_address_is_named_with_who_is_let_in(tmp_path: Path, monkeypatch: Patch, capsys: Capture) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    only(monkeypatch, "ray")
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    (row,) = wrong(found(capsys))
    assert "RAY_ADDRESS is set, so zoo tune joins the cluster at auto, which accepts everybody" in row["text"]
    assert "RAY_AUTH_MODE=token" in row["todo"]
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    assert "lets in" not in wrong(found(capsys))[0]["text"]


@pytest.mark.skipif(sys.platform == "win32", reason="sockets of Ray have no path there")
def test_a_folder_that_ray_cannot_use(tmp_path: Path, monkeypatch: Patch, capsys: Capture) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    only(monkeypatch, "ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    long = tmp_path / ("x" * 60)
    long.mkdir()
    monkeypatch.setenv("RAY_TMPDIR", str(long))
    (row,) = wrong(found(capsys))
    assert f"{long} of RAY_TMPDIR cannot hold Ray's sockets" in row["text"]
    monkeypatch.setattr("zoo.tuning.local_ray.fits_sockets", lambda folder: False)
    (row,) = wrong(found(capsys, 7))
    assert "of RAY_TMPDIR is too long for the path of a socket" in row["text"]


@pytest.mark.skipif(sys.platform == "win32", reason="files have no mode there")
def test_a_token_of_ray_that_others_can_read(tmp_path: Path, monkeypatch: Patch, capsys: Capture) -> None:
    only(monkeypatch, "ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    token = tmp_path / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text("secret", encoding="utf-8")
    token.chmod(0o644)
    (row,) = [row for row in wrong(found(capsys)) if "auth_token" in row["text"]]
    assert row["todo"] == f"chmod 600 {token}"
    token.chmod(0o600)
    assert not [row for row in wrong(found(capsys)) if "auth_token" in row["text"]]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere processes of any Ray may outlive a kill")
def test_a_ray_that_the_guard_does_not_know(tmp_path: Path, monkeypatch: Patch, capsys: Capture) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    only(monkeypatch, "ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("zoo.tuning.orphan_guard.SUPPORTED_RAY", "1.0.")
    (row,) = wrong(found(capsys))
    assert "may survive a kill for a minute" in row["text"] and "ray[tune]==1.0.*" in row["todo"]


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is built there")
def test_a_compiler_that_fails_and_none(tmp_path: Path, monkeypatch: Patch, capsys: Capture) -> None:
    only(monkeypatch, "compiler")
    bad = tmp_path / "bad-c++"
    bad.write_text("#!/bin/sh\necho no licence >&2\nexit 1\n", encoding="utf-8")
    bad.chmod(0o755)
    monkeypatch.setenv("CXX", str(bad))
    (row,) = wrong(found(capsys))
    assert "no licence" in row["text"] and "install g++" in row["todo"]
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert wrong(found(capsys))[0]["text"] == "no C++ compiler was found"


def test_whatever_an_examination_raises_the_others_go_on(monkeypatch: Patch, capsys: Capture) -> None:
    only(monkeypatch, "python", "console", "cores")

    def fail() -> Any:
        raise ZeroDivisionError("1 / 0")

    monkeypatch.setitem(doctor.CHECKS, "console", fail)
    rows = found(capsys, 4)
    assert [(row["area"], row["state"]) for row in rows] == [
        ("python", "ok"),
        ("console", "problem"),
        ("cores", "ok"),
    ]
    assert rows[1]["text"] == "ZeroDivisionError: 1 / 0"


def test_ctrl_c_ends_it(monkeypatch: Patch, capsys: Capture) -> None:
    def press() -> Any:
        raise KeyboardInterrupt

    monkeypatch.setitem(doctor.CHECKS, "console", press)
    assert main(["doctor"]) == 130
    assert capsys.readouterr().out.startswith("ok")
