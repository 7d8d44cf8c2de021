"""What the zoo holds here: plugins, registry files, entries, and pictures that need no download."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cli.doctor.finding import Finding, note, ok, problem
from zoo.core.errors import MissingError

if TYPE_CHECKING:
    from zoo.registry.kinds import DataKind


def plugins() -> Iterator[Finding]:
    """Those that work, and what is wrong with the others."""
    from zoo.registry.catalog import catalog
    from zoo.registry.plugins.blocklist import OWN

    found = catalog()
    working = [plugin for plugin in found.plugins if plugin.state == "ok"]
    names = [plugin.name for plugin in working]
    others = [
        f"{plugin.name} ({plugin.distribution} {plugin.version})" for plugin in working if plugin.distribution != OWN
    ]
    own = ", ".join(plugin.name for plugin in working if plugin.distribution == OWN)
    yield ok(f"{len(names)} working: {', '.join([own, *others])}", working=names)
    for plugin in found.plugins:
        text, about = plugin.trouble, {"plugin": plugin.name, "plugin_state": plugin.state}
        if plugin.state == "blocked":
            yield note(text, **about)
        elif plugin.state == "broken" and plugin.distribution == OWN:
            yield problem(text, "reinstall the zoo: pip install --force-reinstall pixel-zoo", MissingError.code)
        elif plugin.state == "broken":
            yield note(text, f"upgrade it, or remove it with: pip uninstall {plugin.distribution}", **about)
    for text in found.notes:
        yield note(text)


def registries() -> Iterator[Finding]:
    """The files that are read, lowest first."""
    from zoo.registry.catalog import catalog
    from zoo.registry.layers import shipped_registry, user_registry

    given = [f"{plugin.name}:{file.name}" for plugin in catalog().plugins for file in plugin.registries]
    mine = [str(path) for path in (user_registry(), Path.cwd() / "registry.yaml") if path.is_file()]
    files = [str(shipped_registry()), *given, *mine]
    yield ok(", ".join(files), files=files)


def entries() -> Iterator[Finding]:
    """How many can be used, and why others cannot."""
    from zoo.registry.listing import describe_entry, load_registry

    found, left_out = load_registry()
    described = [describe_entry(found, name) for name in found.entries]
    usable = [entry.name for entry in described if not entry.needs]
    yield ok(f"{len(usable)} of {len(described)} can be used", usable=usable)
    for entry in described:
        for need in entry.needs:
            yield note(f"{entry.name} cannot be used: {need}", entry=entry.name)
    for text in left_out:
        yield note(text)


def data() -> Iterator[Finding]:
    """Kinds of pictures that are here, and those that would be fetched, found out with their option `download` off."""
    if sys.modules.get("torch") is None:
        yield note("not checked, since torch cannot be imported")
        return
    from zoo.core.files import cache_dir
    from zoo.registry.catalog import catalog
    from zoo.registry.kinds import DataKind

    folder = Path(os.environ.get("ZOO_DATA") or cache_dir() / "data")
    here, absent, given = list[str](), list[str](), list[str]()
    for kind in (kind for plugin in catalog().plugins for kind in plugin.kinds if isinstance(kind, DataKind)):
        if any(field.is_required() for field in kind.spec.model_fields.values()):
            given.append(kind.name)
        elif "download" not in kind.spec.model_fields or is_here(kind):
            here.append(kind.name)
        else:
            absent.append(kind.name)
    yield ok(f"available: {', '.join(here) or 'none'}; needs --data: {', '.join(given) or 'none'}", here=here)
    if absent:
        text = f"downloaded to {folder} on first use: {', '.join(absent)}"
        yield ok(text, absent=absent, folder=str(folder))


def is_here(kind: DataKind[Any]) -> bool:
    """Whether pictures can be loaded without a download."""
    try:
        kind.load(kind.spec(download=False))
    except Exception:  # a plugin's own
        return False
    return True
