"""Draw pictures of coloured shapes: signed distances with soft edges, the same on every system.

Only sums, products, quotients, square roots and comparisons of single numbers are used: IEEE 754 rounds them alike
everywhere, unlike sines, powers and sums over arrays.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from zoo_data.shapes.grammar import SHAPES
from zoo_data.shapes.scenes import SIDE, Scenes

Floats = NDArray[np.float32]
BACKGROUNDS = ("plain", "gradient", "glow", "stripes", "checks")
CHUNK = 256
"""Pictures that are drawn at a time, few enough for the processor's cache."""
INKS = np.array(
    [
        [0.88, 0.13, 0.14],
        [0.98, 0.52, 0.08],
        [0.99, 0.85, 0.13],
        [0.16, 0.68, 0.25],
        [0.13, 0.38, 0.93],
        [0.52, 0.17, 0.72],
        [0.99, 0.56, 0.76],
    ],
    np.float32,
)
"""Red, green and blue of each colour."""
BRIGHTNESS, SHADE, OUTLINE, OUTLINE_WIDTH, TILT = 0.08, 0.12, 0.45, 1.25, 0.12
"""Variation of an object's brightness; how much darker it is at its foot; strength and width of its dark outline in
pixels; largest slope to which it is turned."""
ROOT_HALF = 0.70710678
PENTAGON = ((0.0, 1.0), (0.95105652, 0.30901699), (0.58778525, -0.80901699))
"""Three of the directions towards the edges of a star; the other two are mirrored."""


def circle(x: Floats, y: Floats) -> Floats:
    """Signed distance from a circle of radius 1."""
    return np.asarray(np.sqrt(x * x + y * y) - np.float32(1))


def square(x: Floats, y: Floats) -> Floats:
    """Signed distance from a square, exact within."""
    return np.asarray(np.maximum(abs(x), abs(y)) - np.float32(0.88))


def triangle(x: Floats, y: Floats) -> Floats:
    """Signed distance from a triangle that points up, exact within."""
    slope = np.float32(0.894427191) * abs(x) - np.float32(0.447213595) * y
    return np.asarray(np.maximum(slope - np.float32(0.447213595), y - np.float32(0.9)))


def star(x: Floats, y: Floats) -> Floats:
    """Signed distance from a pentagram: at least four of its five lines have a point of it on the inner side."""
    first = second = np.full_like(x, -9)
    for side in (1, -1):
        for across, along in PENTAGON[0 if side == 1 else 1 :]:
            line = np.float32(side * across) * x + np.float32(along) * y
            first, second = np.maximum(first, line), np.maximum(second, np.minimum(first, line))
    return np.asarray(second - np.float32(0.38))


def heart(x: Floats, y: Floats) -> Floats:
    """Signed distance from a heart: a square on its corner with a circle on each upper side."""
    half = np.float32(0.62)
    x, y = abs(x), y + np.float32(0.05)
    one, other = (x + y) * np.float32(ROOT_HALF), (y - x) * np.float32(ROOT_HALF)
    right, up = x - half * np.float32(ROOT_HALF), y + half * np.float32(ROOT_HALF)
    return np.asarray(np.minimum(np.maximum(abs(one), abs(other)), np.sqrt(right * right + up * up)) - half)


def cross(x: Floats, y: Floats) -> Floats:
    """Signed distance from an upright cross."""
    x, y = abs(x), abs(y)
    length, half = np.float32(1.02), np.float32(0.36)
    return np.asarray(np.minimum(np.maximum(x - length, y - half), np.maximum(x - half, y - length)))


DISTANCES: tuple[Callable[[Floats, Floats], Floats], ...] = (circle, square, triangle, star, heart, cross)
assert len(DISTANCES) == len(SHAPES)


def draw(scenes: Scenes, backgrounds: tuple[str, ...]) -> NDArray[np.uint8]:
    """Draw all pictures, uint8 (N, 32, 32, 3)."""
    found = np.empty((len(scenes), SIDE, SIDE, 3), np.uint8)
    for start in range(0, len(scenes), CHUNK):
        rows = slice(start, start + CHUNK)
        found[rows] = draw_chunk(scenes.at(rows), backgrounds)
    return found


def draw_chunk(scenes: Scenes, backgrounds: tuple[str, ...]) -> NDArray[np.uint8]:
    """Draw some pictures: the background, then one object after the other."""
    canvas = draw_background(scenes.free[:, :16].astype(np.float32), backgrounds)
    for slot in range(2):
        rows = np.flatnonzero(scenes.count > slot)
        canvas[:, rows] = add_object(canvas[:, rows], scenes, rows, slot)
    return np.asarray(np.rint(np.clip(canvas, 0, 1) * np.float32(255)), np.uint8).transpose(1, 2, 3, 0)


