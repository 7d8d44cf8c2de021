"""Packages that the zoo depends on and those of its extras, as its own metadata names them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, version
from typing import TYPE_CHECKING

from zoo.cli.doctor.finding import Finding, note, ok, problem
from zoo.core.errors import MissingError
from zoo.registry.plugins.blocklist import OWN

if TYPE_CHECKING:
    from packaging.requirements import Requirement


FOR_DEVELOPERS = {"test"}
"""Extras that nobody misses who only uses the zoo."""


def required() -> Iterator[Finding]:
    """The zoo's own version, and what it cannot do without."""
    try:
        needs = requirements(OWN)
    except PackageNotFoundError:
        yield note("the zoo runs from its source folder and is not installed", "run: pip install -e . in that folder")
        return
    wrong = [line for need in needs if (line := missing(need))]
    found = {OWN: version(OWN)} | {need.name: here for need in needs if (here := installed(need.name))}
    text = ", ".join(f"{name} {number}" for name, number in found.items())
    yield ok(text, versions=found) if not wrong else note(text, versions=found)
    for name, reason in wrong:
        yield problem(f"{name} {reason}", install(name), MissingError.code, package=name)


def extras() -> Iterator[Finding]:
    """What is installed only where it was asked for."""
    try:
        names = distribution(OWN).metadata.get_all("Provides-Extra") or []
    except PackageNotFoundError:
        return
    for extra in sorted(set(names) - FOR_DEVELOPERS):
        wrong = [line for need in requirements(OWN, extra) if (line := missing(need))]
        if not wrong:
            yield ok(f"{extra}: installed", extra=extra, installed=True)
            continue
        lacking = ", ".join(f"{name} {reason}" for name, reason in wrong)
        yield note(f"{extra}: {lacking}", install(f"{OWN}[{extra}]"), extra=extra, installed=False)


def requirements(name: str, extra: str = "") -> list[Requirement]:
    """What a distribution asks for on this system, or only what an extra of it adds."""
    from packaging.requirements import Requirement

    parsed = [Requirement(line) for line in distribution(name).requires or []]
    if not extra:
        return [need for need in parsed if need.marker is None or need.marker.evaluate({"extra": ""})]
    optional = [need for need in parsed if need.marker is not None and "extra" in str(need.marker)]
    return [need for need in optional if need.marker and need.marker.evaluate({"extra": extra})]


def missing(need: Requirement) -> tuple[str, str] | None:
    """A requirement as pip takes it, and why it is not met; what its extras ask for counts too."""
    line = str(need).partition(";")[0].strip()
    here = installed(need.name)
    if here is None:
        return line, "is not installed"
    if not need.specifier.contains(here, prereleases=True):
        return line, f"is needed, but {here} is installed"
    inner = [each for extra in need.extras for each in requirements(need.name, extra)]
    lacking = [each.name for each in inner if installed(each.name) is None]
    return (line, f"lacks {', '.join(lacking)}") if lacking else None


def installed(name: str) -> str | None:
    """The version of a distribution; None where it is not installed, or its metadata says nothing."""
    try:
        return version(name) or None
    except (PackageNotFoundError, KeyError):
        return None


def install(what: str) -> str:
    """The line that installs it."""
    return f'pip install "{what}"'
