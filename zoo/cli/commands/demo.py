"""`zoo demo`: try a trained model in the browser."""

from __future__ import annotations

import ipaddress
import sys
import webbrowser
from contextlib import suppress
from threading import Event

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import DEVICE, RUN
from zoo.core.errors import ZooError
from zoo.runs.find import load


@click.command("demo", cls=Command, json=False)
@RUN
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="Port; default a free one.")
@click.option(
    "--host",
    default="127.0.0.1",
    metavar="ADDRESS",
    help="Address to listen on; default 127.0.0.1, which only this machine reaches.",
)
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@DEVICE
@click.pass_obj
def demo_command(screen: Screen, /, run: str, port: int, host: str, no_browser: bool, device: str) -> None:
    """Try a trained model in the browser, until Ctrl-C.

    For a classifier draw or drop a picture and see the probabilities of the classes; for a generator mix prompts, and
    edit a picture. The page is on this machine only, and its address has a random token. RUN is a run folder, or an
    entry (its newest finished run).
    """
    from zoo.demo.model import DemoModel
    from zoo.demo.server import serve

    if not host.strip():
        raise ZooError("--host is empty", "leave it out, or name an address")
    model = DemoModel(load(run), device)
    with serve(model, host, port, screen.note) as server, suppress(KeyboardInterrupt):
        screen.line(server.address)
        sys.stdout.flush()  # a program that starts the demo waits for its address
        if not is_loopback(host):
            screen.note("warning: other machines can reach this page; whoever has the address can use the model")
        screen.note("stop with Ctrl-C")
        if not no_browser:
            webbrowser.open(server.address)
        wait()
    screen.note("stopped")


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address."""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host.lower() == "localhost"


def wait() -> None:
    """Wait for Ctrl-C."""
    stop = Event()
    while not stop.wait(0.5):  # a wait without an end hears no Ctrl-C on Windows
        pass
