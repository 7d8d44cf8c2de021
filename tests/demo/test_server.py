"""The page of a demo: what it answers, what it refuses, garbage, and real clicks in a browser."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import urlopen

import numpy as np
import pytest
import torch
from browser import Browser, browser, needs_browser
from PIL import Image
from torch import Tensor

import zoo
from zoo.cli import main
from zoo.cli.commands.demo import is_loopback
from zoo.core.errors import ResourceError, ZooError
from zoo.demo.model import DemoModel
from zoo.demo.server import MAX_CONNECTIONS, MAX_JSON, MAX_PICTURE, DemoServer, serve
from zoo.runs.predictions import Predictions
from zoo.runs.run import Run

Answer = tuple[int, dict[str, str], bytes]
FEW = ["data.limit=100", "train.epochs=1"]


def png(size: tuple[int, int] = (40, 30), mode: str = "L") -> bytes:
    """A picture of noise."""
    file = BytesIO()
    shape = (*size[::-1], *([] if mode == "L" else [3]))
    Image.fromarray(np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="session")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of `vae-nf` on the digits; not to be changed."""
    folder = tmp_path_factory.mktemp("generator") / "gen"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_CACHE", str(folder.parent / "cache"))
        patch.setenv("ZOO_CONFIG", str(folder.parent / "config"))
        patch.chdir(folder.parent)
        zoo.train("vae-nf", *FEW, out=folder, device="cpu")
    return folder


@pytest.fixture
def classifier(home: Path, trained: Path) -> Iterator[DemoServer]:
    """The page of a classifier."""
    with serve(DemoModel(zoo.load(trained), "cpu")) as server:
        yield server


@pytest.fixture
def sampler(home: Path, generator: Path) -> Iterator[DemoServer]:
    """The page of a generator."""
    with serve(DemoModel(zoo.load(generator), "cpu")) as server:
        yield server


