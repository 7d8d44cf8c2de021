"""Discovery: plugins are imported one at a time, each on its own; whatever one does, only that one is left out."""

from __future__ import annotations

import io
import re
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from importlib.metadata import EntryPoint, distributions, entry_points
from importlib.resources.abc import Traversable
from itertools import islice
from types import FrameType
from typing import Any

import pluggy

from zoo.dataspec import DataSpec
from zoo.errors import one_line
from zoo.hooks import KIND_HOOKS, PROJECT, Hooks
from zoo.kinds import FAMILIES, Kind
from zoo.spec import Spec

OWN = "pixel-zoo"
MOST = 1000
KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Plugin:
    """One entry point of group `zoo`, and what became of it."""

    name: str
    distribution: str
    version: str
    error: str = ""
    kinds: tuple[Kind, ...] = ()
    registries: tuple[Traversable, ...] = ()

    @property
    def state(self) -> str:
        """`ok`, or `broken` if the plugin was left out."""
        return "broken" if self.error else "ok"

    def __str__(self) -> str:
        return f"plugin {self.name} ({self.distribution} {self.version})"


def discover() -> list[Plugin]:
    """Every plugin that is installed, the zoo's own first."""
    points = sorted(installed(), key=lambda point: (dist(point)[0] != OWN, point.name, dist(point)[0]))
    return [load(point) for point in points]


def installed() -> list[EntryPoint]:
    """The entry points of group `zoo`; a distribution whose metadata cannot be read has none."""
    try:
        return list(entry_points(group=PROJECT))
    except Exception:
        found: dict[str, list[EntryPoint]] = {}
        for each in distributions():
            with suppress(Exception):
                found.setdefault(each.name.lower(), [point for point in each.entry_points if point.group == PROJECT])
        return [point for points in found.values() for point in points]


def dist(point: EntryPoint) -> tuple[str, str]:
    """Name and version of the distribution that declares an entry point."""
    try:
        name, version = (point.dist.name, point.dist.version) if point.dist else (None, None)
    except Exception:
        name, version = None, None
    return name or "unknown", version or "?"


class Pressed(BaseException):
    """The user pressed Ctrl-C while a plugin was imported."""


def load(point: EntryPoint) -> Plugin:
    """Import one plugin and ask its hooks; whatever it raises, only this plugin is left out."""
    try:
        with guarded():
            kinds, registries = ask(point.load(), point.name)
    except Pressed:
        raise KeyboardInterrupt from None
    except BaseException as error:
        return Plugin(point.name, *dist(point), error=reason(error))
    return Plugin(point.name, *dist(point), kinds=kinds, registries=registries)


def ask(plugin: object, name: str) -> tuple[tuple[Kind, ...], tuple[Traversable, ...]]:
    """Everything that a plugin's hooks yield, checked."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    manager.register(plugin, name)
    manager.check_pending()
    if not manager.get_hookcallers(plugin):
        raise TypeError("it implements no hook; mark a function such as zoo_models with @zoo.hookimpl")
    kinds = [check(kind, hook, family) for hook, family in KIND_HOOKS.items() for kind in call(manager, hook)]
    seen = [(kind.family, kind.name) for kind in kinds]
    if twice := next((pair for pair in seen if seen.count(pair) > 1), None):
        raise TypeError(f"it yields the {twice[0]} kind {twice[1]!r} twice")
    registries = call(manager, "zoo_registries")
    if strange := next((file for file in registries if not isinstance(file, Traversable)), None):
        raise TypeError(f"zoo_registries yields {strange!r:.80}, not a file of importlib.resources")
    return tuple(kinds), tuple(registries)


def call(manager: pluggy.PluginManager, hook: str) -> list[Any]:
    """What one hook of one plugin yields."""
    found: list[Any] = []
    for impl in getattr(manager.hook, hook).get_hookimpls():
        given = impl.function()
        if not isinstance(given, Iterable):
            raise TypeError(f"{hook} gives {given!r:.80}, nothing to iterate over; yield each kind")
        found += islice(given, MOST + 1)
    if len(found) > MOST:
        raise TypeError(f"{hook} yields more than {MOST} things")
    return found


def check(kind: object, hook: str, family: str) -> Kind:
    """The kind, if it is one."""
    expected = FAMILIES[family]
    if not isinstance(kind, expected):
        raise TypeError(f"{hook} yields {kind!r:.80}, not a {expected.__name__}")
    if not (isinstance(kind.name, str) and KEBAB.fullmatch(kind.name)):
        raise TypeError(f"{hook}: the kind name {kind.name!r:.80} is not lower-case words joined by '-'")
    if not isinstance(kind.summary, str):
        raise TypeError(f"{hook}: the summary of {kind.name!r} is not a text")
    functions = [getattr(kind, name) for name in ("build", "load", "info", "compute") if hasattr(kind, name)]
    if not all(callable(function) for function in functions):
        raise TypeError(f"{hook}: the constructor of {kind.name!r} cannot be called")
    check_spec(kind.spec, f"{hook}: the spec of {kind.name!r}", family)
    return kind  # type: ignore[no-any-return]


def check_spec(spec: object, what: str, family: str) -> None:
    """Refuse a spec that could not be validated or written into registry.yaml."""
    base = DataSpec if family == "data" else Spec
    if not (isinstance(spec, type) and issubclass(spec, base)):
        raise TypeError(f"{what} is not a subclass of zoo.{base.__name__}")
    spec.model_rebuild()
    if "kind" in spec.model_fields:
        raise TypeError(f"{what} has an option `kind`, but that word chooses the kind itself")
    if family in {"metric", "judge"}:  # used with their defaults
        spec()


@contextmanager
def guarded() -> Iterator[None]:
    """Keep a plugin's prints off stdout, and tell a Ctrl-C of the user from one that the plugin raises.

    A Ctrl-C ends the block as Pressed, whatever the plugin makes of the KeyboardInterrupt that it gets.
    """
    pressed = False

    def press(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT) if main else None
    if callable(before):
        signal.signal(signal.SIGINT, press)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        if callable(before):
            signal.signal(signal.SIGINT, before)
        if pressed:
            raise Pressed


def reason(error: BaseException) -> str:
    """One line that says what a plugin did."""
    if isinstance(error, SyntaxError) and error.filename:
        place = f"{error.filename.replace(chr(92), '/').rsplit('/', 1)[-1]}:{error.lineno}"
        return one_line(f"SyntaxError: {error.msg} ({place})")[:300]
    if isinstance(error, SystemExit):
        return one_line(f"it called sys.exit({error.code!r:.80})")
    try:
        text = one_line(str(error))
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}"[:300] if text else type(error).__name__
