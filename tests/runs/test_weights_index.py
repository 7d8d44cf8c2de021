"""An index of weights keeps every row when several processes add to it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from zoo.runs.weights_index import add_row, read_rows


def test_rows_that_are_added_at_once_are_all_kept(tmp_path: Path) -> None:
    index = tmp_path / "index.json"
    rows = [{"entry": f"e{number % 8}", "data": "digits", "size": number} for number in range(16)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda row: add_row(index, row), rows))
    assert [row["entry"] for row in read_rows(index)] == [f"e{number}" for number in range(8)]
    assert [path.name for path in tmp_path.iterdir()] == ["index.json"]
