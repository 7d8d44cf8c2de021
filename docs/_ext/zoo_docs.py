"""The Sphinx extension: fills in the generated parts of pages, and reads the zoo's docstrings, which are Markdown."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from sphinx.application import Sphinx
from sphinx.ext.napoleon import GoogleDocstring
from zoo_reference import MARK, filled

CODE = re.compile(r"(`+[^`]+`+)")


def fill_in(app: Sphinx, name: str, source: list[str]) -> None:
    """Replace the marks of a page by what is generated from the code."""
    source[0] = filled(source[0])


def always_read(app: Sphinx, env: Any, added: set[str], changed: set[str], removed: set[str]) -> Iterator[str]:
    """Yield the pages with generated parts, which depend on code that Sphinx does not watch."""
    for name in env.found_docs:
        if MARK.search(Path(env.doc2path(name)).read_text(encoding="utf-8")):
            yield name


def as_rst(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Make reStructuredText of a docstring: plain words are escaped, single backticks become code, `Args:` a list."""
    if what == "data" and lines and lines[0] == (inspect.getdoc(thing) or "").partition("\n")[0]:
        lines.clear()  # what Python says of the type, not of this constant
    example = False
    for number, line in enumerate(lines):
        example = line.lstrip().startswith((">>>", "...")) or (example and bool(line.strip()))
        if not example:
            lines[number] = "".join(escaped(part) for part in CODE.split(line))
    if what not in {"attribute", "data", "property"}:  # whose `a: b` would be read as a type and a meaning
        lines[:] = GoogleDocstring(lines, what=what, name=name, obj=thing, options=options).lines()


def escaped(part: str) -> str:
    """A piece of a docstring as reStructuredText: code, or plain words."""
    if part.startswith("`"):
        return f"``{part.strip('`')}``"
    return re.sub(r"([*|\\])|(?<=\w)(_)(?!\w)", r"\\\1\2", part)


def short_signature(
    app: Sphinx, what: str, name: str, thing: object, options: object, signature: str, returns: str
) -> tuple[str, str] | None:
    """Leave out the signature of a spec, whose options stand below it with their types."""
    return ("", "") if isinstance(thing, type) and issubclass(thing, BaseModel) else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Join the hooks."""
    app.connect("source-read", fill_in)
    app.connect("env-get-outdated", lambda *given: list(always_read(*given)))
    app.connect("autodoc-process-docstring", as_rst)
    app.connect("autodoc-process-signature", short_signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
