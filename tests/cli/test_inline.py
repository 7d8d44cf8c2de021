"""Pages of pictures in the terminal: what it is sent decodes back to the picture."""

from __future__ import annotations

import io
import re
import sys
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import TINY
from zoo.cli import main
from zoo.cli.console import Screen
from zoo.cli.views.inline import find_protocol, show_inline
from zoo.cli.views.pages import show_page

Capture = pytest.CaptureFixture[str]
VARIABLES = ("TERM", "TERM_PROGRAM", "LC_TERMINAL", "KITTY_WINDOW_ID", "TMUX", "ZOO_INLINE", "NO_COLOR")


class Terminal(io.StringIO):
    """What a terminal would get."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def terminal_output(show: Callable[[], object], **variables: str) -> str:
    """What a terminal of 80 columns gets, of which these variables are all that is known."""
    with pytest.MonkeyPatch.context() as patch:
        for name in VARIABLES:
            patch.delenv(name, raising=False)
        for name, value in {"COLUMNS": "80", **variables}.items():
            patch.setenv(name, value)
        patch.setattr(sys, "stdout", terminal := Terminal())
        show()
    return terminal.getvalue()


def page_output(page: Path, **variables: str) -> str:
    """What such a terminal gets for a page."""
    return terminal_output(lambda: show_inline(Screen(), page), **variables)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A noisy page, of which the PNG needs several chunks; its height is no multiple of six."""
    noise = np.random.default_rng(0).integers(0, 40, (100, 130, 3))
    slopes = np.stack(np.broadcast_arrays(np.arange(100)[:, None], np.arange(130), 90), axis=-1)
    Image.fromarray((noise + slopes).astype(np.uint8)).save(path := tmp_path / "page.png")
    return path


def pixels(picture: Image.Image) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Pixels (H, W, 3) as integers that don't overflow."""
    return np.asarray(picture.convert("RGB"), dtype=int)


def decode_kitty(text: str) -> Image.Image:
    """The picture in kitty's escapes."""
    escapes = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", text)
    assert "".join(f"\x1b_G{head};{data}\x1b\\" for head, data in escapes) == text.removesuffix("\n")
    assert [head for head, _ in escapes] == ["a=T,f=100,q=2,m=1", *["m=1"] * (len(escapes) - 2), "m=0"]
    assert all(len(data) == 4096 for _, data in escapes[:-1])
    return Image.open(io.BytesIO(b64decode("".join(data for _, data in escapes), validate=True)))


def decode_iterm(text: str) -> Image.Image:
    """The picture in the escape of iTerm2."""
    match = re.fullmatch(r"\x1b\]1337;File=inline=1;size=(\d+):([^\x07]+)\x07\n", text)
    assert match
    data = b64decode(match[2], validate=True)
    assert len(data) == int(match[1])
    return Image.open(io.BytesIO(data))


def decode_sixel(text: str) -> Image.Image:
    """The picture in sixels, of which each pixel must be painted once."""
    match = re.fullmatch(r'\x1bP0;1q"1;1;(\d+);(\d+)((?:#\d+;2;\d+;\d+;\d+)+)([^\x1b]*)\x1b\\\n', text)
    assert match
    colours = [[int(part) for part in each.split(";")] for each in match[3][1:].split("#")]
    palette = {number: [part * 255 / 100 for part in rgb] for number, _, *rgb in colours}
    width, height = int(match[1]), int(match[2])
    found: dict[tuple[int, int], list[float]] = {}
    for band, words in enumerate(match[4].split("-")):
        for line in words.split("$"):
            colour, column = int(re.match(r"#(\d+)", line)[1]), 0  # type: ignore[index]
            for count, sixel in re.findall(r"(?:!(\d+))?([?-~])", line[len(f"#{colour}") :]):
                for column in range(column, column + int(count or 1)):  # noqa: B020
                    for row in [6 * band + bit for bit in range(6) if (ord(sixel) - 63) >> bit & 1]:
                        assert (row, column) not in found
                        found[row, column] = palette[colour]
                column += 1
    assert found.keys() == {(row, column) for row in range(height) for column in range(width)}
    rows = [[found[row, column] for column in range(width)] for row in range(height)]
    return Image.fromarray(np.array(rows).round().astype(np.uint8))


