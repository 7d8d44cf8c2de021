"""The cache of decoded pictures: two sets never share an entry, and nobody else's file is loaded."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zoo.core.temporary import SWEPT
from zoo.data import Loaded, Pictures, file_stamps, load_cached
from zoo.registry.build import build_data
from zoo.registry.listing import load_entry

COUNT = 12


def write_set(root: Path, base: int) -> None:
    """Pictures of two classes, with names, sizes and times that do not depend on their content."""
    for name, level in (("dark", base), ("light", 240 - base)):
        (root / name).mkdir(parents=True)
        for index in range(COUNT):
            path = root / name / f"{index:03d}.bmp"
            Image.fromarray(np.full((8, 8, 3), level + index % 10, "uint8")).save(path)
            os.utime(path, (1, 1))


def fingerprint(root: Path) -> str:
    """The fingerprint of the pictures that a training on a folder would see."""
    entry = load_entry("cnn", ["data.kind=folder", f"data.path={root}", "data.valid=0", "data.test=0"])
    return build_data(entry.data)[0].train.fingerprint()


def test_sets_with_equal_names_sizes_and_times_are_told_apart(home: Path) -> None:
    write_set(home / "A", 20)
    write_set(home / "B", 220)
    write_set(home / "C", 120)
    prints = [fingerprint(home / name) for name in "ABC"]
    assert len(set(prints)) == 3
    assert [fingerprint(home / name) for name in "ABC"] == prints, "from the cache"
    (home / "A").rename(home / "D")
    (home / "B").rename(home / "A")  # another set at the same path
    assert fingerprint(home / "A") == prints[1]
    shutil.rmtree(home / "A")
    write_set(home / "A", 20)
    (home / "link").symlink_to(home / "A")
    assert fingerprint(home / "link") == prints[0]
    (home / "link").unlink()
    (home / "link").symlink_to(home / "C")
    assert fingerprint(home / "link") == prints[2]


def test_a_picture_that_is_changed_in_place_is_seen(home: Path) -> None:
    write_set(home / "A", 20)
    before, path = fingerprint(home / "A"), home / "A" / "light" / "007.bmp"
    about = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 255
    path.write_bytes(content)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert path.stat().st_mtime_ns == about.st_mtime_ns and path.stat().st_size == about.st_size
    assert fingerprint(home / "A") != before


def test_the_content_counts_where_the_file_system_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.stat

    def blind(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        about = list(real(self, follow_symlinks=follow_symlinks))
        about[1], about[7:] = 0, [0, 0, 0]
        return os.stat_result(about)

    path = tmp_path / "a.parquet"
    monkeypatch.setattr(Path, "stat", blind)
    seen = set()
    for place in (0, 100_000, 110_000, 199_999):
        content = bytearray(200_000)
        content[place] = 1
        path.write_bytes(content)
        seen.add(file_stamps([path])[0])
    assert len(seen) == 3, "the middle of a large file is not read"


def make() -> Loaded:
    """A small set."""
    return Loaded(Pictures.of(torch.zeros(2, 4, 4, dtype=torch.uint8), [0, 1]), ("cat", "dog"))


@pytest.mark.skipif(os.name == "nt", reason="modes, links and pipes of POSIX")
@pytest.mark.parametrize("how", ["mode", "link", "pipe", "folder", "owner", "damage", "name"])
def test_a_file_that_others_could_have_written_is_not_loaded(how: str, cache: Path) -> None:
    load_cached({"set": "toy"}, make)
    (path,) = cache.glob("*.safetensors")
    assert not path.stat().st_mode & 0o022
    if how == "mode":
        path.chmod(0o666)
    elif how == "damage":
        path.write_bytes(path.read_bytes()[:-1])
    elif how == "name":  # of a class, by one bit
        path.write_bytes(path.read_bytes().replace(b"cat", b"bat"))
    elif how == "owner":
        if os.geteuid():
            pytest.skip("only the administrator gives files away")
        os.chown(path, 65534, 65534)
    else:
        path.rename(cache / "other")
        if how == "link":
            path.symlink_to(cache / "other")
        elif how == "pipe":
            os.mkfifo(path)
        else:
            path.mkdir()
    calls = []

    def counted() -> Loaded:
        calls.append(1)
        return make()

    load_cached({"set": "toy"}, counted)
    assert load_cached({"set": "toy"}, counted).classes == ("cat", "dog")
    replaced = how in ("mode", "owner", "damage", "name")
    assert len(calls) == (1 if replaced else 2)
    assert replaced or not path.is_file() or path.is_symlink(), "what is no file is left as it is"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no numbers of users")
def test_users_have_keys_of_their_own(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_cached({"set": "toy"}, make)
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    load_cached({"set": "toy"}, make)
    assert len(list(cache.glob("*.safetensors"))) == 2


@pytest.mark.skipif(os.name == "nt", reason="Windows goes by the age")
def test_what_a_killed_process_left_is_swept(cache: Path) -> None:
    load_cached({"set": "toy"}, make)
    from zoo.core.temporary import host

    left = cache / f".a.safetensors.{host()}-4194305-0123456789abcdef.tmp"
    left.touch()
    SWEPT.clear()
    load_cached({"set": "toy"}, make)
    assert not left.exists()
