"""The language of the captions of `shapes`: what a picture shows as words, and words as what they name."""

from __future__ import annotations

import re
from typing import NamedTuple

SHAPES = ("circle", "square", "triangle", "star", "heart", "cross")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink")
SIZES = ("small", "big")
PLACES = {
    "top left": "at the top left",
    "top": "at the top",
    "top right": "at the top right",
    "left": "on the left",
    "middle": "in the middle",
    "right": "on the right",
    "bottom left": "at the bottom left",
    "bottom": "at the bottom",
    "bottom right": "at the bottom right",
}
"""Places of a single object, row by row, and how a caption says them."""
OPPOSITE = {"left of": "right of", "above": "below", "right of": "left of", "below": "above"}
"""Each relation, and the one that holds the other way round."""
FORWARD = ("left of", "above")
"""The relations in which the objects of a picture are listed."""
AND = "and"
SYNONYMS = {
    "large": "big",
    "little": "small",
    "to the left of": "left of",
    "to the right of": "right of",
    "under": "below",
    "over": "above",
}
HELD_OUT = {"circle": "orange", "square": "green", "triangle": "purple", "star": "red", "heart": "yellow"} | {
    "cross": "blue"
}
"""The colour in which each shape is never seen in training."""
OBJECT = rf"(?:an? )?(?:({'|'.join(SIZES)}) )?({'|'.join(COLOURS)}) ({'|'.join(SHAPES)})"
PLACE = rf"(?:(?:at|on|in) the ({'|'.join(sorted(PLACES, key=len, reverse=True))}))"
CAPTION = re.compile(rf"{OBJECT}(?: {PLACE}| ({'|'.join([*OPPOSITE, AND])}) {OBJECT})?")
WORDS = re.compile(rf"\b({'|'.join(SYNONYMS)})\b")


class Thing(NamedTuple):
    """An object: its shape, its colour, and its size, which is empty where a caption leaves it open."""

    shape: str
    colour: str
    size: str = ""

    @property
    def held_out(self) -> bool:
        """Whether training pictures never show this shape in this colour."""
        return HELD_OUT[self.shape] == self.colour

    def fits(self, seen: Thing) -> bool:
        """Whether an object that is seen is as this one says."""
        return self[:2] == seen[:2] and self.size in ("", seen.size)


class Scene(NamedTuple):
    """One or two objects; the place of the one or the relation of the first to the second, empty if left open.

    The objects of a relation are in the order of FORWARD, so that equal scenes compare equal.
    """

    things: tuple[Thing, ...]
    where: str = ""

    @property
    def held_out(self) -> bool:
        """Whether any of the objects has a shape and a colour that training pictures never combine."""
        return any(thing.held_out for thing in self.things)


def write(scene: Scene) -> str:
    """Write a scene as a caption, such as "a small red circle above a big blue square"."""
    texts = [name(thing) for thing in scene.things]
    if len(texts) == 2:
        return f" {scene.where or AND} ".join(texts)
    return " ".join([*texts, PLACES[scene.where]] if scene.where else texts)


def name(thing: Thing) -> str:
    """Name an object with its article."""
    words = " ".join(word for word in (thing.size, thing.colour, thing.shape) if word)
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def reverse(scene: Scene) -> Scene:
    """List two objects the other way round: what is above something has that below it."""
    return Scene(scene.things[::-1], OPPOSITE[scene.where] if scene.where else "")


def parse(text: str) -> Scene | None:
    """Read a caption, with the objects in the order of FORWARD; None if it is no caption of these pictures."""
    plain = " ".join(text.casefold().replace("centre", "middle").replace("center", "middle").rstrip(".").split())
    match = CAPTION.fullmatch(WORDS.sub(lambda found: SYNONYMS[found[0]], plain))
    if match is None:
        return None
    size, colour, shape, place, relation, *other = match.groups(default="")
    first = Thing(shape, colour, size)
    if not relation:
        return Scene((first,), place)
    second = Thing(other[2], other[1], other[0])
    scene = Scene((first, second), "" if relation == AND else relation)
    return reverse(scene) if scene.where and scene.where not in FORWARD else scene


def known_words() -> tuple[str, ...]:
    """List the words of all captions that `write` writes, sorted."""
    texts = ["a an", AND, *SHAPES, *COLOURS, *SIZES, *PLACES.values(), *OPPOSITE]
    return tuple(sorted({word for text in texts for word in text.split()}))
