"""The stable API: a snapshot of all signatures, and that the zoo's own plugins need nothing else."""

from __future__ import annotations

import ast
from difflib import unified_diff
from importlib import import_module
from pathlib import Path

import pytest
from signatures import PUBLIC, lines

import zoo

ROOT = Path(__file__).resolve().parents[2]
SNAPSHOT = ROOT / "tests" / "public_api.txt"
HEAD = f"""# What plugins may rely on at API level {zoo.API}, one signature a line:
# the `__all__` of the public packages.
# After a change that breaks no plugin, look at the difference that this command makes:
# PYTHONPATH=tests/common python tests/integration/test_public_api.py
# A change that breaks one needs a deprecation first (zoo.core.deprecated), or a new level in zoo/core/version.py.
"""


def text() -> str:
    """The snapshot as it would be now."""
    return HEAD + "".join(f"{line}\n" for line in lines())


def test_the_public_api_is_as_it_was() -> None:
    was, now = SNAPSHOT.read_text(encoding="utf-8").splitlines(), text().splitlines()
    changed = "\n".join(unified_diff(was, now, "as it was", "as it is", lineterm="", n=0))
    assert not changed, (
        f"the public API has changed:\n{changed}\n"
        "if no plugin breaks by it, renew the snapshot: "
        "PYTHONPATH=tests/common python tests/integration/test_public_api.py; "
        "if one does, deprecate first, or raise API in zoo/core/version.py"
    )


def test_a_changed_signature_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def encode(self: object, x: object, extra: int) -> None: ...

    before = text()
    monkeypatch.setattr(import_module("zoo.models.latent").LatentModel, "encode", encode)
    new = set(text().splitlines()) - set(before.splitlines())
    assert "zoo.models.LatentModel.encode(self: object, x: object, extra: int) -> None" in new


def test_the_list_has_all_that_the_package_zoo_shows_and_says_it_once() -> None:
    assert set(PUBLIC["zoo"]) == set(zoo.__all__)
    for module, names in PUBLIC.items():
        assert len(set(names)) == len(names)
        assert all(hasattr(import_module(module), name) for name in names), module


@pytest.mark.parametrize("folder", ["plugins", "tests/third_party"])
def test_plugins_rely_on_nothing_else(folder: str) -> None:
    files = [path for path in (ROOT / folder).rglob("*.py") if "build" not in path.parts]
    assert files
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "zoo":
                used = {alias.name for alias in node.names}
                assert used <= set(PUBLIC.get(node.module or "", ())), f"{path}: {node.module}"


if __name__ == "__main__":
    SNAPSHOT.write_text(text(), encoding="utf-8", newline="\n")