@pytest.mark.parametrize(("name", "decode"), [("kitty", decode_kitty), ("iterm", decode_iterm)])
def test_a_terminal_gets_the_page_as_png(name: str, decode: Callable[[str], Image.Image], page: Path) -> None:
    assert (pixels(decode(page_output(page, ZOO_INLINE=name))) == pixels(Image.open(page))).all()


def test_sixels_are_the_page_in_256_colours(page: Path) -> None:
    found, original = pixels(decode_sixel(page_output(page, TERM="foot"))), Image.open(page)
    assert abs(found - pixels(original.quantize(256))).max() <= 2, "a palette in percent"
    assert abs(found - pixels(original)).mean() < 6


def test_flat_sixels_are_short_and_exact(tmp_path: Path) -> None:
    picture = np.zeros((11, 60), np.uint8)
    picture[:6, 20:40] = 255
    Image.fromarray(picture).save(path := tmp_path / "flat.png")
    text = page_output(path, ZOO_INLINE="sixel")
    assert (pixels(decode_sixel(text))[..., 0] == picture).all()
    assert "!20?!20~" in text


def test_a_page_that_is_too_wide_is_made_smaller(page: Path) -> None:
    assert decode_kitty(page_output(page, TERM="xterm-kitty", COLUMNS="10")).size == (80, 61)


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ("TERM=xterm-256color", "none"),
        ("TERM=xterm-kitty", "kitty"),
        ("TERM=xterm-256color KITTY_WINDOW_ID=1", "kitty"),
        ("TERM=xterm-256color KITTY_WINDOW_ID=1 TERM_PROGRAM=vscode", "none"),
        ("TERM=xterm-256color TERM_PROGRAM=iTerm.app", "iterm"),
        ("TERM=xterm-256color LC_TERMINAL=iTerm2", "iterm"),
        ("TERM=xterm-256color TERM_PROGRAM=WezTerm", "iterm"),
        ("TERM=xterm-256color TERM_PROGRAM=Apple_Terminal", "none"),
        ("TERM=xterm-ghostty TERM_PROGRAM=ghostty", "kitty"),
        ("TERM=mlterm", "sixel"),
        ("TERM=xterm-sixel", "sixel"),
        ("TERM=tmux-256color KITTY_WINDOW_ID=1 TMUX=socket", "none"),
        ("TERM=screen LC_TERMINAL=iTerm2", "none"),
        ("", "none"),
    ],
)
def test_the_environment_tells_the_protocol(variables: str, name: str) -> None:
    assert find_protocol(dict(word.split("=") for word in variables.split())) == name


@pytest.mark.parametrize("screen", [Screen(plain=True), Screen(json=True)])
def test_plain_lines_and_json_have_no_pictures(screen: Screen, page: Path) -> None:
    assert terminal_output(lambda: show_inline(screen, page), ZOO_INLINE="kitty") == ""


def test_a_file_gets_no_pictures(page: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setenv("ZOO_INLINE", "kitty")
    show_inline(Screen(), page)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("value", ["none", "jpeg"])
def test_none_and_an_unknown_protocol_show_nothing(value: str, page: Path, capsys: Capture) -> None:
    assert page_output(page, TERM="xterm-kitty", ZOO_INLINE=value) == ""
    note = "ZOO_INLINE=jpeg has no effect; it can be kitty, iterm, sixel or none\n"
    assert capsys.readouterr().err == ("" if value == "none" else note)


def test_pages_of_generators_are_shown_below_their_line(page: Path) -> None:
    about = {"grid": str(page), "pictures": 2, "run": "vae", "files": []}
    line, _, picture = terminal_output(lambda: show_page(Screen(), about), TERM="xterm-kitty").partition("\n")
    assert line == f"{page}: 2 pictures from vae"
    assert decode_kitty(picture).size == (130, 100)


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_augmented_pages_and_heat_maps_are_shown() -> None:
    wide = {"TERM_PROGRAM": "iTerm.app", "COLUMNS": "2000"}
    text = terminal_output(lambda: main(["show", "cnn", *TINY, "--augmented"]), **wide)
    assert (pixels(decode_iterm(text.partition("\n")[2])) == pixels(Image.open("cnn-augmented.png"))).all()
    assert main(["train", "cnn", *TINY, "--out=run"]) == 0
    text = terminal_output(lambda: main(["explain", "run", "test:0", "-o", "heat.png"]), **wide)
    assert (pixels(decode_iterm(text[text.index("\x1b]1337") :])) == pixels(Image.open("heat.png"))).all()
