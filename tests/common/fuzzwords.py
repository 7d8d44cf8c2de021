"""Odd words on the command line: options, numbers, names and prompts; and what those that are accepted must show."""

from __future__ import annotations

import json
import math
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from fuzzing import WORDS
from fuzzrun import Answer
from ruamel.yaml import YAML

from zoo.core.errors import ZooError
from zoo.models.prompts import parse_prompt

TEXTS = [
    *("", " ", "0", "-1", "1e999", "nan", "null", "[", "{", "[1, 2]", "{a: 1}", "&a x", "*a", "!!python/object:os"),
    *("%a", "9" * 5000, "a" * 3000, "\x00", "\x1b]0;x\x07", "yes", "1..2", "4 | 5", "../x", "~", "!", "'", "\ud800"),
    *("é", "-", "~nobody/x", "x" * 300, "\u202e", "a\nb", "con", "=", "--", "-h", "./.", "\udcff", "a/b\\c", "{}", "?"),
]
NUMBERS = [
    *("0", "-1", "1", "2", "3", "7", "1.5", "nan", "inf", "-inf", "1e999", "1_0", " 3 ", "0x10", "3.0", "9" * 5000),
    *(
        "2147483648",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "",
        "1e3",
        "+1",
        "½",
        "\uff11",
    ),
    *("1e-320", "1e300", "-0", "0.0", "٣", "1,5", "10**9", "4e-1", "true", "null", "1e400", "-1e308"),
]
OPTIONS = [
    *("model.blocks", "model.first", "model.norm", "model.activation", "model.dropout", "model.bias", "model.ratio"),
    *("train.epochs", "train.lr", "train.batch", "train.ema", "train.minutes", "train.seed", "train.keep"),
    *("train.augment.pad", "train.augment.flip", "train.warmup", "train.schedule", "train.precision", "data.limit"),
    *("data.valid", "data.test", "data.split_seed", "tune.trials", "tune.objective", "tune.bound", "model.kernel"),
]
FITTING = ["1", "2", "3", "4", "5", "8", "0.5", "0.1", "0.01", "1e-3", "true", "false", "auto", "none", "null", "0"]
"""Values that many options take."""
PIECES = ["3", "cat", "+", "-", "1.5", "*", "(", "3 + 8", "  ", "\n", "0.5 3", "1e400", "nan 3", "\x1b[2J", "é" * 50]
SPACES = ["\n", "\t", " ", "\r", "\x85", "\u2028", "\u2029", "\xa0", "\u3000", "\x1c"]
NAMES = [
    "cnn",
    "vae",
    "vae-nf",
    "cnn-1",
    "r",
    "g",
    "s",
    "digits",
    "folder",
    "p.png",
    ".",
    "..",
    "/dev/zero",
    "/",
    "nix",
]
COMMANDS: list[tuple[list[str], list[str]]] = [
    (["sample", "g"], ["-n", "--seed", "--temperature", "--guidance", "--mix", "--device", "-o"]),
    (["mix", "g"], ["-n", "--steps", "--seed", "--temperature", "--guidance", "--mix"]),
    (["edit", "g", "p.png"], ["--to", "--from", "--strength", "--guidance"]),
    (["score", "g", "p.png"], ["--text"]),
    (["interpolate", "g"], ["--steps", "-o"]),
    (["reconstruct", "g"], ["-n", "--device"]),
    (["predict", "r"], ["--split", "--data", "--device"]),
    (["show"], ["--data", "--registry", "--no-plugin"]),
    (["list"], ["--registry", "--no-plugin"]),
    (["runs"], []),
    (["runs", "rm"], []),
    (["runs", "mv"], []),
    (["studies"], ["--storage"]),
    (["cache"], []),
    (["schema"], []),
]
FEW = {"-n", "--steps", "--seed", "--temperature", "--guidance", "--strength"}
"""Options that take numbers."""


YES = ("yes", "1", "+1", "1.0", "on", "true", "y", "t")


class Typed(NamedTuple):
    """A command and what is to be seen of it."""

    words: list[str]
    kind: str


