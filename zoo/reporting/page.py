"""Turn a page of blocks into HTML: Jinja2 templates that escape every text, with styles and script in the file."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from zoo.core.errors import one_line
from zoo.core.version import __version__
from zoo.display.html import png_data_url, table
from zoo.reporting.blocks import Page, Table
from zoo.runs.run import utc_now

TEMPLATES = Path(__file__).parent / "templates"


def render(page: Page) -> str:
    """Return the HTML of a page."""
    script, style = (Markup((TEMPLATES / name).read_text(encoding="utf-8")) for name in ("report.js", "report.css"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    about = {"script": script, "script_digest": digest, "style": style, "version": __version__, "made": utc_now()}
    return environment().get_template("report.html").render(page=page, **about)


def environment() -> Environment:
    """Make the environment of the templates: all values are escaped, as is what would reorder text around them."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=plain,
    )
    functions: dict[str, Callable[..., Any]] = {"html_table": html_table, "png_data_url": png_data_url, "svg": Markup}
    made.globals.update(functions)
    return made


def plain(value: Any) -> Any:
    """Escape the control characters of a text; what is HTML already is left alone."""
    return one_line(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def html_table(block: Table) -> Markup:
    """Return a table as a notebook shows it, without its styles."""
    return Markup(table(block.heads, block.rows, block.right, styled=False, name=block.name))
