"""Block plugins by `--no-plugin NAME` or by ZOO_PLUGINS, the list of allowed plugins."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from zoo.core.errors import ZooError, did_you_mean

OWN = "pixel-zoo"
ALLOWED = "ZOO_PLUGINS"
"""Third-party plugins that may be loaded: comma-separated names or distributions, or `none`; unset: all."""
DENIED = "ZOO_NO_PLUGIN"
"""Passes `--no-plugin` on to the processes that a command starts."""
OPTION = "--no-plugin"


def canonical(name: str) -> str:
    """Normalise a name as package indexes do."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def names_in_variable(variable: str) -> list[str]:
    """Return the comma-separated names in an environment variable."""
    return [name.strip() for name in os.environ.get(variable, "").split(",") if name.strip()]


@dataclass(frozen=True)
class Blocklist:
    """Which plugins may be loaded."""

    denied: tuple[str, ...]
    allowed: tuple[str, ...] | None

    @classmethod
    def from_environment(cls) -> Blocklist:
        """Read the blocklist from environment variables."""
        return cls(
            tuple(names_in_variable(DENIED)), tuple(names_in_variable(ALLOWED)) if os.environ.get(ALLOWED) else None
        )

    def blocked_by(self, name: str, distribution: str) -> str:
        """Return the option or variable that blocks a plugin; empty if none does."""
        names = {canonical(name), canonical(distribution)}
        if names & set(map(canonical, self.denied)):
            return OPTION
        if self.allowed is not None and distribution != OWN and not names & set(map(canonical, self.allowed)):
            return ALLOWED
        return ""

    def unknown_name_notes(self, known: Iterable[str]) -> list[str]:
        """Return a note on each listed name that no plugin has."""
        names = sorted(set(known))
        listed = [(OPTION, name) for name in self.denied] + [(ALLOWED, name) for name in self.allowed or ()]
        return [
            f"{where} mentions {name!r}, which is not installed{'; ' * bool(hint)}{hint}"
            for where, name in listed
            if canonical(name) not in {*map(canonical, names), "none" if where == ALLOWED else ""}
            for hint in [did_you_mean(name, names)]
        ]


def add_to_blocklist(names: Iterable[str], known: Iterable[str]) -> None:
    """Block plugins in this process and those it starts; ZooError for an unknown name."""
    new = [name for text in names for name in text.split(",")]
    if notes := Blocklist(tuple(new), None).unknown_name_notes(known):
        raise ZooError(*notes[0].split("; ", 1))
    os.environ[DENIED] = ",".join([*names_in_variable(DENIED), *new])


def blocklist_variables() -> dict[str, str]:
    """Return the environment variables that block plugins, for a process that does not inherit them."""
    return {name: os.environ[name] for name in (ALLOWED, DENIED) if os.environ.get(name)}


@contextmanager
def restore_blocklist() -> Iterator[None]:
    """Restore the blocklist at the end of the block."""
    before = os.environ.get(DENIED)
    try:
        yield
    finally:
        os.environ.pop(DENIED, None)
        os.environ.update({} if before is None else {DENIED: before})
