"""A headless Chromium over the DevTools protocol: it opens pages, clicks, types and evaluates; no package is needed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATH = next(filter(None, map(shutil.which, NAMES)), None)
needs_browser = pytest.mark.skipif(PATH is None or os.name == "nt", reason=f"no {NAMES[0]} is installed")
START = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3])
os.dup2(read, 3), os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Chromium reads requests from file 3 and writes answers to file 4."""
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe", "--mute-audio")


class Browser:
    """A page in a browser."""

    def __init__(self, requests: int, answers: int) -> None:
        self.requests, self.answers = os.fdopen(requests, "wb"), os.fdopen(answers, "rb")
        self.pending, self.number, self.session = b"", 0, ""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> Any:
        """Call a method, and return its result; events that come meanwhile are kept."""
        self.number += 1
        about = {"id": self.number, "method": method, "params": params}
        about |= {"sessionId": self.session} if self.session else {}
        self.requests.write(json.dumps(about).encode() + b"\0")
        self.requests.flush()
        while True:
            answer = self.read()
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]
            if hasattr(self, "events"):
                self.events.append(answer)

    def read(self) -> Any:
        """Read one message."""
        while b"\0" not in self.pending:
            part = os.read(self.answers.fileno(), 1 << 16)
            assert part, "the browser has ended"
            self.pending += part
        message, _, self.pending = self.pending.partition(b"\0")
        return json.loads(message)

    def open(self, address: str) -> Self:
        """Open a page, and wait until it has loaded."""
        self.events.clear()
        self.send("Page.navigate", url=address)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")
        return self

    def evaluate(self, code: str) -> Any:
        """Return the JSON value of an expression in the page."""
        found = self.send("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, code: str, seconds: float = 60) -> Any:
        """Wait until an expression is true, and return its value."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := self.evaluate(code):
                return value
            time.sleep(0.05)
        raise AssertionError(f"never true: {code}")

    def scroll_to(self, selector: str) -> tuple[float, float]:
        """Scroll to an element, and return its middle."""
        box = self.evaluate(f"""(() => {{
            const element = document.querySelector({json.dumps(selector)});
            element.scrollIntoView({{block: "center"}});
            const box = element.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()""")
        return float(box[0]), float(box[1])

    def mouse(self, kind: str, x: float, y: float) -> None:
        """Move, press or release the mouse."""
        button = "none" if kind == "mouseMoved" else "left"
        pressed = 1 if kind != "mouseReleased" else 0
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, buttons=pressed, clickCount=1)

    def click(self, selector: str) -> None:
        """Click on an element with the mouse."""
        x, y = self.scroll_to(selector)
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.mouse(kind, x, y)

    def press(self, key: str, text: str = "") -> None:
        """Press a key."""
        about = {"key": key, "code": key, "windowsVirtualKeyCode": {"Enter": 13, "Tab": 9}.get(key, 0)}
        self.send("Input.dispatchKeyEvent", type="keyDown", text=text, **about)
        self.send("Input.dispatchKeyEvent", type="keyUp", **about)

    def requested(self) -> list[str]:
        """The addresses that the page has requested since it was opened, without those that hold their data."""
        self.evaluate("1")
        sent = [each["params"] for each in self.events if each.get("method") == "Network.requestWillBeSent"]
        addresses = [each["request"]["url"] for each in sent]
        return [address for address in addresses if not address.startswith("data:")]

    def problems(self) -> list[str]:
        """What the page has logged as an error."""
        self.evaluate("1")
        logged = [each["params"] for each in self.events if each.get("method") == "Log.entryAdded"]
        thrown = [each["params"] for each in self.events if each.get("method") == "Runtime.exceptionThrown"]
        return [each["entry"]["text"] for each in logged if each["entry"]["level"] == "error"] + list(map(str, thrown))


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser with an empty profile in a folder, which ends with the block."""
    assert PATH is not None
    child_reads, requests = os.pipe()
    answers, child_writes = os.pipe()
    words = [PATH, *FLAGS, f"--user-data-dir={folder / 'profile'}", "--window-size=1000,800"]
    start = [sys.executable, "-c", START, str(child_reads), str(child_writes), *words]
    with subprocess.Popen(
        start,
        pass_fds=(child_reads, child_writes),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"HOME": str(folder)},
    ) as process:
        os.close(child_reads)
        os.close(child_writes)
        try:
            yield Browser(requests, answers)
        finally:
            process.terminate()
            process.wait(20)
