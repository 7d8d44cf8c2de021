"""A request to stop ends the start of Ray at once, and what was started with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from zoo.training.signals import catch_signals
from zoo.tuning.interruptible_start import interruptible_start

Patch = pytest.MonkeyPatch
NUMBERS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]


class FakeRay:
    """Starts processes as Ray does."""

    connected, shutdowns = False, 0

    def __init__(self, monkeypatch: Patch) -> None:
        from ray._private import services

        self.started: list[subprocess.Popen[bytes]] = []
        self.press_while_starting = False
        monkeypatch.setattr(services, "start_ray_process", self.start)
        self.services: Any = services

    def start(self) -> Any:
        if self.press_while_starting:
            signal.raise_signal(signal.SIGINT)
        self.started.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]))
        return SimpleNamespace(process=self.started[-1])

    def is_initialized(self) -> bool:
        return self.connected

    def shutdown(self) -> None:
        self.shutdowns += 1


@pytest.mark.parametrize(("number", "code"), NUMBERS)
def test_a_request_ends_the_start_and_its_processes(number: int, code: int, monkeypatch: Patch) -> None:
    ray, told, late = FakeRay(monkeypatch), [], False
    begun = time.monotonic()
    with catch_signals() as stop:
        stop.on_request = lambda: told.append(stop.code)
        with pytest.raises(KeyboardInterrupt), interruptible_start(ray, stop):
            ray.services.start_ray_process()
            with suppress(Exception):  # Ray catches errors in many places
                signal.raise_signal(number)
                late = True
        assert stop.code == code and stop.on_request is not None
    assert told == [code] and not late
    assert [process.poll() is None for process in ray.started] == [False]
    assert ray.shutdowns and time.monotonic() - begun < 5


def test_a_process_that_is_being_started_is_known_before_the_start_ends(monkeypatch: Patch) -> None:
    ray = FakeRay(monkeypatch)
    ray.press_while_starting = True
    with catch_signals() as stop, pytest.raises(KeyboardInterrupt), interruptible_start(ray, stop):
        ray.services.start_ray_process()
        pytest.fail("goes on after the request")
    assert [process.poll() is None for process in ray.started] == [False]


def test_a_request_during_an_import_waits_for_its_end(tmp_path: Path, monkeypatch: Patch) -> None:
    ray = FakeRay(monkeypatch)
    (tmp_path / "pressing_here.py").write_text(
        "import signal\nsignal.raise_signal(signal.SIGINT)\nwhole = True\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with catch_signals() as stop, pytest.raises(KeyboardInterrupt), interruptible_start(ray, stop):
        import pressing_here  # type: ignore[import-not-found]

        assert pressing_here.whole
        ray.services.start_ray_process()
    assert not ray.started


def test_ray_does_not_replace_the_handler_of_sigterm(monkeypatch: Patch) -> None:
    from ray._private import utils

    original = utils.set_sigterm_handler
    with catch_signals() as stop, interruptible_start(FakeRay(monkeypatch), stop):
        before = signal.getsignal(signal.SIGTERM)
        vars(utils)["set_sigterm_handler"](lambda *about: os._exit(15))
        assert signal.getsignal(signal.SIGTERM) is before
    assert utils.set_sigterm_handler is original


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into processes as Linux shows them")
def test_a_ctrl_c_while_ray_starts_leaves_nobody_behind(home: Path) -> None:
    words = ["tune", "cnn", "data.limit=100", "model.blocks=2", "--trials", "1", "--fresh"]
    for extra in (0.0, 0.3, 0.8):
        mark = f"{os.getpid()}-{extra}"
        process = subprocess.Popen(
            [sys.executable, "-c", "from zoo.cli import run; run()", *words],
            env=os.environ | {"ZOO_TEST_MARK": mark},
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        deadline = time.monotonic() + 60
        while not any("gcs_server" in each for each in marked(mark)) and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(extra)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130, said
        assert "stopped before the first trial. Resume with: zoo" in said
        time.sleep(1)
        assert marked(mark) == []


def marked(mark: str) -> list[str]:
    """The commands of the processes that have a mark in their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        with suppress(OSError):
            if folder.name.isdigit() and f"ZOO_TEST_MARK={mark}".encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_text())
    return [each for each in found if each]  # a dead process has none
