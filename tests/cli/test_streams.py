"""Streams that are closed, full or broken stop nothing, and names of classes and files reach no terminal raw."""

from __future__ import annotations

import errno
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.cli import main
from zoo.cli.console import escape_in_json
from zoo.cli.streams import SafeStream, safe_streams
from zoo.display.html import key_value_table, muted_line, table, titled_block

Patch = pytest.MonkeyPatch
Capture = pytest.CaptureFixture[str]
TINY = ("model.blocks=2", "model.first=4", "model.last=8", "model.head=1", "data.limit=100", "train.epochs=1")
ESCAPES = "\x1b[31mred\x07\x9b2J\u202e"


class Broken(io.TextIOBase):
    """A stream of which each write fails."""

    def __init__(self, error: Exception) -> None:
        self.failure = error

    def write(self, text: str) -> int:
        raise self.failure

    def flush(self) -> None:
        raise self.failure

    def isatty(self) -> bool:
        return False


FAILURES = {
    "full": (OSError(errno.ENOSPC, "No space left on device"), 7),
    "broken": (BrokenPipeError(errno.EPIPE, "Broken pipe"), 141),
    "closed": (ValueError("I/O operation on closed file"), 7),
    "hung up": (OSError(errno.EIO, "Input/output error"), 7),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_a_training_needs_no_reader(kind: str, home: Path, monkeypatch: Patch, capsys: Capture) -> None:
    error, code = FAILURES[kind]
    monkeypatch.setattr(sys, "stdout", Broken(error))
    assert main(["train", "cnn", *TINY, "--out=run"]) == code
    assert zoo.load("run").state == "done"
    said = capsys.readouterr().err
    assert ("the output is incomplete" in said) == (code == 7)
    assert "Traceback" not in said


def test_messages_that_nobody_can_read_stop_nothing(home: Path, monkeypatch: Patch, capsys: Capture) -> None:
    monkeypatch.setattr(sys, "stderr", Broken(OSError(errno.EIO, "Input/output error")))
    assert main(["train", "cnn", *TINY, "--out=run"]) == 0
    assert capsys.readouterr().out.startswith("run: 1 epoch")
    assert main(["train", "nothing"]) == 2


@pytest.mark.parametrize("words", [["list"], ["list", "--json"], ["show", "nothing", "--json"], ["--help"]])
def test_a_result_that_is_lost_is_told_without_a_traceback(
    words: list[str], monkeypatch: Patch, capsys: Capture
) -> None:
    monkeypatch.setattr(sys, "stdout", Broken(OSError(errno.ENOSPC, "No space left on device")))
    assert main(words) == (2 if "nothing" in words else 7)
    assert "Traceback" not in capsys.readouterr().err


def test_a_stream_keeps_what_its_encoding_cannot(monkeypatch: Patch) -> None:
    kept = io.TextIOWrapper(io.BytesIO(), "ascii", errors="strict")
    stream = SafeStream(kept)
    stream.write("日本")
    stream.flush()
    assert stream.error is None and stream.buffer.getvalue() == rb"\u65e5\u672c"


def test_streams_are_put_back(capsys: Capture) -> None:
    before = sys.stdout, sys.stderr
    with safe_streams():
        assert sys.stdout is not before[0]
    assert (sys.stdout, sys.stderr) == before


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such shell")
@pytest.mark.parametrize(
    ("streams", "code"),
    [
        ("<&- >&- 2>&-", 0),
        (">&-", 0),
        ("2>&-", 0),
        (">/dev/full", 7),
        ("2>/dev/full", 0),
        (">/dev/full 2>/dev/full", 7),
    ],
)
def test_a_process_without_streams(streams: str, code: int, home: Path) -> None:
    if "/dev/full" in streams and not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    command = f'"{sys.executable}" -m zoo list {streams}'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == code, "120 would be Python's own complaint at exit"
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="files cannot be called so there")
def test_names_send_no_escapes_to_a_terminal(home: Path, capsys: Capture) -> None:
    for name in (ESCAPES, "<b>blue</b>"):
        Path("d", name).mkdir(parents=True)
        for index in range(20):
            Image.fromarray(np.full((8, 8), index * 9, "uint8")).save(Path("d", name, f"{index}.png"))
    Path("d", ESCAPES, f"{ESCAPES}.png").write_bytes(b"no picture")
    words = ["train", "cnn", "--data=d", "train.epochs=1", "model.blocks=2", "model.first=4", "model.last=8", "--out=r"]
    assert main(words) == 0
    picture = str(next(Path("d", ESCAPES).glob("1*.png")))
    for more in ([], ["--json"], ["--traceback"]):
        assert main(["evaluate", "r", "--split=train", *more]) == 0
        assert main(["predict", "r", picture, f"d/{ESCAPES}/{ESCAPES}.png", *more]) in (0, 3)
        assert main(["predict", f"{ESCAPES}", picture, *more]) != 0
        assert main(["train", "cnn", f"--data=d/{ESCAPES}/nowhere", *more]) != 0
    said = capsys.readouterr()
    assert "red" in said.out
    for text in (said.out, said.err):
        assert [c for c in text if not c.isprintable() and c != "\n"] == []


def test_json_stays_the_same_document() -> None:
    value = {ESCAPES: [ESCAPES, "日本 é", "\x7f", "\ud800", "a\nb"]}
    text = escape_in_json(json.dumps(value, ensure_ascii=False, indent=2))
    assert json.loads(text) == value
    assert "日本 é" in text and all(c.isprintable() or c == "\n" for c in text)


@pytest.mark.parametrize(
    "make",
    [
        lambda name: titled_block(name),
        lambda name: table([name], [[name]]),
        lambda name: key_value_table({name: name}),
        lambda name: muted_line(name),
    ],
)
def test_pages_have_no_markup_of_names(make: Callable[[str], str]) -> None:
    shown = make(f"<script>alert(1)</script>\"'&{ESCAPES}")
    assert "<script" not in shown and "&lt;script&gt;" in shown
    assert all(c.isprintable() for c in shown)


def test_warnings_and_tracebacks_are_printable(home: Path, monkeypatch: Patch, capsys: Capture) -> None:
    import warnings

    def fail(*words: Any, **named: Any) -> None:
        warnings.warn(ESCAPES, UserWarning, stacklevel=1)
        raise RuntimeError(ESCAPES)

    monkeypatch.setattr("zoo.cli.app.zoo.main", fail)
    with pytest.warns(UserWarning) as seen:
        assert main(["list", "--traceback"]) == 70
    assert str(seen[0].message).startswith(r"\x1b[31mred")
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert [c for c in said if not c.isprintable() and c != "\n"] == []
