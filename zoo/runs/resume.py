"""The command that goes on with an interrupted run or study."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.registry.listing import Paths


def how_to_go_on(what: str, name: str, overrides: Iterable[str], options: dict[str, Any], registries: Paths) -> str:
    """The command, or the call from Python, that goes on with what was interrupted."""
    program = Path(sys.argv[0]).name.removesuffix(".exe")
    module = Path(sys.argv[0]).parts[-2:] == ("zoo", "__main__.py")
    if module or program == "zoo":
        start = "python -m zoo" if module else program
        return f"{start} {shlex.join(word for word in sys.argv[1:] if word != '--fresh')}"
    given = {key: value for key, value in options.items() if value not in (None, "auto")}
    given |= {"registries": list(registries)} if registries else {}
    words = [repr(word) for word in (name, *overrides)] + [f"{key}={value!r}" for key, value in given.items()]
    return f"zoo.{what}({', '.join(words)})"
