"""Twelve hostile plugins at once, in processes of their own: what the zoo prints is what it prints without them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from packages import MOE
from settling import settled

from tests.conftest import Install

HOSTILE = {
    "raises": ("raise ValueError('no luck')", "ValueError: no luck"),
    "syntax": ("def f(:", "SyntaxError: invalid syntax (plugin_syntax.py:1)"),
    "exits": ("import sys; sys.exit(3)", "it called sys.exit(3)"),
    "ends": ("import os; os._exit(3)", "it terminated the process (os._exit(3))"),
    "interrupts": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "future": ("ZOO_API = 2", "it was written for API level 2, but this zoo has 1; upgrade pixel-zoo"),
    "rubbish": (
        "import zoo\n@zoo.hookimpl\ndef zoo_models():\n    yield 3",
        "TypeError: zoo_models yields 3, not a Mod",
    ),
}
"""Those that are broken, with the cause."""
RUDE = {
    "sleeps": ("import time; time.sleep(5)", "its import takes "),
    "prints": ("import os; os.write(1, b'{'); print('hello')", "it prints to stdout: '{hello'"),
    "changes": (
        "import torch, random\ntorch.set_default_dtype(torch.float64); torch.manual_seed(7); random.seed(7)",
        "it changes torch's default dtype",
    ),
    "huge": ("import torch, optuna", "it imports torch, optuna; import that in `build` instead"),
}
"""Those that work, with what is noted of them; the twelfth, `rival`, gives a kind that the zoo has."""
TINY = ["model.blocks=2", "model.first=4", "model.last=8", "train.epochs=1", "data.limit=200"]


def printed(*words: str) -> str:
    """What a command prints; it ends with 0."""
    done = subprocess.run([sys.executable, "-m", "zoo", *words], capture_output=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    return done.stdout.decode()


def trained(folder: str) -> dict[str, Any]:
    """The result of a training into a folder."""
    result: dict[str, Any] = json.loads(printed("train", "cnn", *TINY, "--out", folder, "--device", "cpu", "--json"))
    return {key: value for key, value in result.items() if key != "run"}


@pytest.mark.slow
def test_commands_do_and_print_what_they_do_without_them(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZOO_PLUGIN_WAIT")
    commands = [("list",), ("--help",), ("show", "cnn", "--options")]
    before, weights = [printed(*words) for words in commands], trained("runs/before")
    for name, (code, _) in (HOSTILE | RUDE).items():
        install(name, code + MOE.replace("moe", name) if name in RUDE or name == "future" else code)
    install("rival", MOE.replace("moe", "cnn"))
    install("good", MOE)
    for _ in ("not seen before", "seen"):
        assert [printed(*words) for words in commands] == before
        told_what_is_wrong(settled(), json.loads(printed("list", "--json"))["problems"])
    assert trained("runs/after") == weights
    assert json.loads(printed("show", "cnn", "model.kind=moe", "--options", "--json"))["spec"]["model"]["width"] == 3
    kinds = json.loads(printed("schema"))["$defs"]["entry"]["properties"]["model"]["properties"]["kind"]["enum"]
    assert {"moe", "prints", "rival:cnn"} <= set(kinds), "all are imported for the schema"


def told_what_is_wrong(plugins: dict[str, dict[str, Any]], problems: list[str]) -> None:
    """Each is named with its cause."""
    assert {name for name, plugin in plugins.items() if plugin["state"] != "ok"} == set(HOSTILE)
    for name, (_, cause) in HOSTILE.items():
        assert plugins[name]["error"].startswith(cause)
        assert any(cause in problem and name in problem for problem in problems)
    for name, (_, note) in RUDE.items():
        assert any(each.startswith(note) for each in plugins[name]["notes"]), plugins[name]
    assert "model kind 'cnn' means the zoo's own; the other one is rival:cnn" in problems
    assert [kind["name"] for kind in plugins["good"]["kinds"]] == ["moe"]
