"""Self-contained HTML for notebooks: tables, pictures and progress bars, for light and dark themes."""

from __future__ import annotations

import base64
import html
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from zoo.core.errors import one_line
from zoo.display.format import format_value

if TYPE_CHECKING:
    from PIL.Image import Image


REFRESH_SECONDS = 0.25
"""Shortest time between two updates of a live output."""
MAX_PICTURE_BYTES = 4_000_000
"""Largest file size of an embedded picture."""
CELL = "padding:2px 10px 2px 0;vertical-align:top;text-align:"
MUTED = "opacity:0.7"


class HasGrid(Protocol):
    """A result that can be drawn as a grid of pictures."""

    def grid(self) -> Image:
        """Draw the grid."""
        ...


def escape_text(text: str) -> str:
    """Escape markup, and characters that would reorder the text around them."""
    return html.escape(one_line(text))


def titled_block(title: str, *parts: str) -> str:
    """Put HTML parts below a title, which is escaped."""
    return f"<div><div><b>{escape_text(title)}</b></div>{''.join(parts)}</div>"


def table(
    heads: Sequence[str],
    rows: Iterable[Sequence[object]],
    right: Iterable[int] = (),
    *,
    styled: bool = True,
    name: str = "",
) -> str:
    """Make a table of escaped cells; `right` lists the right-aligned columns.

    A page with a style sheet of its own takes it without styles: columns of numbers then have the class `number`, and
    `name` says what the table shows.
    """
    numbers = set(right)
    if styled:
        whole = 'style="border-collapse:collapse"'
        looks = [f'style="{CELL}{"right" if column in numbers else "left"}"' for column in range(len(heads))]
    else:
        whole = f'aria-label="{escape_text(name)}"' if name else ""
        looks = ['class="number"' if column in numbers else "" for column in range(len(heads))]
    scope = "" if styled else 'scope="col" '
    top = "".join(
        f"{open_tag('th', (scope + look).strip())}{escape_text(head)}</th>"
        for head, look in zip(heads, looks, strict=True)
    )
    lines = [
        "".join(f"{open_tag('td', look)}{escape_text(str(cell))}</td>" for cell, look in zip(row, looks, strict=True))
        for row in rows
    ]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"{open_tag('table', whole)}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def open_tag(name: str, attributes: str) -> str:
    """Open an element."""
    return f"<{name} {attributes}>" if attributes else f"<{name}>"


def key_value_table(about: dict[str, object]) -> str:
    """Make a table of names and values, without empty values."""
    rows = [
        f'<tr><th style="{CELL}left">{escape_text(name)}</th>'
        f'<td style="{CELL}left">{escape_text(format_value(value))}</td></tr>'
        for name, value in about.items()
        if value not in ("", None)
    ]
    return f'<table style="border-collapse:collapse"><tbody>{"".join(rows)}</tbody></table>'


def muted_line(text: str) -> str:
    """Make a line of escaped text in a muted colour."""
    return f'<div style="{MUTED}">{escape_text(text)}</div>'


def embed_png(png: bytes, text: str) -> str:
    """Embed a PNG picture in the HTML."""
    style = "max-width:100%;image-rendering:pixelated"
    return f'<img alt="{escape_text(text)}" style="{style}" src="{png_data_url(png)}">'


def png_data_url(png: bytes) -> str:
    """Return a URL that holds a PNG picture."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def embed_png_file(path: Path) -> str:
    """Embed a PNG file; empty if it is missing or very large."""
    try:
        return embed_png(path.read_bytes(), path.name) if path.stat().st_size <= MAX_PICTURE_BYTES else ""
    except OSError:
        return ""


def embed_grid(made: HasGrid) -> str | None:
    """Embed the grid of a result.

    Returns None if it cannot be drawn, so that the notebook shows text.
    """
    file = BytesIO()
    try:
        made.grid().save(file, "PNG")
    except Exception:  # pictures of other than 1 or 3 channels, or none at all
        return None
    shown: dict[str, Any] = {name: getattr(made, name) for name in ("mse", "psnr") if hasattr(made, name)}
    return titled_block(
        "", embed_png(file.getvalue(), type(made).__name__), *([key_value_table(shown)] if shown else [])
    )


def progress_bar(done: float, total: float) -> str:
    """Make a progress bar."""
    return f'<progress style="width:16em;vertical-align:middle" value="{done:.6g}" max="{total or 1:.6g}"></progress>'


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, which has no terminal."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython and hasattr(ipython, "get_ipython") else None
    return getattr(shell, "kernel", None) is not None


class LiveOutput:
    """A cell output that is updated in place, at most four times per second."""

    def __init__(self) -> None:
        self.handle: Any = None
        self.last_drawn = 0.0

    def draw(self, html: Callable[[], str], text: Callable[[], str], *, now: bool = False) -> None:
        """Update the output, if the last update is long enough ago or `now` is set."""
        if not now and time.monotonic() - self.last_drawn < REFRESH_SECONDS:
            return
        self.last_drawn = time.monotonic()
        data = {"text/html": html(), "text/plain": one_line(text())}
        if self.handle is None:
            from IPython.display import display

            self.handle = display(data, raw=True, display_id=True)
        else:
            self.handle.update(data, raw=True)


class NotebookDisplay:
    """Base class of callbacks that redraw one output of a notebook cell, with the messages for the user below."""

    def __init__(self, output: LiveOutput | None = None) -> None:
        self.output, self.notes = output or LiveOutput(), list[str]()

    def html(self) -> str:
        """Return what the notebook shows, as HTML."""
        raise NotImplementedError

    def text(self) -> str:
        """Return one line to show where HTML is not displayed."""
        raise NotImplementedError

    def refresh(self) -> None:
        """Redraw, at most a few times a second."""
        self.output.draw(self.html, self.text)

    def redraw(self) -> None:
        """Redraw at once."""
        self.output.draw(self.html, self.text, now=True)

    def note(self, text: str) -> None:
        """Show a message for the user."""
        self.notes.append(text)
        self.redraw()
