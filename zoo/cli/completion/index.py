"""Names for shell completion, cached on disk: commands, entries and kinds with their options, and plugins."""

from __future__ import annotations

import os
import re
import sys
import types
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from zoo.core.errors import ResourceError, ZooError
from zoo.core.files import cache_dir, digest, remove, write_json
from zoo.core.trust import load_json, user_id
from zoo.core.version import __version__
from zoo.registry.weights import INDEX_FILE
from zoo.runs.names import ROOT

if TYPE_CHECKING:
    import click
    from pydantic import BaseModel

    from zoo.registry.catalog import Catalog


CACHE_FORMAT = 2
CACHE_FILE = re.compile(r"[0-9a-f]{20}\.json")
MAX_CACHE_FILES = 20
"""Maximum number of cache files: one per folder with a registry.yaml, and one for all other folders."""
VARIABLES = ("ZOO_CONFIG", "ZOO_PLUGINS", "HOME", "XDG_CONFIG_HOME", "APPDATA", "LOCALAPPDATA")
"""Environment variables that the names depend on."""
FOLDER_TYPES = {"run.json": "run", "study.json": "study", "compare.json": "comparison"}
Names = dict[str, Any]


def cached_names() -> Names:
    """Return the names from the cache, or collect them again if something they depend on has changed."""
    path = cache_dir() / "completion" / f"{cache_key()}.json"
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        cached: Names = load_json(path, own=True)
        if cached.pop("seal") == digest(cached) and cached["stamps"] == [
            file_stamp(each) for each, *_ in cached["stamps"]
        ]:
            return cached
    found = collect_names()
    with suppress(OSError, ResourceError):
        write_json(path, found | {"seal": digest(found)}, private=True)
        mine = [file for file in path.parent.glob("*.json") if CACHE_FILE.fullmatch(file.name)]
        for old in sorted(mine, key=lambda file: -file.lstat().st_mtime)[MAX_CACHE_FILES:]:
            remove(old)
    return found


def cache_key() -> str:
    """Return the cache key, which differs for environments with other names."""
    here = os.getcwd() if os.path.isfile("registry.yaml") else ""  # noqa: PTH109, PTH113 - cheapest
    return digest(
        [
            CACHE_FORMAT,
            user_id(),
            __version__,
            sys.executable,
            sys.path,
            here,
            [os.environ.get(name) for name in VARIABLES],
        ]
    )[:20]


def file_stamp(path: str) -> list[Any]:
    """Return path, modification time and size of a file or folder, to detect a change."""
    try:
        about = os.stat(path)  # noqa: PTH116 - likewise
    except OSError:
        return [path, 0, 0]
    return [path, about.st_mtime_ns, about.st_size]


def collect_names() -> Names:
    """Collect all names; imports every command and every plugin."""
    from zoo.registry.catalog import catalog

    found = catalog()
    names: Names = {"commands": collect_commands(), "entries": collect_entries(), "kinds": collect_kinds(found)}
    names["plugins"] = [plugin.name for plugin in found.plugins]
    names["options"] = train_and_tune_options()
    names["weights"] = [each.name for each, _ in found.weights()]
    return names | {"stamps": [file_stamp(path) for path in dependencies(found)]}


def dependencies(found: Catalog) -> list[str]:
    """List the files and folders that names depend on: packages, probe results, registries and code."""
    from zoo.registry.layers import shipped_registry, user_registry
    from zoo.registry.plugins.probe_cache import probe_cache_folder

    here = os.getcwd()  # noqa: PTH109 - it changes with every run, and nobody installs there
    local = os.path.join(here, "registry.yaml")  # noqa: PTH118 - likewise
    files = [str(shipped_registry()), str(user_registry()), str(probe_cache_folder()), local]
    files += [str(file) for plugin in found.plugins for file in plugin.registries]
    shipping = [plugin for plugin in found.plugins if plugin.weights]
    files += [str(Path(plugin.location, INDEX_FILE)) for plugin in shipping]
    tops = {"zoo", *(kind.spec.__module__.partition(".")[0] for plugin in found.plugins for kind in plugin.kinds)}
    modules = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] in tops]
    code = [str(file) for module in modules if (file := getattr(module, "__file__", None))]
    return list(dict.fromkeys([*(path for path in sys.path if path not in ("", here)), *files, *code]))


