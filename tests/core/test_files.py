"""Files: a kill leaves the old content or the new, names are legal everywhere, a full disk is one line."""

from __future__ import annotations

import json
import os
import random
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from zoo.core import files
from zoo.core.errors import ResourceError, ZooError
from zoo.core.files import (
    atomic_write,
    cache_dir,
    check_name,
    digest,
    non_finite_to_none,
    remove_temporary_files,
    replace,
    sha256,
    write_json,
    write_text,
)
from zoo.core.temporary import host, scratch_folder

WRITER = """
import sys
from pathlib import Path
from zoo.core.files import write_json
print('ready', flush=True)
for number in range(10**9):
    write_json(Path(sys.argv[1]), {'number': number, 'rest': [number] * 20_000})
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_kills_leave_a_whole_file(tmp_path: Path) -> None:
    path, chance, newest = tmp_path / "state.json", random.Random(0), -1
    write_json(path, {"number": -1, "rest": []})
    for _ in range(15):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as child:
            assert child.stdout and child.stdout.readline() == b"ready\n"
            time.sleep(chance.uniform(0.0, 0.15))
            child.kill()
        content = json.loads(path.read_text(encoding="utf-8"))
        assert content["rest"] == [content["number"]] * (20_000 if content["number"] >= 0 else 0)
        newest = max(newest, content["number"])
    assert newest > 0
    remove_temporary_files(tmp_path)
    assert os.listdir(tmp_path) == ["state.json"]  # noqa: PTH208 - names are wanted


def test_a_failure_leaves_the_old_content_and_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.txt"
    write_text(path, "old\n")
    for error in (ValueError("no"), KeyboardInterrupt()):
        with pytest.raises(type(error)), atomic_write(path) as temporary:
            temporary.write_text("new", encoding="utf-8")
            raise error
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, float("nan"))
    assert path.read_bytes() == b"old\n"
    assert [file.name for file in path.parent.iterdir()] == ["a.txt"]


@pytest.mark.skipif(os.name == "nt", reason="Windows syncs no folders")
def test_a_new_name_outlasts_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[bool, bool]] = []

    def fsync(handle: int) -> None:
        mode = os.fstat(handle).st_mode
        synced.append((stat.S_ISDIR(mode), (tmp_path / "a").exists()))
        if stat.S_ISDIR(mode):
            raise OSError(22, "Invalid argument")  # as some network disks answer

    monkeypatch.setattr(os, "fsync", fsync)
    write_text(tmp_path / "a", "x")
    assert synced == [(False, False), (True, True)]


def test_what_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ResourceError, match=r"^cannot save .*: (Not a directory|File exists)") as caught:
        write_text(tmp_path / "file" / "a.txt", "x")
    assert caught.value.code == 7
    with pytest.raises(ResourceError, match=r"^cannot save .*: File name too long"):
        write_text(tmp_path / ("a" * 300), "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ResourceError, match=r"^cannot save "):
        write_text(tmp_path / "folder", "x")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder"]


FULL = """
import resource, sys
from pathlib import Path
import torch
from zoo.core.files import write_text
from zoo.core.tensor_files import save_tensors
from zoo.core import ResourceError
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
folder = Path(sys.argv[1])
for name in 'ab':
    try:
        if name == 'a':
            write_text(folder / name, 'x' * 9000)
        save_tensors(folder / name, {'w': torch.zeros(9000)})
    except ResourceError as error:
        print(error)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs a limit on the size of files")
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == [f"cannot save {tmp_path / name}" for name in "ab"]
    assert all("free some space" in line for line in lines)
    assert list(tmp_path.iterdir()) == []


def test_windows_locks_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    real = Path.replace

    def busy(self: Path, target: Path) -> Path:
        if len(waits) < 3:
            raise PermissionError
        return real(self, target)

    source = tmp_path / "a"
    source.touch()
    target = tmp_path / "b"
    monkeypatch.setattr(time, "sleep", waits.append)
    monkeypatch.setattr(Path, "replace", busy)
    with pytest.raises(PermissionError):
        replace(source, target)
    monkeypatch.setattr(files, "WINDOWS", True)
    replace(source, target)
    assert waits == [0.02, 0.05, 0.1] and target.exists()


