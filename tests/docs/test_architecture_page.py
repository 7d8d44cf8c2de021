"""docs/architecture.md shows the packages as they are, and names the files that a command passes through."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import FrameType

import pytest
from lab import Lab
from pages import ROOT, pages
from tree import PAGE, written

TEXT = pages()["docs/architecture.md"]
WAY = re.findall(r"^\d+\. `([\w/.]+)`", TEXT, re.MULTILINE)


def test_the_tree_is_that_of_the_packages() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert written(text) == text, "write it anew with: nox -s written"


def test_a_sample_passes_through_the_files_that_the_page_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    lab = Lab(tmp_path / "work", monkeypatch)
    lab.need("vae-nf")
    entered: set[str] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and (path := Path(frame.f_code.co_filename)).is_relative_to(ROOT):
            entered.add(path.relative_to(ROOT).as_posix())

    sys.setprofile(note)
    try:
        assert lab.run('zoo sample vae-nf "3 + 8"') == 0
    finally:
        sys.setprofile(None)
    assert 0 < len(WAY) <= 10
    assert [path for path in WAY if path not in entered] == []
