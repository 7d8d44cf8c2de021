"""Checks of what is installed: packages and extras, plugins, registry files, entries and data."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cli.doctor.finding import Finding, note, ok, problem
from zoo.core.errors import MissingError
from zoo.core.files import expand_user
from zoo.registry.plugins.blocklist import OWN

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from zoo.registry.kinds import DataKind


def check_plugins() -> Iterator[Finding]:
    """Check which plugins work, and what is wrong with the others."""
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


def check_registries() -> Iterator[Finding]:
    """List the registry files, lowest first."""
    from zoo.registry.catalog import catalog
    from zoo.registry.layers import shipped_registry, user_registry

    given = [f"{plugin.name}:{file.name}" for plugin in catalog().plugins for file in plugin.registries]
    mine = [str(path) for path in (user_registry(), Path.cwd() / "registry.yaml") if path.is_file()]
    files = [str(shipped_registry()), *given, *mine]
    yield ok(", ".join(files), files=files)


def check_entries() -> Iterator[Finding]:
    """Check how many entries can be used, and why others cannot."""
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


def check_weights() -> Iterator[Finding]:
    """Check that the files of all shipped weights are whole, and which of them are stale."""
    from zoo.registry.catalog import catalog
    from zoo.runs.shipped import check_file, is_stale

    found = catalog().weights()
    broken = {each.weights.name: error for each in found if (error := check_file(each))}
    whole = [each.weights.name for each in found if each.weights.name not in broken]
    yield ok(f"{len(whole)} of {len(found)} can be used: {', '.join(whole) or 'none'}", usable=whole)
    for name, error in broken.items():
        yield note(str(error.args[0]), error.hint, weights=name)
    for name in [each.weights.name for each in found if is_stale(each.weights)]:
        yield note(f"{name} is stale: the entry has changed since it was trained", weights=name, stale=True)


def check_data() -> Iterator[Finding]:
    """Check which data kinds are available, and which need a download."""
    if sys.modules.get("torch") is None:
        yield note("not checked, since torch cannot be imported")
        return
    from zoo.core.files import cache_dir
    from zoo.registry.catalog import catalog
    from zoo.registry.kinds import DataKind

    named = os.environ.get("ZOO_DATA")
    folder = expand_user(named) if named else cache_dir() / "data"
    here, absent, given = list[str](), list[str](), list[str]()
    for kind in (kind for plugin in catalog().plugins for kind in plugin.kinds if isinstance(kind, DataKind)):
        if any(field.is_required() for field in kind.spec.model_fields.values()):
            given.append(kind.name)
        elif "download" not in kind.spec.model_fields or is_available(kind):
            here.append(kind.name)
        else:
            absent.append(kind.name)
    yield ok(f"available: {', '.join(here) or 'none'}; needs --data: {', '.join(given) or 'none'}", here=here)
    if absent:
        text = f"downloaded to {folder} on first use: {', '.join(absent)}"
        yield ok(text, absent=absent, folder=str(folder))


def is_available(kind: DataKind[Any]) -> bool:
    """Whether the pictures of a data kind can be loaded without a download."""
    try:
        kind.load(kind.spec(download=False))
    except Exception:  # a plugin may raise anything
        return False
    return True


FOR_DEVELOPERS = {"test"}
"""Extras that only developers of the zoo need."""


def check_packages() -> Iterator[Finding]:
    """Check the zoo's version and its required packages."""
    try:
        needs = requirements(OWN)
    except PackageNotFoundError:
        yield note("the zoo runs from its source folder and is not installed", "run: pip install -e . in that folder")
        return
    wrong = [line for need in needs if (line := why_unmet(need))]
    found = {OWN: version(OWN)} | {need.name: here for need in needs if (here := installed_version(need.name))}
    text = ", ".join(f"{name} {number}" for name, number in found.items())
    yield ok(text, versions=found) if not wrong else note(text, versions=found)
    for name, reason in wrong:
        yield problem(f"{name} {reason}", install_command(name), MissingError.code, package=name)


def check_extras() -> Iterator[Finding]:
    """Check which optional extras are installed."""
    try:
        names = distribution(OWN).metadata.get_all("Provides-Extra") or []
    except PackageNotFoundError:
        return
    for extra in sorted(set(names) - FOR_DEVELOPERS):
        wrong = [line for need in requirements(OWN, extra) if (line := why_unmet(need))]
        if not wrong:
            yield ok(f"{extra}: installed", extra=extra, installed=True)
            continue
        lacking = ", ".join(f"{name} {reason}" for name, reason in wrong)
        yield note(f"{extra}: {lacking}", install_command(f"{OWN}[{extra}]"), extra=extra, installed=False)


def requirements(name: str, extra: str = "") -> list[Requirement]:
    """List the requirements of a distribution on this system, or only those of one of its extras."""
    from packaging.requirements import Requirement

    parsed = [Requirement(line) for line in distribution(name).requires or []]
    if not extra:
        return [need for need in parsed if need.marker is None or need.marker.evaluate({"extra": ""})]
    optional = [need for need in parsed if need.marker is not None and "extra" in str(need.marker)]
    return [need for need in optional if need.marker and need.marker.evaluate({"extra": extra})]


def why_unmet(need: Requirement) -> tuple[str, str] | None:
    """Return an unmet requirement in pip's syntax with the reason, or None.

    Its extras count too.
    """
    line = str(need).partition(";")[0].strip()
    here = installed_version(need.name)
    if here is None:
        return line, "is not installed"
    if not need.specifier.contains(here, prereleases=True):
        return line, f"is needed, but {here} is installed"
    inner = [each for extra in need.extras for each in requirements(need.name, extra)]
    lacking = [each.name for each in inner if installed_version(each.name) is None]
    return (line, f"lacks {', '.join(lacking)}") if lacking else None


def installed_version(name: str) -> str | None:
    """Return the version of a distribution.

    Returns None if it is not installed or its metadata has no version.
    """
    try:
        return version(name) or None
    except (PackageNotFoundError, KeyError):
        return None


def install_command(what: str) -> str:
    """Return the command that installs a requirement."""
    return f'pip install "{what}"'