def test_a_windows_lock_that_stays_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(self: Path, target: Path) -> Path:
        raise PermissionError(13, "Permission denied")

    waits: list[float] = []
    monkeypatch.setattr(files, "WINDOWS", True)
    monkeypatch.setattr(time, "sleep", waits.append)
    monkeypatch.setattr(Path, "replace", busy)
    with pytest.raises(ResourceError, match="Permission denied"):
        write_text(tmp_path / "a", "x")
    assert 2 < sum(waits) < 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["cnn", "cnn-1", "A.b_c-9", "x" * 63, "console", "com10", "nul-1"])
def test_names_that_are_legal_everywhere(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *"_.-*?|",
        "",
        "..",
        "a/b",
        "a\\b",
        "../a",
        "/a",
        "C:",
        "C:\\a",
        "a:b",
        "a b",
        "a.",
        "-a",
        ".a",
        "_a",
        "a\n",
        "a\0",
        "é",
    ],
)
def test_names_with_other_characters(name: str) -> None:
    with pytest.raises(ZooError, match="cannot be a folder name: use letters") as caught:
        check_name(name)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 250


@pytest.mark.parametrize("name", ["con", "CON", "nul.txt", "com1", "Lpt9.x", "aux", "prn", "a" * 64, "a" * 300])
def test_names_that_windows_reserves_or_that_are_too_long(name: str) -> None:
    with pytest.raises(ZooError, match="cannot be a folder name"):
        check_name(name)


def test_cache_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.setenv("ZOO_CACHE", "~/zoo")
    assert cache_dir() == Path.home() / "zoo"
    monkeypatch.delenv("ZOO_CACHE")
    assert cache_dir().name == "pixel-zoo"


def test_numbers_that_json_has_no_word_for() -> None:
    nan, inf = float("nan"), float("inf")
    assert non_finite_to_none({"a": nan, "b": [1.5, -inf, (inf, 2)], "c": "nan", "d": True}) == {
        "a": None,
        "b": [1.5, None, [None, 2]],
        "c": "nan",
        "d": True,
    }


def test_digests(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "abc")
    assert sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert digest({"a": 1, "b": [1.5, None]}) == digest({"b": [1.5, None], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})


@pytest.mark.skipif(sys.platform == "win32", reason="nobody is told there whether a process runs")
def test_scratch_folders_of_killed_processes_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    here, dead = host(), subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = {
        "killed": f"zoo-probe-{here}-{dead.pid}-abcdefgh",
        "running": f"zoo-probe-{here}-{os.getpid()}-abcdefgh",
        "elsewhere": f"zoo-probe-00000000-{dead.pid}-abcdefgh",
        "elsewhere and old": f"zoo-probe-00000000-{dead.pid}-bbbbbbbb",
        "of zoo 1.0": "zoo-probe-abc_efg1",
        "young of zoo 1.0": "zoo-probe-abc_efg2",
        "other": "zoo-probe-notes",
    }
    for name in names.values():
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.begun").touch()
    (tmp_path / f"zoo-plugins-{here}-{dead.pid}-abcdefgh").symlink_to(tmp_path / names["other"])
    for name in ("elsewhere and old", "of zoo 1.0", "other"):
        os.utime(tmp_path / names[name], (0, 0))
    made = scratch_folder("probe")
    assert made.name.startswith(f"zoo-probe-{here}-{os.getpid()}-") and made.stat().st_mode & 0o777 == 0o700
    left = {key for key, name in names.items() if (tmp_path / name).exists()}
    assert left == {"running", "elsewhere", "young of zoo 1.0", "other"}
    assert (tmp_path / names["other"] / "0.begun").exists()