def collect_commands() -> dict[str, Any]:
    """Describe every command with its parameters; `zoo` itself under the empty name."""
    import click

    from zoo.cli.app import COMMANDS, zoo

    context = click.Context(zoo)
    found = {"": {"help": "", "params": [describe_parameter(each) for each in zoo.params]}}
    for name, line in COMMANDS.items():
        command = zoo.get_command(context, name)
        found[name] = {"help": line, "params": [describe_parameter(each) for each in command.params] if command else []}
    return found


def describe_parameter(param: click.Parameter) -> dict[str, Any]:
    """Describe an argument or an option for completion."""
    import click

    choices = list(param.type.choices) if isinstance(param.type, click.Choice) else None
    about: dict[str, Any] = {"name": param.name, "nargs": param.nargs, "metavar": param.metavar, "choices": choices}
    if isinstance(param, click.Option):
        about |= {"opts": param.opts, "flag": param.is_flag, "multiple": param.multiple, "help": param.help}
    return about


def collect_entries() -> dict[str, Any]:
    """Describe every entry with its summary and the kinds of its parts."""
    from zoo.registry.listing import load_registry

    try:
        found, _ = load_registry()
    except ZooError:
        return {}
    known = {}
    for name in found.entries:
        with suppress(ZooError):
            data = found.resolve(name).data
            parts = {key: value["kind"] for key, value in data.items() if isinstance(value, dict) and "kind" in value}
            known[name] = {"summary": str(data.get("summary", "")), "kinds": parts}
    return known


def collect_kinds(found: Catalog) -> dict[str, Any]:
    """Describe every kind by family and name, with its options' values and its default prior and text encoder."""
    known: dict[str, Any] = {}
    for family, name in sorted(found.providers):
        try:
            _, kind = found.find(family, f"{found.prefix(found.providers[family, name][0])}:{name}")
        except ZooError:  # its probe succeeded, but its import here failed
            continue
        beside = {other: getattr(kind, other) for other in ("prior", "text") if getattr(kind, other, "")}
        known.setdefault(family, {})[name] = {"options": option_values(kind.spec), "beside": beside}
    return known


def train_and_tune_options() -> dict[str, Any]:
    """Return the options of the sections `train` and `tune` with their values."""
    from zoo.core.sections import TrainSpec, TuneSpec

    return {"train": option_values(TrainSpec), "tune": option_values(TuneSpec)}


def option_values(spec: type[BaseModel]) -> dict[str, list[str]]:
    """Return the values of each option that has only a few; options of nested specs by dotted name."""
    from zoo.core.spec import Choice, nested_spec, yaml_scalar

    known: dict[str, list[str]] = {}
    for name, field in spec.model_fields.items():
        if nested := nested_spec(field):
            known |= {f"{name}.{inner}": few for inner, few in option_values(nested).items()}
            continue
        marks = [mark for mark in field.metadata if isinstance(mark, Choice)]
        few = literal_values(field.annotation) or (marks[0].values if marks else ())
        known[name] = [yaml_scalar(value) for value in few]
    return known


def literal_values(annotation: Any) -> tuple[Any, ...]:
    """Return all values of a type if they are few, such as a Literal or bool; empty for any other type."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return literal_values(args[0])
    if origin is Literal:
        return args
    if origin in (Union, types.UnionType):
        parts = [literal_values(arg) for arg in args]
        return tuple(value for part in parts for value in part) if all(parts) else ()
    return {bool: (True, False), type(None): (None,)}.get(annotation, ())


def list_run_folders() -> Iterable[tuple[str, str]]:
    """Yield the folders below `runs` that are a run, a study or a comparison, with their type."""
    try:
        folders = sorted(path for path in ROOT.iterdir() if path.name.isprintable())
    except OSError:
        return
    for path in folders:
        if what := next((what for file, what in FOLDER_TYPES.items() if (path / file).is_file()), ""):
            yield path.name, what
