"""Files of others: nothing is written through a link, no pipe is replaced or waited for, only own files are loaded."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from zoo.core import files, temporary, trust
from zoo.core.errors import ResourceError
from zoo.core.files import atomic_write, write_text
from zoo.core.temporary import SWEPT, create_temporary, is_temporary, sweep
from zoo.core.trust import is_own, is_private, load_json, make_private, open_regular, read_bytes, read_text, refuse_link

pytestmark = pytest.mark.skipif(os.name == "nt", reason="modes, links and pipes of POSIX")


@pytest.fixture(params=[0o022, 0o002, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """A umask, set in the test."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    """The permissions of a file."""
    return stat.S_IMODE(path.lstat().st_mode)


def test_new_files_follow_the_umask_and_old_ones_keep_their_mode(tmp_path: Path, umask: int) -> None:
    write_text(tmp_path / "new", "x")
    assert mode(tmp_path / "new") == 0o666 & ~umask
    with atomic_write(tmp_path / "tight") as path:  # as a library that makes the file anew, for the user alone
        path.unlink()
        path.touch(0o600)
    assert mode(tmp_path / "tight") == 0o666 & ~umask
    for bits in (0o600, 0o640, 0o664, 0o755):
        (tmp_path / "old").touch()
        (tmp_path / "old").chmod(bits)
        write_text(tmp_path / "old", "new\n")
        assert mode(tmp_path / "old") == bits
    write_text(tmp_path / "cache", "x", private=True)
    assert mode(tmp_path / "cache") == 0o644 & ~umask
    assert is_own(tmp_path / "cache")


def test_a_private_file_is_never_open_to_others(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch(0o600)
    with atomic_write(path) as temporary:
        assert mode(temporary) == 0o600
        temporary.write_text("secret", encoding="utf-8")
    assert mode(path) == 0o600


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only the administrator gives files away")
def test_a_file_keeps_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.touch()
    path.chmod(0o660)
    os.chown(path, 65534, 65534)
    write_text(path, "new\n")
    about = path.stat()
    assert (about.st_uid, about.st_gid, mode(path)) == (65534, 65534, 0o660)

    def refused(*given: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chown", refused)  # as for a colleague who may write the file, but not give it away
    write_text(path, "n\n")
    after = path.stat()
    assert (after.st_uid, after.st_ino, path.read_bytes()) == (65534, about.st_ino, b"n\n")
    write_text(path, "x", private=True)
    assert path.stat().st_uid == 0, "a cached file is replaced, whoever made it"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the administrator may write anything")
def test_a_write_protected_file_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.touch(0o444)
    with pytest.raises(ResourceError, match="Permission denied"):
        write_text(path, "x")


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    victim, link, dangling = tmp_path / "victim", tmp_path / "link", tmp_path / "dangling"
    victim.write_bytes(b"keep")
    link.symlink_to(victim)
    dangling.symlink_to(tmp_path / "nowhere")
    for path in (link, dangling):
        with pytest.raises(ResourceError, match="it is a symbolic link; remove it"):
            write_text(path, "x")
        with pytest.raises(ResourceError, match="symbolic link"):
            open_regular(path, "a")
        with pytest.raises(ResourceError, match="symbolic link"):
            open_regular(path, "w")
        with pytest.raises(ResourceError, match="symbolic link"):
            refuse_link(path)
    assert victim.read_bytes() == b"keep" and link.is_symlink() and not (tmp_path / "nowhere").exists()


def test_a_link_that_is_followed_stays_one(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    target = tmp_path / "far" / "registry.yaml"
    target.touch(0o600)
    link, second = tmp_path / "registry.yaml", tmp_path / "second"
    link.symlink_to(Path("far", "registry.yaml"))
    second.symlink_to(link)
    write_text(second, "new\n", follow_link=True)
    assert link.is_symlink() and second.is_symlink()
    assert (target.read_bytes(), mode(target)) == (b"new\n", 0o600)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["far", "registry.yaml", "registry.yaml", "second"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only the administrator gives links away")
def test_a_link_of_another_user_in_a_folder_of_all_is_not_followed(tmp_path: Path) -> None:
    shared, victim = tmp_path / "shared", tmp_path / "victim"
    victim.touch()
    shared.mkdir()
    shared.chmod(0o1777)
    link = shared / "registry.yaml"
    link.symlink_to(victim)
    os.chown(link, 65534, 65534, follow_symlinks=False)
    with pytest.raises(ResourceError, match="link of another user"):
        write_text(link, "x", follow_link=True)
    assert victim.read_bytes() == b""


def test_pipes_and_folders_are_neither_replaced_nor_waited_for(tmp_path: Path) -> None:
    pipe, folder = tmp_path / "pipe", tmp_path / "folder"
    os.mkfifo(pipe)
    folder.mkdir()
    for path, what in ((pipe, "a named pipe"), (folder, "a folder")):
        for follow in (False, True):
            with pytest.raises(ResourceError, match=f"cannot save .*: it is {what}, not a regular file"):
                write_text(path, "x", follow_link=follow)
        with pytest.raises(OSError, match=f"{what}, not a regular file"):
            read_bytes(path)
    with pytest.raises(ResourceError, match=r"No such device|not a regular file"):
        open_regular(pipe, "a")
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    with pytest.raises(OSError, match="a device, not a regular file"):
        read_bytes(Path("/dev/zero"))


def test_what_is_read_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b'{"a": "\xc3\xa4"}\r\n')
    assert read_text(path) == '{"a": "ä"}\n' and load_json(path) == {"a": "ä"}
    with pytest.raises(OSError, match="larger than 3 bytes"):
        read_bytes(path, 3)
    path.write_bytes(b"[" * 100_000)
    with pytest.raises(ValueError, match="too deeply nested"):
        load_json(path)


def test_only_own_files_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.touch(0o644)
    assert is_own(path) and read_bytes(path, own=True) == b""
    monkeypatch.setattr(trust, "is_own_group", lambda number: False)
    for bits in (0o666, 0o664, 0o646):
        path.chmod(bits)
        assert not is_own(path)
        with pytest.raises(OSError, match="another user could have written it"):
            read_bytes(path, own=True)
    path.chmod(0o664)
    monkeypatch.setattr(trust, "is_own_group", lambda number: True)
    assert is_own(path), "the group is the user alone"
    path.chmod(0o644)
    (tmp_path / "link").symlink_to(path)
    assert not is_own(tmp_path / "link") and not is_own(tmp_path / "nowhere")
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    assert is_own(path) == (path.stat().st_uid == 0), "the administrator could write all files anyway"


def test_a_folder_is_private_if_all_above_it_are(tmp_path: Path) -> None:
    folder = tmp_path / "open" / "inner" / "kernels"
    assert make_private(folder) and mode(folder) == 0o700
    folder.chmod(0o777)
    assert not is_private(folder)
    assert not make_private(folder) and mode(folder) == 0o777, "it is left as it is"
    folder.chmod(0o755)
    assert make_private(folder)
    (tmp_path / "open").chmod(0o777)
    assert not is_private(folder) and not make_private(folder)
    (tmp_path / "open").chmod(0o1777)
    assert is_private(folder), "as below /tmp"
    (tmp_path / "link").symlink_to(folder)
    assert not make_private(tmp_path / "link")


def test_abandoned_temporary_files_are_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, _ = create_temporary(tmp_path / ("ä" * 250))
    monkeypatch.setattr(os, "getpid", lambda: 2**22 + 1)  # no process has such a number
    dead, _ = create_temporary(tmp_path / "a.json")
    monkeypatch.undo()
    elsewhere, old = tmp_path / ".a.00000000-12-0123456789abcdef.tmp", tmp_path / ".a.json.123-456.tmp"
    others = [tmp_path / name for name in (".mine.tmp", "a.tmp", ".zoo.tmp")]
    for path in (elsewhere, old, *others):
        path.touch()
    assert all(is_temporary(path.name) for path in (mine, dead, elsewhere, old))
    SWEPT.discard(str(tmp_path))
    write_text(tmp_path / "b", "x")
    assert not dead.exists() and all(path.exists() for path in (mine, elsewhere, old, *others))
    os.utime(elsewhere, (1, 1))
    os.utime(old, (1, 1))
    os.utime(others[0], (1, 1))
    SWEPT.discard(str(tmp_path))
    sweep(tmp_path)
    assert not elsewhere.exists() and not old.exists() and all(path.exists() for path in (mine, *others))
    files.remove_temporary_files(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["b", *(path.name for path in others)])


def test_windows_knows_no_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").touch(0o666)
    (tmp_path / "a").chmod(0o666)
    for module in (trust, files, temporary):
        monkeypatch.setattr(module, "WINDOWS", True)
    assert is_own(tmp_path / "a")
    write_text(tmp_path / "a", "x")
    assert (tmp_path / "a").read_bytes() == b"x"
