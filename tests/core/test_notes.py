"""Notes are shown once, collected, or logged."""

from __future__ import annotations

import logging
from threading import Thread

import pytest

from zoo.core import note
from zoo.core.notes import collect_notes, show_notes


def test_notes_are_shown_once_from_any_thread_and_logged_elsewhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "zoo")
    shown: list[str] = []
    with show_notes(shown.append):
        note("one\nline")
        thread = Thread(target=note, args=("one line",))
        thread.start()
        thread.join()
        note("another")
    assert shown == ["one line", "another"]
    assert not caplog.records
    note("later")
    note("as usual", usual=True)
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "later"),
        ("INFO", "as usual"),
    ]


def test_notes_are_collected_instead_of_shown() -> None:
    shown: list[str] = []
    with show_notes(shown.append), collect_notes() as found:
        note("kept")
        note("kept")
        with collect_notes() as inner:
            note("inside")
    assert (found, inner, shown) == (["kept"], ["inside"], [])