def typed_command(chance: Random) -> Typed:
    """A made-up command of one of three kinds."""
    how = chance.random()
    if how < 0.4:
        return Typed(typed_overrides(chance), "overrides")
    if how < 0.7:
        return Typed(typed_sampling(chance), "prompts")
    return Typed(typed_options(chance), "options")


def typed_overrides(chance: Random) -> list[str]:
    """`zoo show` with odd overrides."""
    pairs = []
    for _ in range(chance.choice((1, 1, 2))):
        key = chance.choice(OPTIONS) if chance.random() < 0.8 else chance.choice((*WORDS, *TEXTS))
        value = chance.choice(
            FITTING
            if chance.random() < 0.5
            else (*NUMBERS, *TEXTS, "none", "before", "auto", "true", "false", "relu", "accuracy", "0.5")
        )
        pairs.append(f"{key}{chance.choice(('=', '=', '=', '=', '', '==', ' = '))}{value}")
    name = "cnn" if chance.random() < 0.9 else chance.choice((*TEXTS, *NAMES))
    return ["show", name, *pairs, *chance.choice((["--json"], ["--json"], ["--options"], []))]


def typed_sampling(chance: Random) -> list[str]:
    """`zoo sample`, `mix`, `edit` or `score` with a prompt that is mostly well formed."""
    prompts = [prompt_of(chance) for _ in range(2)]
    command = chance.choice(("sample", "sample", "mix", "edit", "score"))
    tensors = ["--out", "page.png", "--tensors", "page.st", "--json"]
    if command == "sample":
        return [
            "sample",
            "g",
            *prompts[: chance.randrange(3)],
            *numbers(chance, "-n", "--seed", "--temperature"),
            *tensors,
        ]
    if command == "mix":
        return ["mix", "g", *prompts, *numbers(chance, "--steps", "--guidance", "--seed", few="-n"), *tensors]
    if command == "edit":
        return ["edit", "g", "p.png", "--to", prompts[0], *numbers(chance, "--strength", "--guidance"), *tensors]
    return ["score", "g", "p.png", "--text", prompts[0], "--text", prompts[1], "--json"]


def numbers(chance: Random, *options: str, few: str = "") -> list[str]:
    """Some options with numbers, odd or not; without `-n` there are few pictures."""
    found = [] if "-n" in options else [few, "1"] * bool(few)
    for option in options:
        if chance.random() < 0.5:
            found += [option, chance.choice(NUMBERS)]
        elif option == "-n":
            found += ["-n", "2"]
    return found


def prompt_of(chance: Random) -> str:
    """A prompt: a sum of weighted classes, or odd pieces."""
    if chance.random() < 0.6:
        parts = [f"{chance.choice(('', '0.5 ', '2 * ', '1e2 '))}{chance.choice(('3', '8', 'three'))}" for _ in range(2)]
        space = chance.choice(("", "", "", *SPACES))
        return space + chance.choice((" + ", " - ", "+", " \u2212 ")).join(parts[: chance.choice((1, 2))]) + space
    return "".join(chance.choice((*PIECES, *TEXTS, " + ", " - ")) for _ in range(chance.randrange(1, 6)))


def typed_options(chance: Random) -> list[str]:
    """A command with odd words and options."""
    start, options = chance.choice(COMMANDS)
    words = [*start, *(chance.choice((*NAMES, *TEXTS, *PIECES)) for _ in range(chance.choice((0, 1, 1, 2))))]
    for option in options:
        if chance.random() < 0.4:
            words += [option, chance.choice(NUMBERS if option in FEW else (*TEXTS, *NAMES, *NUMBERS))]
    if "-n" in options and "-n" not in words:
        words += ["-n", "2"]
    return [*words, *chance.choice(([], ["--json"], ["--json"], ["--bogus"], ["--plain"]))]


