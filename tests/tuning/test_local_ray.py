"""A Ray of this machine alone is reached by nobody else, and its folder is short, private and swept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from zoo.core.errors import InterruptedRun, ResourceError
from zoo.training.signals import catch_signals
from zoo.tuning import local_ray
from zoo.tuning.callbacks import TuneCallback
from zoo.tuning.cluster import ClusterOptions, check_address
from zoo.tuning.engine import Engine
from zoo.tuning.local_ray import (
    FOLDER_PREFIX,
    LOCK_FILE,
    fits_sockets,
    own_token,
    private_folder,
    short_folder,
    sweep_leftovers,
)

Patch = pytest.MonkeyPatch
posix = pytest.mark.skipif(sys.platform == "win32", reason="sockets of Ray have no path there, and files no mode")
STRANGER = """
import sys
from ray._raylet import GcsClient
GcsClient(address=sys.argv[1]).internal_kv_keys(b"", None, timeout=10)
print("in")
"""
STUDY = """
import json, os, stat, subprocess, sys
from pathlib import Path

import psutil
import ray

from zoo.tuning.callbacks import TuneCallback
from zoo.tuning.cluster import ClusterOptions, quiet_ray, ray_cluster

def stranger(**variables):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    words = [sys.executable, "-c", sys.argv[1], ray.get_runtime_context().gcs_address]
    done = subprocess.run(words, env=kept | variables, capture_output=True, text=True)
    return done.stdout.strip() or ("refused" if "AuthenticationError" in done.stderr else done.stderr)

def listening():
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        yield from (each.laddr.ip for each in process.net_connections("tcp") if each.status == "LISTEN")

with quiet_ray(), ray_cluster(ClusterOptions(address=None, parallel=None, device="cpu")):
    ray.get(ray.remote(lambda: 1).remote())
    path = Path(os.environ["RAY_AUTH_TOKEN_PATH"])
    token = path.read_text()
    found = {
        "addresses": sorted({each.removeprefix("::ffff:") for each in listening()}),
        "modes": [oct(stat.S_IMODE(each.stat().st_mode)) for each in (path, path.parent)],
        "strangers": [stranger(), stranger(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="a" * 64)],
        "owner": stranger(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=token),
        "shown": any(token in " ".join(each.cmdline()) for each in psutil.Process().children(recursive=True)),
    }
print(json.dumps(found | {"left": path.parent.exists(), "mode": os.environ.get("RAY_AUTH_MODE")}))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into processes as Linux shows them")
def test_nobody_else_reaches_ray(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    words = [sys.executable, "-c", STUDY, STRANGER]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout or pytest.fail(done.stderr))
    assert found["addresses"] == ["127.0.0.1"]
    assert found["modes"] == ["0o600", "0o700"]
    assert (found["strangers"], found["owner"]) == (["refused", "refused"], "in")
    assert not found["shown"] and not found["left"]
    assert found["mode"] == "disabled"
    assert not (tmp_path / ".ray").exists(), "Ray's own token, which all may read, is not needed"


@posix
def test_a_long_folder_for_temporary_files_is_not_taken(tmp_path: Path, monkeypatch: Patch) -> None:
    long = tmp_path / ("j" * 90)
    long.mkdir()
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", str(long))
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert tempfile.gettempdir() == str(long)
    assert fits_sockets(short_folder()) and not fits_sockets(long)
    monkeypatch.setattr(local_ray, "fits_sockets", lambda folder: False)
    with pytest.raises(ResourceError, match=f"the folder {long} of TMPDIR is too long for the path of a socket; set"):
        short_folder()


@posix
def test_ray_tmpdir_chooses_the_folder(monkeypatch: Patch) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        with private_folder() as private:
            assert private.parent == Path(folder) and private.stat().st_mode & 0o777 == 0o700
        assert list(Path(folder).iterdir()) == []


@posix
def test_folders_of_killed_processes_are_swept(tmp_path: Path, monkeypatch: Patch) -> None:
    (tmp_path / "elsewhere").mkdir()
    for name in ("left", "held", "young"):
        (tmp_path / f"{FOLDER_PREFIX}{name}" / "r").mkdir(parents=True)
    (tmp_path / f"{FOLDER_PREFIX}link").symlink_to(tmp_path / "elsewhere")
    for name in ("left", "held", "link"):
        os.utime(tmp_path / f"{FOLDER_PREFIX}{name}", (0, 0))
    with FileLock(tmp_path / f"{FOLDER_PREFIX}held" / LOCK_FILE):
        os.utime(tmp_path / f"{FOLDER_PREFIX}held", (0, 0))
        sweep_leftovers(tmp_path)
    names = {path.name.removeprefix(FOLDER_PREFIX) for path in tmp_path.iterdir()}
    assert names == {"held", "young", "link", "elsewhere"}


def test_the_environment_is_put_back(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "theirs")
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    with own_token(tmp_path / "token"):
        assert "RAY_AUTH_TOKEN" not in os.environ
        assert os.environ["RAY_AUTH_TOKEN_PATH"] == str(tmp_path / "token")
    assert os.environ["RAY_AUTH_TOKEN"] == "theirs" and "RAY_AUTH_TOKEN_PATH" not in os.environ


def test_an_address_says_where_it_comes_from(monkeypatch: Patch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(
        ResourceError, match=r"127\.0\.0\.1:1 \(RAY_ADDRESS in the environment\): .*; .* unset RAY_ADDR"
    ):
        check_address(ClusterOptions.choose(None, None, "cpu"))
    with pytest.raises(ResourceError, match=r"127\.0\.0\.1:2: .*; .* leave out --address"):
        check_address(ClusterOptions.choose("127.0.0.1:2", None, "cpu"))
    monkeypatch.setenv("RAY_ADDRESS", "local")
    assert ClusterOptions.choose(None, None, "cpu").address is None


class FakeLedger:
    """Stands in for a ledger."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.entry, self.trials = folder, None, dict[int, Any]()


def test_a_request_to_stop_while_ray_starts_is_told_and_kept(tmp_path: Path, monkeypatch: Patch) -> None:
    told: list[str] = []

    class Callback(TuneCallback):
        def note(self, text: str) -> None:
            told.append(text)
            raise RuntimeError("reentrant call inside a stream")

    def press(name: str) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("zoo.tuning.engine.import_module", press)
    monkeypatch.setattr("zoo.tuning.engine.read_pictures", lambda entry: {})
    monkeypatch.setattr("zoo.tuning.engine.ray_cluster", lambda *args: pytest.fail("Ray is not started any more"))
    ledger: Any = FakeLedger(tmp_path)
    with catch_signals() as stop:
        engine = Engine(ledger, ClusterOptions(None, None, "cpu"), Callback(), stop, "zoo tune toy")
        with pytest.raises(InterruptedRun, match="stopped before the first trial"):
            engine.run()
        assert stop.on_request is None
    assert told == ["stopping the start of Ray (press Ctrl-C again to stop at once)"]
