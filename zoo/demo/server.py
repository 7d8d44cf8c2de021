"""The server of a demo: the standard library's, on loopback, behind a random token and with bounded requests."""

from __future__ import annotations

import errno
import hmac
import ipaddress
import json
import os
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import BoundedSemaphore, Thread
from typing import Any
from urllib.parse import parse_qs

from zoo.core.errors import ResourceError, ZooError, describe_error
from zoo.core.files import non_finite_to_none
from zoo.core.notes import Tell, ignore
from zoo.demo.model import DemoModel
from zoo.demo.requests import EditRequest, SampleRequest, read_request

PAGE = Path(__file__).parent / "page"
FILES = {
    "": ("demo.html", "text/html; charset=utf-8"),
    "demo.css": ("demo.css", "text/css; charset=utf-8"),
    "demo.js": ("demo.js", "text/javascript; charset=utf-8"),
}
"""The only files that are served, by their names in an address."""
PICTURE_TYPES = ("image/png", "image/jpeg", "image/webp", "image/bmp", "image/gif", "image/tiff", "image/avif")
MAX_PICTURE, MAX_JSON = 16_000_000, 64_000
"""Largest bodies in bytes."""
MAX_CONNECTIONS = 32
TIMEOUT = 20.0
"""Seconds after which a connection that sends nothing is closed."""
DRAIN_SECONDS = 1.0
HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?")
"""The host that a request names, with or without a port."""
LOCAL_NAMES = {"localhost", "127.0.0.1", "::1"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Connection": "close",
}


