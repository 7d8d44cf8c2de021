"""Two processes that change one file wait for each other, and neither change is lost."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock

import zoo
from zoo.core.errors import LockedError, ResourceError
from zoo.core.yaml import parse
from zoo.evaluation import evaluate
from zoo.registry.results import append_result
from zoo.runs import lock
from zoo.runs.lock import is_locked, lock_file, lock_folder

Patch = pytest.MonkeyPatch
WRITERS, ROWS = 4, 5


def append(registry: Path, writer: int) -> None:
    """Record results as `zoo evaluate --record` does."""
    for number in range(ROWS):
        with lock_file(registry):
            append_result(registry, {"entry": "cnn", "of": "0", "metrics": {}, "seed": writer * ROWS + number})


def test_no_result_of_concurrent_records_is_lost(tmp_path: Path) -> None:
    registry = tmp_path / "registry.yaml"
    with ThreadPoolExecutor(WRITERS) as threads:
        list(threads.map(append, [registry] * WRITERS, range(WRITERS)))
    rows = parse(registry.read_text(encoding="utf-8"), "registry.yaml").data["results"]
    assert sorted(row["seed"] for row in rows) == list(range(WRITERS * ROWS))
    assert [path.name for path in tmp_path.iterdir()] == ["registry.yaml"]


@pytest.mark.parametrize("error", [FileNotFoundError, FileExistsError])
def test_a_lock_whose_folder_goes_at_this_moment_is_taken_again(
    tmp_path: Path, monkeypatch: Patch, error: type[OSError]
) -> None:
    acquire, failures = FileLock.acquire, [error("mkdir")] * 3

    def acquire_late(self: FileLock, timeout: float) -> object:
        if failures:
            raise failures.pop()
        return acquire(self, timeout)

    monkeypatch.setattr(FileLock, "acquire", acquire_late)
    with lock_file(tmp_path / "registry.yaml"):
        assert not failures


def test_a_process_that_only_looks_at_a_lock_stops_nobody(tmp_path: Path) -> None:
    probe = FileLock(tmp_path / "lock", thread_local=False)
    probe.acquire()
    released = threading.Timer(0.1, probe.release)
    released.start()
    with lock_folder(tmp_path):
        assert (tmp_path / "lock.json").exists()
    released.join()


def test_a_file_in_the_place_of_a_lock_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".registry.yaml.lock").touch()
    with pytest.raises(ResourceError, match=r"cannot change .*registry\.yaml"), lock_file(tmp_path / "registry.yaml"):
        pytest.fail("locked what is no folder")


def test_evaluate_holds_the_lock_while_it_records(run: Path, monkeypatch: Patch) -> None:
    held: list[bool] = []
    monkeypatch.setattr(evaluate, "append_result", lambda path, row: held.append(is_locked(Path(".mine.yaml.lock"))))
    zoo.evaluate(run, split="valid", device="cpu", record="mine.yaml")
    assert held == [True] and not Path(".mine.yaml.lock").exists()


def test_a_writer_that_does_not_end_is_named(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr(lock, "FILE_TIMEOUT", 0.0)
    with (
        lock_folder(tmp_path / ".registry.yaml.lock"),
        pytest.raises(LockedError, match=rf"registry.yaml is being changed: .* is in use by pid {os.getpid()} on"),
        lock_file(tmp_path / "registry.yaml"),
    ):
        pytest.fail("got a lock that another has")


def test_both_names_of_a_linked_file_have_one_lock(tmp_path: Path) -> None:
    (tmp_path / "registry.yaml").write_text("version: 1\n", encoding="utf-8")
    (tmp_path / "elsewhere").mkdir()
    try:
        (tmp_path / "elsewhere" / "link.yaml").symlink_to(tmp_path / "registry.yaml")
    except OSError:
        pytest.skip("no links here")
    with lock_file(tmp_path / "elsewhere" / "link.yaml"):
        assert is_locked(tmp_path / ".registry.yaml.lock")
    with lock_file(tmp_path):
        assert not (tmp_path.parent / f".{tmp_path.name}.lock").exists()


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="only others may not write everywhere")
def test_a_folder_that_cannot_be_written_to_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ResourceError, match=r"cannot change .*registry\.yaml"), lock_file(tmp_path / "registry.yaml"):
        pytest.fail("wrote where it must not")
