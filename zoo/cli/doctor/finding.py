"""A finding of `zoo doctor`, and a runner of checks that turns errors into findings."""

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
    """The result of a check."""

    state: State
    """problem: some or all commands cannot work; note: worth knowing, but the zoo works."""
    text: str
    todo: str = ""
    """What to do about it."""
    code: int = 0
    """Exit code of a problem."""
    about: dict[str, Any] = field(default_factory=dict)
    """Details for JSON."""

    def __str__(self) -> str:
        return f"{self.text}; {self.todo}" if self.todo else self.text


Check = Callable[[], Iterable[Finding]]


def ok(text: str, **about: Any) -> Finding:
    """Return a finding without a problem."""
    return Finding("ok", text, about=about)


def note(text: str, todo: str = "", **about: Any) -> Finding:
    """Return a finding that is worth knowing, but no problem."""
    return Finding("note", text, todo, about=about)


def problem(text: str, todo: str, code: int, **about: Any) -> Finding:
    """Return a finding because of which some or all commands cannot work."""
    return Finding("problem", text, todo, code, about)


def run_check(check: Check) -> list[Finding]:
    """Run a check and return its findings; any error it raises, except Ctrl-C, becomes a finding too."""
    found: list[Finding] = []
    try:
        with redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found.extend(check())
    except KeyboardInterrupt:
        raise
    except ZooError as error:
        found.append(problem(str(error.args[0]), error.hint or "fix this, then run zoo doctor again", error.code))
    except OSError as error:
        found.append(problem(describe_error(error), "check the permissions and the disk", ResourceError.code))
    except BaseException as error:  # a library may call sys.exit when it is imported
        found.append(
            problem(describe_error(error), "reinstall it: pip install --force-reinstall pixel-zoo", MissingError.code)
        )
    return found
