"""Import a plugin and call its hooks; a failure becomes a one-line error."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from contextlib import nullcontext
from importlib.metadata import EntryPoint
from importlib.resources.abc import Traversable
from itertools import islice
from threading import RLock
from typing import Any, NamedTuple

import pluggy

from zoo.core.errors import describe_error, one_line
from zoo.core.sections import DataSpec, TransformSpec
from zoo.core.spec import Spec
from zoo.core.version import API
from zoo.registry.hooks import KIND_HOOKS, PROJECT, Hooks
from zoo.registry.kinds import FAMILIES, Kind
from zoo.registry.plugins.isolation import UserInterrupt, isolate_import, restore_globals, silence_stdout
from zoo.registry.plugins.probe_cache import declared_level, module_of
from zoo.registry.weights import Weights

OLDEST_API = 1
"""The lowest API level that this zoo still supports."""
MAX_KINDS = 1000
KEBAB_CASE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
BASES: dict[str, type[Spec]] = {"data": DataSpec, "augment": TransformSpec}
"""What the options of a family derive from, if not from Spec itself."""
LOCK = RLock()
"""Loading is not thread-safe: each load saves and restores global state."""


class LevelError(Exception):
    """A plugin was written for an API level that this zoo does not support."""

    def __init__(self, text: str, level: int = API) -> None:
        super().__init__(text)
        self.level = level


class PluginContents(NamedTuple):
    """What a plugin provides: kinds, registry files and weights."""

    kinds: tuple[Kind, ...] = ()
    registries: tuple[Traversable, ...] = ()
    weights: tuple[Weights, ...] = ()
    level: int = API
    """The API level that the plugin was written for."""


def load_plugin(point: EntryPoint, own: bool) -> tuple[PluginContents, str]:
    """Load a plugin; returns its contents, and an error that is empty on success.

    Global state that a third-party plugin changes is restored.
    """
    try:
        with (
            LOCK,
            isolate_import(),
            nullcontext() if own else silence_stdout(),
            nullcontext() if own else restore_globals(),
        ):
            return import_plugin(point), ""
    except UserInterrupt:
        raise KeyboardInterrupt from None
    except BaseException as error:
        return PluginContents(), error_line(error)


def import_plugin(point: EntryPoint) -> PluginContents:
    """Import a plugin and call its hooks; LevelError if its API level is not supported."""
    try:
        plugin = point.load()
        level = getattr(plugin, "ZOO_API", getattr(sys.modules.get(module_of(point)), "ZOO_API", API))
        check_level(level, point)
        return PluginContents(*collect_contents(plugin, point.name), level)
    except LevelError:
        raise
    except BaseException:
        if (level := declared_level(point)) is not None:
            check_level(level, point)
        raise


def check_level(level: object, point: EntryPoint) -> None:
    """Raise LevelError if this zoo does not support the API level of a plugin."""
    if type(level) is not int:
        raise LevelError(f"its ZOO_API is {level!r:.80}, not a whole number such as {API}")
    if level > API:
        raise LevelError(f"it was written for API level {level}, but this zoo has {API}; upgrade pixel-zoo", level)
    if level < OLDEST_API:
        name = point.dist.name if point.dist else point.name
        text = f"it was written for API level {level}, but this zoo supports {OLDEST_API} or newer"
        raise LevelError(f"{text}; upgrade {name}", level)


def collect_contents(
    plugin: object, name: str
) -> tuple[tuple[Kind, ...], tuple[Traversable, ...], tuple[Weights, ...]]:
    """Collect and check everything that a plugin's hooks yield."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    manager.register(plugin, name)
    manager.check_pending()
    if not manager.get_hookcallers(plugin):
        raise TypeError("it implements no hooks; mark a function such as zoo_models with @zoo.hookimpl")
    kinds = [check_kind(kind, hook, family) for hook, family in KIND_HOOKS.items() for kind in call_hook(manager, hook)]
    seen = [(kind.family, kind.name) for kind in kinds]
    if twice := next((pair for pair in seen if seen.count(pair) > 1), None):
        raise TypeError(f"it yields the {twice[0]} kind {twice[1]!r} twice")
    registries = call_hook(manager, "zoo_registries")
    if strange := next((file for file in registries if not isinstance(file, Traversable)), None):
        raise TypeError(f"zoo_registries yields {strange!r:.80}, not an importlib.resources file")
    return tuple(kinds), tuple(registries), collect_weights(manager)


def collect_weights(manager: pluggy.PluginManager) -> tuple[Weights, ...]:
    """Collect the weights that a plugin yields; TypeError for anything else, or for two of the same name."""
    weights = call_hook(manager, "zoo_weights")
    if strange := next((each for each in weights if not isinstance(each, Weights)), None):
        raise TypeError(f"zoo_weights yields {strange!r:.80}, not zoo.Weights")
    names = [each.name for each in weights]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise TypeError(f"it yields the weights {twice} twice")
    return tuple(weights)


def call_hook(manager: pluggy.PluginManager, hook: str) -> list[Any]:
    """Call one hook of a plugin and collect what it yields."""
    found: list[Any] = []
    for impl in getattr(manager.hook, hook).get_hookimpls():
        given = impl.function()
        if not isinstance(given, Iterable):
            raise TypeError(f"{hook} returns {given!r:.80}, which is not iterable; yield each kind")
        found += islice(given, MAX_KINDS + 1)
    if len(found) > MAX_KINDS:
        raise TypeError(f"{hook} yields more than {MAX_KINDS} kinds")
    return found


def check_kind(kind: object, hook: str, family: str) -> Kind:
    """Check that a hook yields a valid kind and return it; TypeError otherwise."""
    expected = FAMILIES[family]
    if not isinstance(kind, expected):
        raise TypeError(f"{hook} yields {kind!r:.80}, not a {expected.__name__}")
    if not (isinstance(kind.name, str) and KEBAB_CASE.fullmatch(kind.name)):
        raise TypeError(f"{hook}: the kind name {kind.name!r:.80} must be lower-case words joined by '-'")
    if not isinstance(kind.summary, str):
        raise TypeError(f"{hook}: the summary of {kind.name!r} is not a string")
    functions = [getattr(kind, name) for name in ("build", "load", "info", "compute") if hasattr(kind, name)]
    if not all(callable(function) for function in functions):
        raise TypeError(f"{hook}: the constructor of {kind.name!r} is not callable")
    check_spec(kind.spec, f"{hook}: the spec of {kind.name!r}", family)
    return kind  # type: ignore[no-any-return]


def check_spec(spec: object, what: str, family: str) -> None:
    """Raise TypeError for a spec that cannot be validated or written into registry.yaml."""
    base = BASES.get(family, Spec)
    if not (isinstance(spec, type) and issubclass(spec, base)):
        raise TypeError(f"{what} is not a subclass of zoo.{base.__name__}")
    spec.model_rebuild()
    if "kind" in spec.model_fields:
        raise TypeError(f"{what} has an option called `kind`, which is reserved for choosing the kind")
    if family in {"metric", "judge"}:  # used with their defaults
        spec()


def error_line(error: BaseException) -> str:
    """Describe the exception of a plugin in one line."""
    if isinstance(error, SyntaxError) and error.filename:
        location = f"{error.filename.replace(chr(92), '/').rsplit('/', 1)[-1]}:{error.lineno}"
        return one_line(f"SyntaxError: {error.msg} ({location})")[:300]
    if isinstance(error, SystemExit):
        return one_line(f"it called sys.exit({error.code!r:.80})")
    return one_line(str(error)) if isinstance(error, LevelError) else describe_error(error)
