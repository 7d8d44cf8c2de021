"""Names that a shell completes: commands with their options, entries, kinds with theirs, plugins; kept in the cache."""

from __future__ import annotations

import json
import os
import sys
import types
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from zoo.core.errors import ResourceError, ZooError
from zoo.core.files import cache_dir, digest, remove, write_json
from zoo.core.version import __version__
from zoo.runs.names import ROOT

if TYPE_CHECKING:
    import click
    from pydantic import BaseModel

    from zoo.registry.catalog import Catalog


LAYOUT = 1
MOST = 20
"""Files that are kept: one for each folder with a registry.yaml, and one for all others."""
PLACES = ("ZOO_CONFIG", "ZOO_PLUGINS", "HOME", "XDG_CONFIG_HOME", "APPDATA", "LOCALAPPDATA")
"""Variables that names depend on."""
MARKS = {"run.json": "run", "study.json": "study", "compare.json": "comparison"}
Names = dict[str, Any]


def known_names() -> Names:
    """The names as they are kept, or gathered anew where something that they depend on has changed."""
    path = cache_dir() / "completion" / f"{key()}.json"
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        kept: Names = json.loads(path.read_text(encoding="utf-8"))
        if kept.pop("seal") == digest(kept) and kept["stamps"] == [stamp(each) for each, *_ in kept["stamps"]]:
            return kept
    found = gather()
    with suppress(OSError, ResourceError):
        write_json(path, found | {"seal": digest(found)})
        for old in sorted(path.parent.glob("*.json"), key=lambda file: -file.stat().st_mtime)[MOST:]:
            remove(old)
    return found


def key() -> str:
    """What tells apart places that have other names."""
    here = os.getcwd() if os.path.isfile("registry.yaml") else ""  # noqa: PTH109, PTH113 - the cheapest look
    return digest([LAYOUT, __version__, sys.executable, sys.path, here, [os.environ.get(name) for name in PLACES]])[:20]


def stamp(path: str) -> list[Any]:
    """Whether a file or folder is still the same."""
    try:
        about = os.stat(path)  # noqa: PTH116 - likewise
    except OSError:
        return [path, 0, 0]
    return [path, about.st_mtime_ns, about.st_size]


def gather() -> Names:
    """All names, which imports every command and every plugin."""
    from zoo.registry.catalog import catalog

    found = catalog()
    names: Names = {"commands": commands(), "entries": entries(), "kinds": kinds(found)}
    names["plugins"] = [plugin.name for plugin in found.plugins]
    names["options"] = shared_options()
    return names | {"stamps": [stamp(path) for path in depends(found)]}


def depends(found: Catalog) -> list[str]:
    """Files and folders whose change may change a name: of packages, probe results, registries, our own code."""
    from zoo.registry.layers import shipped_registry, user_registry
    from zoo.registry.plugins.probe_cache import probe_cache_folder

    here = os.getcwd()  # noqa: PTH109 - it changes with every run, and nobody installs there
    local = os.path.join(here, "registry.yaml")  # noqa: PTH118 - likewise
    files = [str(shipped_registry()), str(user_registry()), str(probe_cache_folder()), local]
    files += [str(file) for plugin in found.plugins for file in plugin.registries]
    tops = {"zoo", *(kind.spec.__module__.partition(".")[0] for plugin in found.plugins for kind in plugin.kinds)}
    modules = [module for name, module in list(sys.modules.items()) if name.partition(".")[0] in tops]
    code = [str(file) for module in modules if (file := getattr(module, "__file__", None))]
    return list(dict.fromkeys([*(path for path in sys.path if path not in ("", here)), *files, *code]))


def commands() -> dict[str, Any]:
    """Every command with its parameters; under the empty name those of `zoo` itself."""
    import click

    from zoo.cli.app import COMMANDS, zoo

    context = click.Context(zoo)
    found = {"": {"help": "", "params": [parameter(each) for each in zoo.params]}}
    for name, line in COMMANDS.items():
        command = zoo.get_command(context, name)
        found[name] = {"help": line, "params": [parameter(each) for each in command.params] if command else []}
    return found


def parameter(param: click.Parameter) -> dict[str, Any]:
    """An argument or an option, as far as completion needs it."""
    import click

    choices = list(param.type.choices) if isinstance(param.type, click.Choice) else None
    about: dict[str, Any] = {"name": param.name, "nargs": param.nargs, "metavar": param.metavar, "choices": choices}
    if isinstance(param, click.Option):
        about |= {"opts": param.opts, "flag": param.is_flag, "multiple": param.multiple, "help": param.help}
    return about


def entries() -> dict[str, Any]:
    """Every entry with its summary and the kinds of its parts."""
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


def kinds(found: Catalog) -> dict[str, Any]:
    """Every kind by family and name, with the values of its options and what an entry has beside it by default."""
    known: dict[str, Any] = {}
    for family, name in sorted(found.providers):
        try:
            _, kind = found.find(family, f"{found.prefix(found.providers[family, name][0])}:{name}")
        except ZooError:  # its probe went well, and its import here did not
            continue
        beside = {other: getattr(kind, other) for other in ("prior", "text") if getattr(kind, other, "")}
        known.setdefault(family, {})[name] = {"options": values(kind.spec), "beside": beside}
    return known


def shared_options() -> dict[str, Any]:
    """The options of `train` and `tune`."""
    from zoo.core.sections import TrainSpec, TuneSpec

    return {"train": values(TrainSpec), "tune": values(TuneSpec)}


def values(spec: type[BaseModel]) -> dict[str, list[str]]:
    """What each option may be, where there are only a few such; those of nested specs by dotted name."""
    from zoo.core.spec import Choice, nested_spec, yaml_scalar

    known: dict[str, list[str]] = {}
    for name, field in spec.model_fields.items():
        if nested := nested_spec(field):
            known |= {f"{name}.{inner}": few for inner, few in values(nested).items()}
            continue
        marks = [mark for mark in field.metadata if isinstance(mark, Choice)]
        few = listed(field.annotation) or (marks[0].values if marks else ())
        known[name] = [yaml_scalar(value) for value in few]
    return known


def listed(annotation: Any) -> tuple[Any, ...]:
    """The values of a type that has only a few; empty for any other."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return listed(args[0])
    if origin is Literal:
        return args
    if origin in (Union, types.UnionType):
        parts = [listed(arg) for arg in args]
        return tuple(value for part in parts for value in part) if all(parts) else ()
    return {bool: (True, False), type(None): (None,)}.get(annotation, ())


def folder_names() -> Iterable[tuple[str, str]]:
    """Folders below `runs` that hold a run, a study or a comparison, and which of them."""
    try:
        folders = sorted(path for path in ROOT.iterdir() if path.name.isprintable())
    except OSError:
        return
    for path in folders:
        if what := next((what for file, what in MARKS.items() if (path / file).is_file()), ""):
            yield path.name, what
