"""A Ctrl-C ends what runs, also where it is swallowed; one that is ignored from outside stays ignored."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import zoo
from zoo.cli import interrupts
from zoo.cli.interrupts import insistent_interrupt
from zoo.registry.plugins.isolation import UserInterrupt, isolate_import
from zoo.training.signals import catch_signals

Patch = pytest.MonkeyPatch
TINY = ("model.blocks=2", "model.first=4", "model.last=8", "model.head=1", "data.limit=100", "train.epochs=1")


@pytest.fixture
def handler() -> Iterator[None]:
    """Python's own handler of Ctrl-C, whatever the process of the tests has."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def swallow() -> None:
    """Press Ctrl-C where somebody catches all."""
    try:
        signal.raise_signal(signal.SIGINT)
    except BaseException:
        return


@pytest.mark.usefixtures("handler")
def test_a_swallowed_interrupt_is_repeated(monkeypatch: Patch) -> None:
    monkeypatch.setattr(interrupts, "REPEAT_SECONDS", 0.05)
    with pytest.raises(KeyboardInterrupt), insistent_interrupt():
        for _ in range(3):
            swallow()
        time.sleep(10)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("handler")
def test_an_interrupt_that_was_heard_is_not_repeated(monkeypatch: Patch) -> None:
    monkeypatch.setattr(interrupts, "REPEAT_SECONDS", 0.05)
    with pytest.raises(KeyboardInterrupt), insistent_interrupt():
        signal.raise_signal(signal.SIGINT)
    time.sleep(0.2)


@pytest.mark.usefixtures("handler", "home")
def test_an_interrupt_that_was_swallowed_before_a_training_stops_it(monkeypatch: Patch) -> None:
    monkeypatch.setattr(interrupts, "REPEAT_SECONDS", 0.05)
    with insistent_interrupt(), catch_signals() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.code == 130
    with insistent_interrupt():
        swallow()
        with catch_signals() as stop:
            deadline = time.monotonic() + 5
            while not stop.code and time.monotonic() < deadline:
                time.sleep(0.01)
            assert stop.code == 130


@pytest.mark.usefixtures("handler")
def test_an_import_is_not_interrupted_but_followed_by_the_interrupt(tmp_path: Path, monkeypatch: Patch) -> None:
    code = (
        "import signal\ntry:\n    signal.raise_signal(signal.SIGINT)\nexcept BaseException:\n    pass\nwhole = True\n"
    )
    (tmp_path / "pressing.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyboardInterrupt), insistent_interrupt():
        module = import_module("pressing")
        assert module.whole
        time.sleep(10)


@pytest.mark.usefixtures("handler")
def test_an_import_without_end_is_interrupted(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.setattr(interrupts, "IMPORT_GRACE", 0.2)
    code = "import signal, time\nsignal.raise_signal(signal.SIGINT)\nwhile True:\n    time.sleep(0.01)\n"
    (tmp_path / "endless.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(KeyboardInterrupt), insistent_interrupt():
        import_module("endless")


@pytest.mark.usefixtures("handler")
def test_an_interrupt_while_a_plugin_is_imported_ends_the_command(monkeypatch: Patch) -> None:
    monkeypatch.setattr(interrupts, "REPEAT_SECONDS", 0.05)
    with pytest.raises(UserInterrupt), insistent_interrupt(), isolate_import():
        swallow()
        swallow()


@pytest.mark.usefixtures("handler")
def test_ignored_signals_stay_ignored(monkeypatch: Patch) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with insistent_interrupt(), catch_signals() as stop:
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        signal.raise_signal(signal.SIGINT)
        assert stop.code == 0
        signal.raise_signal(signal.SIGTERM)
        assert stop.code == 143
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.mark.skipif(sys.platform == "win32", reason="signals are others there")
def test_an_interrupt_while_modules_are_imported_makes_no_traceback(home: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "asked = sys.argv[1]\n"
        "class Press:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == asked:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Press())\n"
        "from zoo.cli import run\n"
        "sys.argv = ['zoo', 'list']\n"
        "run()\n"
    )
    for module in ("zoo.cli.streams", "zoo.cli.console", "click", "zoo.registry.catalog"):
        words = [sys.executable, "-c", code, module]
        done = subprocess.run(words, capture_output=True, text=True, check=False, preexec_fn=listen)
        assert done.returncode == 130, module
        assert "Traceback" not in done.stderr


def listen() -> None:
    """Let a new process hear Ctrl-C, also where that of the tests does not."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.slow
def test_a_training_leaves_the_random_states_of_its_caller(home: Path) -> None:
    import random

    import numpy as np
    import torch

    def states() -> tuple[object, ...]:
        return (
            random.getstate(),
            np.random.get_state(legacy=False)["state"]["key"].tolist(),
            torch.get_rng_state().tolist(),
        )

    def check(before: tuple[object, ...]) -> None:
        assert states() == before

    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    before = states()
    zoo.train("cnn", *TINY, out="run")
    check(before)
    zoo.evaluate("run")
    check(before)
    zoo.bench("cnn", *TINY[:-1], seconds=0.1)
    check(before)
    with pytest.raises(zoo.ZooError):
        zoo.train("cnn", *TINY, "train.lr=1e9", "train.optimizer=sgd", "train.epochs=3", out="bad")
    check(before)


def test_an_interrupted_command_exits_at_once_but_in_order() -> None:
    code = (
        "import atexit, threading, time, zoo.cli\n"
        "atexit.register(print, 'said at the exit')\n"
        "threading.Thread(target=time.sleep, args=(300,)).start()\n"
        "zoo.cli.main = lambda: 143\n"
        "print('said before')\n"
        "zoo.cli.run()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=100)
    assert (done.returncode, done.stdout.split("\n")) == (143, ["said before", "said at the exit", ""])