def silently_wrong(words: list[str], found: Answer, place: Path) -> str:  # noqa: PLR0911
    """What an accepted command shows otherwise than it was typed; empty if nothing."""
    helps = any(word.startswith("-h") for word in words)
    if found.code or "--json" not in words or helps or not found.out.strip():
        return ""
    about = json.loads(found.out)
    if not isinstance(about, dict):
        return ""
    if words[0] == "show" and "spec" in about:
        return wrong_override(words[2:], about["spec"])
    for option, key in (("--seed", "seed"), ("--temperature", "temperature"), ("--guidance", "guidance")):
        if option in words and key in about and not same(about[key], words[words.index(option) + 1]):
            return f"{option}: {about[key]!r}"
    if words[0] in ("sample", "mix") and "-n" in words:
        given = int(words[words.index("-n") + 1])
        wanted = given * (about["steps"] if words[0] == "mix" else 1)
        if about["pictures"] != wanted:
            return f"{about['pictures']} pictures"
    if "--tensors" in words and (place / "page.st").is_file():
        return wrong_pictures(place / "page.st")
    return ""


def wrong_pictures(path: Path) -> str:
    """What is wrong with written pictures, which must be finite and from 0 to 1."""
    from safetensors.numpy import load_file

    for name, value in load_file(path).items():
        if not (value >= 0).all() or not (value <= 1).all():
            return f"{name} has values outside 0..1"
    return ""


def wrong_override(words: list[str], spec: dict[str, Any]) -> str:
    """The first override that is not what the entry then has; empty if all are."""
    last: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if equals and not word.startswith("-"):
            last[key.strip()] = value
    for key, value in last.items():
        here: Any = spec
        for part in key.split("."):
            here = here.get(part, KeyError) if isinstance(here, dict) else KeyError
        if here is KeyError or not same(here, value):
            return f"{key}={value[:80]} gives {here!r:.80}"
    return ""


def same(shown: Any, text: str) -> bool:
    """Whether a value is what a text means."""
    try:
        typed = YAML(typ="safe", pure=True).load(text)
    except Exception:  # what the library raises is not documented
        typed = text
    if isinstance(typed, bool) or isinstance(shown, bool):
        meant = text.strip().lower()
        return str(shown).lower() == meant or bool(shown) is (meant in YES)
    if isinstance(shown, int | float):
        return math.isclose(as_number(typed, text), shown, rel_tol=1e-12)
    return shown == typed or str(shown) == text.strip() or isinstance(typed, dict | list)


def as_number(typed: Any, text: str) -> float:
    """The number that a text means; not a number if it means none."""
    try:
        return float(typed if isinstance(typed, int | float) else text.replace("_", ""))
    except (ValueError, OverflowError):
        return math.nan


def prompt_fault(chance: Random) -> str:
    """What is wrong with how a made-up prompt is read; empty if it is right."""
    if chance.random() < 0.5:
        return weighed_wrongly(chance)
    text = prompt_of(chance)
    try:
        parts = parse_prompt(text)
    except ZooError:
        return ""
    except Exception as error:
        return f"{text[:80]!r}: {error!r}"
    total = sum(max(part.weight, 0) for part in parts)
    return "" if math.isclose(total, 1, rel_tol=1e-9) else f"{text[:80]!r}: {parts}"


def weighed_wrongly(chance: Random) -> str:
    """What is wrong with how a well-formed prompt is read, whose weights are known."""
    texts, weights = ("cat", "a red dog", "x-ray"), (0.25, 0.5, 2.0, 1.0)
    parts = [
        (chance.choice(weights), chance.choice((1, 1, -1)), chance.choice(texts))
        for _ in range(chance.choice((1, 2, 4)))
    ]
    total = sum(weight for weight, sign, _ in parts if sign > 0)
    space, text = chance.choice((" ", "  ", "\t")), ""
    for index, (weight, sign, name) in enumerate(parts):
        mark = chance.choice("-\u2212\u2013") if sign < 0 else "+" if index else ""
        number = "" if weight == 1 and chance.random() < 0.5 else f"{weight:g}{chance.choice((' ', ' * ', '*', '  '))}"
        text += f"{space if index else ''}{mark}{space if mark else ''}{number}{name}"
    try:
        found = [(round(part.weight, 12), part.text) for part in parse_prompt(text)]
    except ZooError as error:
        return "" if not total else f"{text!r}: {error}"
    wanted = [(round(sign * weight / total, 12), name) for weight, sign, name in parts] if total else None
    return "" if found == wanted else f"{text!r}: {found}, not {wanted}"
