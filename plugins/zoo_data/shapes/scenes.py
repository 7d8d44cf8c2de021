"""What the pictures of `shapes` show: attributes of each picture as arrays, from random bits that no system changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo_data.shapes.grammar import COLOURS, FORWARD, HELD_OUT, PLACES, SHAPES, SIZES, Scene, Thing, reverse, write

SIDE = 32
"""Pixels per side."""
COLUMNS = 48
"""Random numbers per picture; more than are used, so that new ones leave the others as they are."""
REACH = np.array([1.0, 0.95, 1.05, 1.18, 1.1, 1.1])
"""How far each shape reaches from its centre, in radii."""
RADII, RADIUS_JITTER = np.array([3.8, 6.0]), 0.3
"""Radius of a small and of a big object in pixels."""
CELLS, CELL_JITTER = np.array([9.0, 16.0, 23.0]), 1.0
"""Centres of the rows and columns in which a single object lies."""
MARGIN, GAP, SLANT = 0.5, 1.0, 0.35
"""Pixels at the border and between two objects; largest shift of the second one across
their line, as a share of their distance."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Scenes:
    """The attributes of N pictures of up to two objects; what a picture has not is 0."""

    count: Ints
    """Number of objects, 1 or 2 (N,)."""
    shape: Ints
    """Indices into SHAPES (N, 2); objects are in the order of FORWARD."""
    colour: Ints
    """Indices into COLOURS (N, 2)."""
    size: Ints
    """Indices into SIZES (N, 2)."""
    place: Ints
    """Index into PLACES of a single object (N,)."""
    relation: Ints
    """Index into FORWARD of two objects (N,)."""
    x: Floats
    """Horizontal centres in pixels (N, 2)."""
    y: Floats
    """Vertical centres in pixels (N, 2)."""
    radius: Floats
    """Radii in pixels (N, 2)."""
    free: Floats
    """Random numbers in [0, 1) for what captions don't say, such as the background (N, F)."""

    def __len__(self) -> int:
        return len(self.count)

    def at(self, rows: slice) -> Scenes:
        """Select some of the pictures."""
        return Scenes(**{key: value[rows] for key, value in vars(self).items()})

    def scene(self, row: int) -> Scene:
        """Say all that a caption can say of a picture."""
        things = tuple(
            Thing(SHAPES[self.shape[row, k]], COLOURS[self.colour[row, k]], SIZES[self.size[row, k]])
            for k in range(self.count[row])
        )
        return Scene(things, FORWARD[self.relation[row]] if len(things) == 2 else list(PLACES)[self.place[row]])