class RefusedError(Exception):
    """A request that is answered with a status and one line."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class DemoServer(ThreadingHTTPServer):
    """A server of one model."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, model: DemoModel, host: str, port: int, tell: Tell) -> None:
        self.model, self.tell, self.host = model, tell, host
        self.token = secrets.token_urlsafe(18)
        self.places = BoundedSemaphore(MAX_CONNECTIONS)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), Handler)

    def server_bind(self) -> None:
        """Bind without asking a name server for the name of this machine."""
        if os.name == "posix":  # on Windows it would share a port that is taken
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.host, int(self.server_address[1])

    @property
    def address(self) -> str:
        """The address of the page, with the token."""
        host = "127.0.0.1" if self.host == "0.0.0.0" else "::1" if self.host == "::" else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server_port}/{self.token}/"

    def accepts(self, host: str) -> bool:
        """Return whether a request may name this host.

        A page of another site can let its own name stand for this machine, but not choose what the browser sends.
        """
        match = HOST.fullmatch(host.lower())
        name = match[1].strip("[]") if match else ""
        if name in {*LOCAL_NAMES, self.host.lower()}:
            return bool(name)
        if self.host in LOCAL_NAMES:
            return False
        with suppress(ValueError):
            return bool(ipaddress.ip_address(name))
        return name == socket.gethostname().lower()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Handle a request in a thread, unless too many are open."""
        if not self.places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be started
            self.places.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Handle a request, and give its place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing about connections that break."""


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: DemoServer
    timeout = TIMEOUT
    server_version, sys_version = "zoo", ""

    def do_GET(self) -> None:
        """Answer with a file of the page, or with what the page needs to know."""
        self.answer(self.get)

    def do_POST(self) -> None:
        """Answer with what the model made."""
        self.answer(self.post)

    def answer(self, make: Callable[[str], tuple[bytes, str]]) -> None:
        """Send what a function makes for the address, or why it was refused; no traceback is ever sent."""
        status = HTTPStatus.OK
        try:
            body, kind = make(self.checked_name())
        except RefusedError as refused:
            status, (body, kind) = refused.status, to_json({"error": str(refused)})
        except ZooError as error:
            status, (body, kind) = HTTPStatus.BAD_REQUEST, to_json({"error": str(error)})
        except Exception as error:
            self.server.tell(f"a request failed: {describe_error(error)}")
            text = "the model failed; the terminal of zoo demo says why"
            status, (body, kind) = HTTPStatus.INTERNAL_SERVER_ERROR, to_json({"error": text})
        self.send(status, body, kind)

    def checked_name(self) -> str:
        """Return what stands behind the token in the address."""
        if not self.server.accepts(self.headers.get("Host", "")):
            raise RefusedError(HTTPStatus.MISDIRECTED_REQUEST, "this server has another name")
        origin = self.headers.get("Origin")
        if origin is not None and origin != f"http://{self.headers['Host']}":
            raise RefusedError(HTTPStatus.FORBIDDEN, "the request is from another page")
        _, _, rest = self.path.partition("?")[0].partition("/")
        token, slash, name = rest.partition("/")
        if not slash or not hmac.compare_digest(token.encode(), self.server.token.encode()):
            raise RefusedError(HTTPStatus.NOT_FOUND, "not found; open the whole address that zoo demo printed")
        return name

    def get(self, name: str) -> tuple[bytes, str]:
        """Return a file of the page, or what it needs to know."""
        if name == "about":
            return to_json(self.server.model.about())
        if name not in FILES:
            raise RefusedError(HTTPStatus.NOT_FOUND, "not found")
        file, kind = FILES[name]
        return (PAGE / file).read_bytes(), kind

    def post(self, name: str) -> tuple[bytes, str]:
        """Return what the model makes of a request."""
        model = self.server.model
        if name == "classify":
            return to_json(model.classify(self.body(MAX_PICTURE, PICTURE_TYPES)))
        if name == "sample":
            text = self.body(MAX_JSON, ("application/json",)).decode(errors="replace")
            return to_json(model.sample(read_request(SampleRequest, text)))
        if name == "edit":
            text = parse_qs(self.path.partition("?")[2]).get("options", ["{}"])[0]
            options = read_request(EditRequest, text)
            return to_json(model.edit(self.body(MAX_PICTURE, PICTURE_TYPES), options))
        raise RefusedError(HTTPStatus.NOT_FOUND, "not found")

    def body(self, limit: int, kinds: tuple[str, ...]) -> bytes:
        """Read the body of a request, which must be of a known type and within the limit."""
        if self.headers.get_content_type() not in kinds or "Content-Type" not in self.headers:
            text = f"send {kinds[0]}" + (" or another picture" if len(kinds) > 1 else "")
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, text)
        length = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit() and len(length) < 16):
            raise RefusedError(HTTPStatus.LENGTH_REQUIRED, "the request needs a Content-Length")
        if int(length) > limit:
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {limit:,} bytes")
        try:
            found = self.rfile.read(int(length))
        except OSError:  # the client is silent for too long, or gone
            raise RefusedError(HTTPStatus.REQUEST_TIMEOUT, "the request took too long") from None
        if len(found) < int(length):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "the request ended early")
        return found

    def send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        """Send an answer, and close the connection."""
        self.close_connection = True
        with suppress(OSError, ValueError):
            self.send_response(status)
            for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()
            self.drain()

    def drain(self) -> None:
        """Read what the client still sends, within limits: else it would see a broken connection, not the answer."""
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(DRAIN_SECONDS)
        end = time.monotonic() + DRAIN_SECONDS
        while time.monotonic() < end and self.connection.recv(1 << 16):
            pass

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no request of the page, without quoting it."""
        if not hasattr(self, "request_version"):
            self.request_version = "HTTP/1.0"
        self.command = getattr(self, "command", None) or ""
        self.send(HTTPStatus(code), *to_json({"error": HTTPStatus(code).phrase}))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Log nothing: the address has the token."""


def to_json(value: Any) -> tuple[bytes, str]:
    """Return a JSON object as the body of an answer, and its type."""
    return json.dumps(non_finite_to_none(value), allow_nan=False).encode(), "application/json"


@contextmanager
def serve(model: DemoModel, host: str = "127.0.0.1", port: int = 0, tell: Tell = ignore) -> Iterator[DemoServer]:
    """Serve a model within the block, from another thread.

    Args:
        model: The model that the page is about.
        host: The address of this machine to listen on.
        port: The port; 0 for a free one.
        tell: Called with one line for each request at which the model failed.

    Yields:
        The server; its `address` is that of the page.

    Raises:
        ResourceError: If the port is taken, or this machine has no such address.
    """
    try:
        server = DemoServer(model, host, port, tell)
    except (OSError, OverflowError, UnicodeError) as error:
        text = getattr(error, "strerror", None) or str(error)
        option = "--port" if getattr(error, "errno", None) in (errno.EADDRINUSE, errno.EACCES) else "--host"
        raise ResourceError(f"cannot listen on {host}, port {port}: {text}", f"choose another {option}") from None
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
