"""The file of a study, wherever its folder lies."""

from __future__ import annotations

from pathlib import Path

import pytest
from spaces import get

from zoo.registry.search.space import Space
from zoo.tuning.ledger import Ledger


@pytest.mark.parametrize("name", ["a%20b", "100%", "what?", "c#", "job_feature%2Fx"])
def test_special_characters_in_a_path_are_not_read_as_a_url(name: str, home: Path) -> None:
    raw, entry = get("data.kind=digits")
    for other in ("a b", "job_feature/x"):
        Path(other).mkdir(parents=True)
    folder = Path(name) / "study"
    folder.mkdir(parents=True)
    space = Space.of(raw, entry, entry.tune.space, ())
    ledger = Ledger(folder, entry, entry.tune, space)
    assert ledger.begin()
    ledger.close()
    again = Ledger(folder, entry, entry.tune, space)
    assert len(again.study.trials) == 1
    again.close()
    assert sorted(Path().rglob("study.db")) == [folder / "study.db"]