def uniforms(seed: int, part: int, count: int) -> Floats:
    """Make random numbers in [0, 1), the same on every system: row i depends on seed, part and i only.

    NumPy promises the bits of PCG64 for all of its versions, and those of its distributions for none.
    """
    bits = np.random.PCG64(np.random.SeedSequence([seed, part])).random_raw(count * COLUMNS)
    found: Floats = (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return found.reshape(count, COLUMNS)


def random_scenes(seed: int, part: int, count: int, two: float, held_out: float) -> Scenes:
    """Choose what `count` pictures show.

    A share `two` shows two objects; in a share `held_out` one of the objects has a held-out combination.
    """
    u = uniforms(seed, part, count)
    amount = 1 + (u[:, 0] < two)
    shape, colour = combinations(u[:, 1:6], amount, held_out)
    size = pick(u[:, 6:8], len(SIZES))
    radius = RADII[size] + RADIUS_JITTER * (2 * u[:, 8:10] - 1)
    reach = radius * REACH[shape]
    place, relation = pick(u[:, 10], len(PLACES)), pick(u[:, 11], len(FORWARD))
    single_y, single_x = (
        CELLS[cell] + CELL_JITTER * (2 * r - 1) for cell, r in zip(divmod(place, 3), u[:, 12:14].T, strict=True)
    )
    along, across = pair_centres(reach, u[:, 14:19])
    one, sideways = (amount == 1)[:, None], (relation == FORWARD.index("left of"))[:, None]
    x = np.where(one, single_x[:, None], np.where(sideways, along, across))
    y = np.where(one, single_y[:, None], np.where(sideways, across, along))
    lacking = np.stack([np.zeros_like(amount), amount - 1], 1) == 0
    lacking[:, 0] = False
    shape, colour, size = (np.where(lacking, 0, each) for each in (shape, colour, size))
    place, relation = np.where(one[:, 0], place, 0), np.where(one[:, 0], 0, relation)
    return Scenes(amount, shape, colour, size, place, relation, x, y, radius, u[:, 20:])


def pick(u: Floats, count: int) -> Ints:
    """Turn random numbers in [0, 1) into indices below `count`."""
    return np.asarray(np.floor(u * count), np.int64)


def combinations(u: Floats, amount: Ints, held_out: float) -> tuple[Ints, Ints]:
    """Choose shapes and colours (N, 2) from random numbers (N, 5): no two objects alike."""
    lacking = np.array([COLOURS.index(HELD_OUT[shape]) for shape in SHAPES])
    pairs = pick(u[:, :2], len(SHAPES) * (len(COLOURS) - 1))
    pairs[:, 1] = np.where(
        pairs[:, 0] == pairs[:, 1], (pairs[:, 1] + 1) % (len(SHAPES) * (len(COLOURS) - 1)), pairs[:, 1]
    )
    shape, colour = np.divmod(pairs, len(COLOURS) - 1)
    colour = colour + (colour >= lacking[shape])
    slot = pick(u[:, 2], 2) * (amount - 1)
    chosen = (u[:, 3] < held_out)[:, None] & (slot[:, None] == np.arange(2))
    shape = np.where(chosen, pick(u[:, 4], len(SHAPES))[:, None], shape)
    return shape, np.where(chosen, lacking[shape], colour)


def pair_centres(reach: Floats, u: Floats) -> tuple[Floats, Floats]:
    """Choose centres (N, 2) of two objects along the line on which they lie and across it, without overlap."""
    slack = SIDE - 2 * MARGIN - GAP - 2 * (reach[:, 0] + reach[:, 1])
    early, late = np.minimum(u[:, 0], u[:, 1]), np.maximum(u[:, 0], u[:, 1])
    first = MARGIN + reach[:, 0] + slack * early
    second = MARGIN + 2 * reach[:, 0] + GAP + reach[:, 1] + slack * late
    low, high = MARGIN + reach, SIDE - MARGIN - reach
    base = low[:, 0] + (high - low)[:, 0] * u[:, 2]
    shift = SLANT * (second - first) * (2 * u[:, 3] - 1)
    other = np.clip(base + shift, low[:, 1], high[:, 1])
    return np.stack([first, second], 1), np.stack([base, other], 1)


def captions(scenes: Scenes) -> list[tuple[str, ...]]:
    """Write the captions of each picture: first one that says everything, then others that say less, or differently."""
    return [tuple(dict.fromkeys(map(write, wordings(scenes.scene(row), row)))) for row in range(len(scenes))]


def wordings(scene: Scene, row: int) -> Sequence[Scene]:
    """List ways to describe a picture; every second picture of two objects is first described the other way round."""
    if len(scene.things) == 1:
        bare = tuple(thing._replace(size="") for thing in scene.things)
        return [scene, Scene(bare, scene.where), Scene(scene.things), Scene(bare)]
    one, other = (scene, reverse(scene)) if row % 2 else (reverse(scene), scene)
    bare = tuple(thing._replace(size="") for thing in other.things)
    return [one, other, Scene(bare, other.where), Scene(one.things), Scene(bare)]


def attributes(scenes: Scenes) -> dict[str, NDArray[Any]]:
    """List what a judge reads of each picture; -1 where a picture has no such attribute."""
    one, two = scenes.count == 1, scenes.count == 2
    found = {"count": scenes.count - 1}
    for slot, there in enumerate((one | two, two)):
        for key in ("shape", "colour", "size"):
            found[f"{key}{slot + 1}"] = np.where(there, getattr(scenes, key)[:, slot], -1)
    return found | {"place": np.where(one, scenes.place, -1), "relation": np.where(two, scenes.relation, -1)}
