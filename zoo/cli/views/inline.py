"""Pictures inside the terminal, by the kitty graphics protocol, iTerm2's inline images or sixel."""

from __future__ import annotations

import os
import re
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.cli.console import Screen

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image


CHUNK = 4096
"""Most characters in one escape of the kitty protocol."""
CELL_WIDTH = 8
"""Pixels of a narrow column of text; a wider one leaves room beside the picture."""
BAND = 6
"""Rows of pixels in one row of sixels."""
KITTY_TERMS = ("xterm-kitty", "xterm-ghostty")
SIXEL_TERMS = ("sixel", "foot", "mlterm")
PROGRAMS = {"iTerm.app": "iterm", "WezTerm": "iterm", "mintty": "iterm", "ghostty": "kitty"}
"""Protocols by the value of TERM_PROGRAM."""


def show_inline(screen: Screen, path: str | Path) -> None:
    """Show a picture file in the terminal, if stdout is one that can and neither --plain nor --json is given."""
    if screen.json or not screen.rich(sys.stdout):
        return
    name = os.environ.get("ZOO_INLINE") or find_protocol(os.environ)
    if name not in (*ENCODERS, "none"):
        screen.note(f"ZOO_INLINE={name:.40} has no effect; it can be {', '.join(ENCODERS)} or none")
    elif name in ENCODERS:
        print(ENCODERS[name](open_fitting(path, screen.width * CELL_WIDTH)), flush=True)


def find_protocol(environ: Mapping[str, str]) -> str:
    """Return the name of the protocol that the terminal is known to support, or none."""
    term, program = environ.get("TERM", ""), environ.get("TERM_PROGRAM", "")
    # A multiplexer passes on the variables of the terminal around it, but not the pictures.
    if "TMUX" in environ or term.startswith(("tmux", "screen")):
        return "none"
    if term in KITTY_TERMS:
        return "kitty"
    if program in PROGRAMS:
        return PROGRAMS[program]
    if environ.get("LC_TERMINAL") == "iTerm2":
        return "iterm"
    if any(part in term for part in SIXEL_TERMS):
        return "sixel"
    return "kitty" if "KITTY_WINDOW_ID" in environ and not program else "none"


def open_fitting(path: str | Path, width: int) -> Image:
    """Open a picture in colour, made smaller if it is wider than this many pixels."""
    from PIL import Image

    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    if picture.width > width:
        picture = picture.resize((width, max(1, picture.height * width // picture.width)), Image.Resampling.LANCZOS)
    return picture


def encode_kitty(picture: Image) -> str:
    """Encode a picture for kitty: a PNG in chunks, to be shown at once and not to be answered (q=2).

    Source: https://sw.kovidgoyal.net/kitty/graphics-protocol/
    """
    data = b64encode(png(picture)).decode()
    chunks = [data[start : start + CHUNK] for start in range(0, len(data), CHUNK)]
    heads = ["a=T,f=100,q=2,"] + [""] * (len(chunks) - 1)
    return "".join(
        f"\x1b_G{head}m={int(number < len(chunks))};{chunk}\x1b\\"
        for number, (head, chunk) in enumerate(zip(heads, chunks, strict=True), 1)
    )


def encode_iterm(picture: Image) -> str:
    """Encode a picture for iTerm2 and others: a PNG in one escape.

    Source: https://iterm2.com/documentation-images.html
    """
    data = png(picture)
    return f"\x1b]1337;File=inline=1;size={len(data)}:{b64encode(data).decode()}\x07"


def encode_sixel(picture: Image) -> str:
    """Encode a picture as sixels of 256 colours.

    Source: VT330/VT340 Programmer Reference Manual, chapter 14.
    """
    import numpy as np

    reduced = picture.quantize(256)
    palette = np.array(reduced.getpalette() or [], dtype=np.int64).reshape(-1, 3)
    percent = (palette * 100 + 127) // 255
    colours = "".join(f"#{index};2;{red};{green};{blue}" for index, (red, green, blue) in enumerate(percent.tolist()))
    pixels = np.asarray(reduced, dtype=np.int64)
    bands = (pixels[top : top + BAND] for top in range(0, len(pixels), BAND))
    size = f'"1;1;{picture.width};{picture.height}'
    return f"\x1bP0;1q{size}{colours}{'-'.join('$'.join(encode_band(band)) for band in bands)}\x1b\\"


def encode_band(band: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Iterator[str]:
    """Yield the sixels of each colour in up to six rows of palette indices; the first row is the lowest bit."""
    import numpy as np

    bits = 1 << np.arange(len(band))
    for colour in np.unique(band).tolist():
        sixels = bytes((63 + bits @ (band == colour)).astype(np.uint8)).decode("ascii").rstrip("?")
        yield f"#{colour}" + re.sub(r"(.)\1{3,}", lambda run: f"!{len(run[0])}{run[1]}", sixels)


def png(picture: Image) -> bytes:
    """Encode a picture as PNG."""
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


ENCODERS = {"kitty": encode_kitty, "iterm": encode_iterm, "sixel": encode_sixel}
"""Functions from a picture to what a terminal is sent, by the value of ZOO_INLINE."""
