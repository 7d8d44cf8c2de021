"""A finding of `zoo doctor`, and an examination that cannot break the others."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import Any, Literal

from zoo.core.errors import MissingError, ResourceError, ZooError, describe_error

State = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    state: State
    """problem: some or all commands cannot work; note: worth knowing, and the zoo works all the same."""
    text: str
    todo: str = ""
    """What to do about it."""
    code: int = 0
    """The exit code that a problem stands for."""
    about: dict[str, Any] = field(default_factory=dict)
    """The same for programs."""

    def __str__(self) -> str:
        return f"{self.text}; {self.todo}" if self.todo else self.text


Look = Callable[[], Iterable[Finding]]


def ok(text: str, **about: Any) -> Finding:
    """All is well."""
    return Finding("ok", text, about=about)


def note(text: str, todo: str = "", **about: Any) -> Finding:
    """Worth knowing."""
    return Finding("note", text, todo, about=about)


def problem(text: str, todo: str, code: int, **about: Any) -> Finding:
    """Some or all commands cannot work."""
    return Finding("problem", text, todo, code, about)


def examine(look: Look) -> list[Finding]:
    """What an examination finds; whatever it raises is a finding too, and only a Ctrl-C is none."""
    found: list[Finding] = []
    try:
        with redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found.extend(look())
    except KeyboardInterrupt:
        raise
    except ZooError as error:
        found.append(problem(str(error.args[0]), error.hint or "fix that", error.code))
    except OSError as error:
        found.append(problem(describe_error(error), "check the permissions and the disk", ResourceError.code))
    except BaseException as error:  # a library may call sys.exit when it is imported
        found.append(
            problem(describe_error(error), "reinstall it: pip install --force-reinstall pixel-zoo", MissingError.code)
        )
    return found