def pixels() -> tuple[Floats, Floats]:
    """The centres of the pixels: x (1, 1, 32) and y (1, 32, 1)."""
    centres = np.arange(SIDE, dtype=np.float32) + np.float32(0.5)
    return centres[None, None, :], centres[None, :, None]


def turned(u: Floats, most: float) -> tuple[Floats, Floats]:
    """Turn random numbers (N,) into cosines and sines (N, 1, 1) of angles, without trigonometric functions."""
    t = (np.float32(most) * (2 * u - 1))[:, None, None]
    return (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)


def draw_background(u: Floats, kinds: tuple[str, ...]) -> Floats:
    """Draw pale or dark backgrounds, float32 (3, N, 32, 32), from random numbers (N, 16)."""
    grey = np.where(
        u[:, 0] < np.float32(0.5),
        np.float32(0.07) + u[:, 1] * np.float32(0.18),
        np.float32(0.8) + u[:, 1] * np.float32(0.14),
    )
    change = (np.float32(0.04) + np.float32(0.08) * u[:, 2]) * np.where(
        u[:, 3] < np.float32(0.5), np.float32(-1), np.float32(1)
    )
    tint = np.float32(0.1) * (u[:, 4:10] - np.float32(0.5))
    here, there = grey[:, None] + tint[:, :3], (grey + change)[:, None] + tint[:, 3:]
    mix = patterns(u[:, 10:], np.array([BACKGROUNDS.index(kind) for kind in kinds]))
    return np.stack([here[:, k, None, None] + mix * (there - here)[:, k, None, None] for k in range(3)])


def patterns(u: Floats, kinds: NDArray[np.int64]) -> Floats:
    """How much of its second colour a background has at each pixel, float32 (N, 32, 32)."""
    # a number just below 1 is rounded to 1 in float32
    chosen = kinds[np.minimum(np.asarray(np.floor(u[:, 0] * len(kinds)), np.int64), len(kinds) - 1)]
    x, y = (each - np.float32(SIDE / 2) for each in pixels())
    cosine, sine = turned(u[:, 1], 1.0)
    along, across = x * cosine + y * sine, y * cosine - x * sine
    period = (np.float32(9) + 7 * u[:, 2])[:, None, None]
    bands, others = (waves(each, period) for each in (along, across))
    right, down = (
        (x - np.float32(16) * (u[:, 3, None, None] - np.float32(0.5))),
        (y - np.float32(16) * (u[:, 4, None, None] - np.float32(0.5))),
    )
    looks = {
        "plain": np.zeros_like(along),
        "gradient": np.clip(along / np.float32(36) + np.float32(0.5), 0, 1),
        "glow": 1 / (1 + (right * right + down * down) / np.float32(120)),
        "stripes": bands,
        "checks": bands + others - 2 * bands * others,
    }
    return np.choose(chosen[:, None, None], [looks[kind] for kind in BACKGROUNDS])


def waves(x: Floats, period: Floats) -> Floats:
    """Bands of equal width with soft edges."""
    part = x / period
    edge = (abs(part - np.floor(part) - np.float32(0.5)) - np.float32(0.25)) * period
    return np.asarray(np.clip(edge + np.float32(0.5), 0, 1))


def add_object(canvas: Floats, scenes: Scenes, rows: NDArray[np.int64], slot: int) -> Floats:
    """Paint an object with a dark outline over pictures float32 (3, N, 32, 32)."""
    u = scenes.free[rows, 16 + 2 * slot : 18 + 2 * slot].astype(np.float32)
    radius = scenes.radius[rows, slot].astype(np.float32)[:, None, None]
    x, y = (
        each - centre[rows, slot].astype(np.float32)[:, None, None]
        for each, centre in zip(pixels(), (scenes.x, scenes.y), strict=True)
    )
    cosine, sine = turned(u[:, 0], TILT)
    right, down = (x * cosine + y * sine) / radius, (y * cosine - x * sine) / radius
    distance = np.empty_like(right)
    for shape, measure in enumerate(DISTANCES):
        same = np.flatnonzero(scenes.shape[rows, slot] == shape)
        distance[same] = measure(right[same], down[same])
    distance *= radius
    cover = np.clip(np.float32(0.5) - distance, 0, 1)
    dark = 1 - np.float32(OUTLINE) * np.clip(1 - distance / np.float32(OUTLINE_WIDTH), 0, 1)
    light = (1 + np.float32(BRIGHTNESS) * (2 * u[:, 1, None, None] - 1)) * (1 - np.float32(SHADE) * down)
    ink = INKS[scenes.colour[rows, slot]]
    return np.stack(
        [part * dark * (1 - cover) + ink[:, k, None, None] * light * cover for k, part in enumerate(canvas)]
    )