def ask(server: DemoServer, path: str, body: bytes | None = None, kind: str = "image/png", **headers: str) -> Answer:
    """Send a request to what stands behind the token, unless the path begins with a slash."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    about = {"Content-Type": kind} if body is not None else {}
    whole = path if path.startswith("/") else f"/{server.token}/{path}"
    connection.request("GET" if body is None else "POST", whole, body, about | headers)
    answer = connection.getresponse()
    found = answer.status, dict(answer.headers), answer.read()
    connection.close()
    return found


def value(answer: Answer) -> Any:
    """The JSON of an answer."""
    return json.loads(answer[2])


def test_a_picture_has_its_classes(classifier: DemoServer, trained: Path) -> None:
    assert value(ask(classifier, "about"))["classifies"]
    found = value(ask(classifier, "classify", png()))
    expected = zoo.load(trained)(png(), device="cpu")[0]
    assert [row["label"] for row in found["classes"]] == [label for label, _ in expected.top(10)]
    assert found["classes"][0]["probability"] == pytest.approx(expected.probability, abs=1e-6)
    assert found["seen"].startswith("data:image/png;base64,")
    assert found["heat"].startswith("data:image/png;base64,") and found["heat"] != found["seen"]
    assert value(ask(classifier, "sample", b"{}", "application/json"))["error"].endswith("not a generator")


def test_a_generator_mixes_and_edits(sampler: DemoServer, generator: Path) -> None:
    assert value(ask(sampler, "about"))["edits"]
    asked = {"parts": [{"text": "3", "weight": 0.7}, {"text": "8", "weight": 0.3}], "count": 4, "seed": 5}
    found = value(ask(sampler, "sample", json.dumps(asked).encode(), "application/json"))["pictures"]
    same = zoo.sample(generator, "0.7 * 3 + 0.3 * 8", n=4, seed=5, device="cpu").pictures
    assert len(found) == 4
    for address, expected in zip(found, same, strict=True):
        with urlopen(address) as file, Image.open(BytesIO(file.read())) as image:
            assert np.abs(np.array(image) / 255 - expected[0].numpy()).max() < 0.01
    options = quote(json.dumps({"to": "7", "source": "1"}))
    edited = value(ask(sampler, f"edit?options={options}", png()))
    assert edited["original"] != edited["edited"]
    bad = {
        "{}": "weight above 0",
        '{"count": 65}': "count",
        '{"count": 1.5}': "count",
        '{"temperature": NaN}': "not JSON",
        '{"x": 1}': "x: Extra",
        "[]": "the request",
        "[" * 9999: "not JSON",
        '{"parts": [{"text": "blue"}]}': "blue",
    }
    for body, what in bad.items():
        status, _, text = ask(sampler, "sample", body.encode(), "application/json")
        assert status == 400 and what in json.loads(text)["error"], body
    assert ask(sampler, "edit?options={}", png())[0] == 400


def test_the_page_needs_its_token_its_host_and_its_origin(classifier: DemoServer) -> None:
    status, headers, page = ask(classifier, "")
    assert status == 200 and b"<canvas" in page and headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in headers["Content-Security-Policy"] and headers["Cache-Control"] == "no-store"
    token, port = classifier.token, classifier.server_port
    for path in ("/", "/about", f"/{token[:-1]}/about", f"/{token}x/", f"/{token}", "/é", "*"):
        assert ask(classifier, quote(path, safe="/*"))[0] == 404, path
    assert ask(classifier, "/wrong/classify", png())[0] == 404
    for name in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "", "[::1", "10.0.0.1"):
        assert ask(classifier, "about", Host=name)[0] in (400, 421), name
    assert ask(classifier, "about", Host=f"localhost:{port}")[0] == 200
    for origin in ("http://evil.example", "null", f"https://127.0.0.1:{port}"):
        assert ask(classifier, "classify", png(), Origin=origin)[0] == 403
    assert ask(classifier, "classify", png(), Origin=f"http://127.0.0.1:{port}")[0] == 200


def test_only_three_files_are_served(classifier: DemoServer) -> None:
    for name in ("../server.py", "..%2fserver.py", "page/demo.js", "/etc/passwd", "demo.html", "%2e%2e/", "demo.js/.."):
        assert ask(classifier, name if not name.startswith("/") else f"{name[1:]}")[0] == 404
    assert [ask(classifier, name)[0] for name in ("", "demo.css", "demo.js", "about")] == [200] * 4


def test_bodies_have_a_type_and_a_size(classifier: DemoServer) -> None:
    for kind in ("text/html", "application/x-python-pickle", "image/svg+xml", "multipart/form-data; boundary=x", ""):
        assert ask(classifier, "classify", png(), kind)[0] == 415
    assert ask(classifier, "classify", bytes(MAX_PICTURE + 1))[0] == 413
    assert ask(classifier, "sample", bytes(MAX_JSON + 1), "application/json")[0] == 413
    for length in ("-1", "1e3", "x", "9" * 30, "٣"):
        about = f"POST /{classifier.token}/classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
        assert b" 411 " in raw(classifier, f"{about}Content-Length: {length}\r\n\r\n".encode()).splitlines()[0]
    chunked = f"POST /{classifier.token}/classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
    assert b" 411 " in raw(classifier, f"{chunked}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode())
    for body in (b"", b"no picture", png()[:60], b"GIF89a" + bytes(50)):
        status, _, text = ask(classifier, "classify", body)
        assert status == 400 and "error" in json.loads(text)
    Image.new("L", (5000, 4000)).save(large := BytesIO(), "PNG")  # more pixels than are decoded, in few bytes
    status, _, text = ask(classifier, "classify", large.getvalue())
    assert status == 400 and "pixels" in json.loads(text)["error"]


def raw(server: DemoServer, data: bytes) -> bytes:
    """Send bytes, and return all that is answered."""
    with socket.create_connection(("127.0.0.1", server.server_port), 20) as connection:
        connection.sendall(data)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        found = b""
        with suppress(OSError):
            while part := connection.recv(1 << 16):
                found += part
    return found


def test_what_fails_inside_is_told_to_the_terminal_alone(
    home: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    model = DemoModel(zoo.load(trained), "cpu")
    monkeypatch.setattr(model, "classify", lambda picture: 1 / 0)
    with serve(model, tell=told.append) as server:
        status, _, text = ask(server, "classify", png())
    assert status == 500 and b"ZeroDivision" not in text and b"Traceback" not in text
    assert told == ["a request failed: ZeroDivisionError: division by zero"]


def test_an_error_of_a_file_inside_is_answered_too(home: Path, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(picture: bytes) -> None:
        raise FileNotFoundError("a file of the model is gone")

    told: list[str] = []
    model = DemoModel(zoo.load(trained), "cpu")
    monkeypatch.setattr(model, "classify", fail)
    with serve(model, tell=told.append) as server:
        assert ask(server, "classify", png())[0] == 500
    assert told == ["a request failed: FileNotFoundError: a file of the model is gone"]


def test_a_body_that_does_not_come_is_not_waited_for(classifier: DemoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.demo.server.Handler.timeout", 0.3)
    about = f"POST /{classifier.token}/classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
    with socket.create_connection(("127.0.0.1", classifier.server_port), 20) as connection:
        connection.sendall(f"{about}Content-Length: 9\r\n\r\n123".encode())
        assert b" 408 " in connection.recv(1 << 16).splitlines()[0]


def test_without_threads_a_request_takes_no_place(classifier: DemoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(thread: Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(Thread, "start", fail)
        for _ in range(MAX_CONNECTIONS):
            assert raw(classifier, b"GET / HTTP/1.1\r\n\r\n") == b""
    assert ask(classifier, "about")[0] == 200


def test_the_heat_map_is_of_the_class_that_is_named(home: Path, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels: list[int] = []

    def heat(model: object, x: Tensor, label: Tensor) -> Tensor:
        labels.extend(label.tolist())
        return torch.zeros(len(x), *x.shape[2:])

    run = zoo.load(trained)
    probabilities = torch.zeros(1, 10).index_fill_(1, torch.tensor(7), 1.0)
    named = Predictions(("0",), run.info.classes, probabilities)
    monkeypatch.setattr(Run, "__call__", lambda *_, **__: named)
    monkeypatch.setattr("zoo.demo.model.heat_maps", heat)
    found = DemoModel(run, "cpu").classify(png())
    assert labels == [7] and found["classes"][0]["label"] == run.info.classes[7] and found["heat"]


def test_a_model_without_gradients_has_classes_and_no_heat_map(
    home: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("no gradient")

    monkeypatch.setattr("zoo.demo.model.heat_maps", fail)
    found = DemoModel(zoo.load(trained), "cpu").classify(png())
    assert len(found["classes"]) == 10 and found["heat"] is None


@pytest.mark.parametrize("seed", [0, 1])
def test_garbage_neither_stops_it_nor_reads_files(classifier: DemoServer, seed: int, capsys: Any) -> None:
    chance = random.Random(seed)
    secret = "root:x:0"
    whole = f"POST /{classifier.token}/classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n".encode()
    whole += f"Content-Length: {len(png())}\r\n\r\n".encode() + png()
    reads = [f"GET /{classifier.token}/{name} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode() for name in NAMES]
    for _ in range(150):
        data = chance.choice([whole, chance.choice(reads), chance.randbytes(chance.randrange(600))])
        data = damaged(data, chance)
        found = raw(classifier, data)
        assert b"Traceback" not in found and b'File "' not in found and secret.encode() not in found
    assert ask(classifier, "classify", png())[0] == 200
    out, err = capsys.readouterr()
    assert out == "" and "Traceback" not in err


NAMES = (
    "",
    "about",
    "demo.js",
    "../../../../etc/passwd",
    "..%2f..%2fetc/passwd",
    "%00",
    "\\..\\..",
    "a" * 3000,
    "?options=%",
)


def damaged(data: bytes, chance: random.Random) -> bytes:
    """The bytes with a few of them changed, cut or repeated; sometimes as they are."""
    found = bytearray(data)
    for _ in range(chance.choice((0, 1, 3, 30))):
        at = chance.randrange(len(found) + 1)
        token = chance.choice((b"\r\n", b"\0", b"\xff", b" ", b":", b"%", b"/" * 50, b"HTTP/9.9", chance.randbytes(5)))
        found[at : at + chance.choice((0, 1, 9))] = token
    return bytes(found[: chance.randrange(len(found) + 1)]) if chance.random() < 0.3 else bytes(found)


def test_slow_and_many_connections_leave_room(classifier: DemoServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.demo.server.Handler.timeout", 0.5)
    held = [socket.create_connection(("127.0.0.1", classifier.server_port)) for _ in range(40)]
    for connection in held:
        connection.sendall(b"GET / HTTP/1.1\r\n")
    time.sleep(1.5)
    assert ask(classifier, "about")[0] == 200
    for connection in held:
        connection.close()


def test_a_taken_port_and_a_foreign_address_are_refused(classifier: DemoServer, trained: Path) -> None:
    model = DemoModel(zoo.load(trained), "cpu")
    taken = ("127.0.0.1", classifier.server_port, "--port")
    for host, port, option in (taken, ("203.0.113.7", 0, "--host"), ("no.such.host.invalid", 0, "--host")):
        with (
            pytest.raises(ResourceError, match=f"cannot listen on .*; choose another {option}"),
            serve(model, host, port),
        ):
            pass


def test_an_empty_host_is_refused_and_all_of_loopback_is_this_machine(home: Path, capsys: Any) -> None:
    assert main(["demo", "judge@digits", "--host", ""]) == 2
    assert "--host is empty; leave it out, or name an address" in capsys.readouterr().err
    assert is_loopback("127.0.0.2") and is_loopback("localhost") and is_loopback("::1") and not is_loopback("0.0.0.0")


def test_the_page_is_on_loopback_unless_a_host_is_given(home: Path, trained: Path) -> None:
    model = DemoModel(zoo.load(trained), "cpu")
    with serve(model) as server:
        assert server.server_address[0] == "127.0.0.1"
        assert not server.accepts("192.168.0.7") and not server.accepts("evil.example")
        other = server.token
    with serve(model, "0.0.0.0") as server:
        assert server.accepts("192.168.0.7:80") and server.accepts(socket.gethostname())
        assert not server.accepts("evil.example") and not server.accepts("")
        assert urlsplit(server.address).hostname == "127.0.0.1" and server.token != other


def test_a_model_of_another_kind_is_refused(home: Path, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.demo.model.Classifier", str)
    with pytest.raises(ZooError, match="neither a classifier nor a generator"):
        DemoModel(zoo.load(trained), "cpu")


def test_the_command_opens_the_browser_and_ends_at_ctrl_c(
    home: Path, trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)

    class Interrupted:
        def wait(self, seconds: float) -> bool:
            with urlopen(opened[0]) as page:
                assert page.status == 200
            raise KeyboardInterrupt

    monkeypatch.setattr("zoo.cli.commands.demo.Event", Interrupted)
    assert main(["demo", str(trained), "--device", "cpu"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == opened and err.splitlines()[-2:] == ["stop with Ctrl-C", "stopped"]
    with pytest.raises(OSError):
        urlopen(opened[0])


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows sends no Ctrl-C to one process")
def test_ctrl_c_ends_the_process(home: Path, trained: Path) -> None:
    words = [sys.executable, "-m", "zoo", "demo", str(trained), "--no-browser", "--device", "cpu"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        assert any("stop with Ctrl-C" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert "Traceback" not in process.stderr.read()


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Browser]:
    """A page in a browser."""
    with browser(tmp_path) as found:
        yield found


def draw_line(page: Browser) -> None:
    """Draw a line on the canvas with the mouse."""
    x, y = page.scroll_to("#canvas")
    page.mouse("mousePressed", x, y - 60)
    for step in range(12):
        page.mouse("mouseMoved", x, y - 60 + 10 * step)
    page.mouse("mouseReleased", x, y + 60)


@needs_browser
def test_a_drawing_is_classified(classifier: DemoServer, page: Browser) -> None:
    page.open(classifier.address)
    page.wait("!document.getElementById('picture').hidden")
    draw_line(page)
    page.wait("document.querySelectorAll('#bars li').length === 10")
    shares = page.evaluate("[...document.querySelectorAll('#bars meter')].map((meter) => meter.value)")
    assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(1, abs=1e-4)
    assert page.evaluate("document.getElementById('sample').hidden")
    page.wait("document.getElementById('heat').naturalWidth === 8")
    page.click("#clear")
    assert page.evaluate("document.querySelectorAll('#bars li').length") == 0
    assert page.problems() == []
    assert {urlsplit(address).netloc for address in page.requested()} == {f"127.0.0.1:{classifier.server_port}"}


@needs_browser
def test_a_generator_samples_and_edits_by_clicks(sampler: DemoServer, page: Browser) -> None:
    page.open(sampler.address)
    page.wait("document.querySelectorAll('#samples img').length === 16")
    first = page.evaluate("document.querySelector('#samples img').src")
    page.click("#again")
    page.wait(f"document.querySelector('#samples img').src !== {json.dumps(first)}")
    page.click("#add")
    page.click(".part:nth-child(3) input")
    page.send("Input.insertText", text="nonsense of no class")
    page.click("#go")
    assert "nonsense" in page.wait(
        "!document.getElementById('message').hidden && document.getElementById('message').textContent"
    )
    draw_line(page)
    page.click("#edit-go")
    page.wait("!document.getElementById('pair').hidden")
    assert page.evaluate("document.getElementById('original').naturalWidth") == 8
    assert page.evaluate("document.getElementById('message').hidden")
