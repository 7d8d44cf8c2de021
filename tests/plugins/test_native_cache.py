"""Cached libraries: one that another user could have written is built anew, and never run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from zoo_classifiers import native

from zoo.core import ResourceError, private_cache_dir
from zoo.core.files import atomic_write

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no native kernel on Windows")
BUILT: list[list[str]] = []


@pytest.fixture(autouse=True)
def compiler(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """A compiler that writes a word."""
    BUILT.clear()

    def run(command: list[str], given: str = "") -> str:
        if "-o" in command:
            BUILT.append(command)
            Path(command[-1]).write_bytes(b"library")
        return "macros"

    monkeypatch.setattr(native, "run_compiler", run)


def test_a_library_is_built_once(cache: Path) -> None:
    path = native.build_library("c++", [])
    assert path == native.build_library("c++", []) and len(BUILT) == 1
    assert path.parent.parent == cache.parent / "kernels"
    assert native.build_library("c++", ["-O1"]) != path


@pytest.mark.parametrize("how", ["mode", "owner", "link"])
def test_a_library_of_another_user_is_not_run(how: str, cache: Path, tmp_path: Path) -> None:
    path = native.build_library("c++", [])
    if how == "mode":
        path.write_bytes(b"hostile")
        path.chmod(0o666)
    elif how == "owner":
        if os.geteuid():
            pytest.skip("only the administrator gives files away")
        path.write_bytes(b"hostile")
        os.chown(path, 65534, 65534)
    else:
        (tmp_path / "x.so").write_bytes(b"hostile")
        path.unlink()
        path.symlink_to(tmp_path / "x.so")
        with pytest.raises(ResourceError, match="symbolic link"):
            native.build_library("c++", [])
        return
    again = native.build_library("c++", [])
    assert again.read_bytes() == b"library" and not again.stat().st_mode & 0o022 and len(BUILT) == 2


@pytest.mark.parametrize("which", ["kernels", "."])
def test_a_folder_that_others_may_write_is_not_used(
    which: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = native.build_library("c++", [])
    (cache.parent / which).chmod(0o777)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    second = native.build_library("c++", [])
    assert second != first and len(BUILT) == 2
    assert second.is_relative_to(tmp_path / "home"), "it goes to the user's own cache"
    (tmp_path / "home").chmod(0o777)
    third = private_cache_dir("kernels/key")
    assert not third.is_relative_to(tmp_path) and third.stat().st_mode & 0o777 == 0o700
    assert private_cache_dir("kernels/key") == third
    assert (cache.parent / which).stat().st_mode & 0o777 == 0o777, "what others share is left as it is"


def test_a_library_is_never_open_to_others_while_it_is_built(cache: Path) -> None:
    before = os.umask(0)
    try:
        path = native.build_library("c++", [])
        with atomic_write(path.with_name("other"), private=True) as temporary:
            temporary.write_bytes(b"x")
    finally:
        os.umask(before)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o777 == 0o644
