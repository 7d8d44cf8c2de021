"""How an architecture is fitted to pictures of a given size: tried on the meta device, where nothing is allocated."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import nn

from zoo import DataInfo
from zoo.core import ZooError
from zoo_timm.architectures import Unfit, check, create, family, parameters, patch_size, reason
from zoo_timm.spec import TimmSpec
from zoo_timm.strides import Look, apply, fewer, look, snapped

SMALL, MOST, MAP, TOKENS = 64, 8, 3.5, 7.0
"""Sides up to SMALL pixels are reduced by at most MOST, to maps of at least MAP or grids of at least TOKENS a side."""
RAISED = (32, 64, 96, 120, 128, 160, 192, 224, 256)
LITTLE = ("atto", "femto", "pico", "nano", "tiny", "mini", "small", "_xs", "_xx", "_050")
"""What timm calls its smaller architectures."""
SLACK = 0.75
"""Share of the wanted side that a map may miss: unpadded convolutions and rounding cost some."""

Size = tuple[int, int]


@dataclass(frozen=True)
class Plan:
    """What was found to work."""

    net: nn.Module
    """The network on the meta device."""
    options: dict[str, Any]
    """Arguments of the constructor."""
    strides: dict[str, int]
    """Strides to change afterwards, by module name."""
    size: Size
    """Height and width in pixels that the network sees."""

    @property
    def parameters(self) -> int:
        """Trained weights."""
        return sum(weight.numel() for weight in self.net.parameters())


class Way(NamedTuple):
    """Something to try."""

    options: dict[str, Any]
    strides: dict[str, int]
    size: Size
    least: float = 0.0
    """Least side of the last map."""
    factor: float = 1.0
    """How many times less it reduces."""


class Planner:
    """The search for a plan; use it on the meta device."""

    def __init__(self, spec: TimmSpec, info: DataInfo) -> None:
        self.spec, self.channels, self.classes = spec, info.shape[0], len(info.classes)
        self.natural: Size = (spec.size, spec.size) if spec.size else (info.shape[1], info.shape[2])
        self.options = {"in_chans": self.channels, "num_classes": self.classes, **spec.options}
        self.plain = create(spec.architecture, self.options)
        self.accepted = parameters(self.plain)
        for name in ("drop_rate", "drop_path_rate"):
            if name in self.accepted:
                self.options[name] = getattr(spec, name)
            elif getattr(spec, name):
                raise ZooError(f"{spec.architecture} has no {name}: leave it out")
        configured: Any = self.plain.default_cfg
        self.default: Size = configured["input_size"][1:]
        """Height and width that timm trained the architecture for."""

    def plan(self) -> Plan:
        """The first way that works; ZooError with the reason where there is none."""
        auto = self.spec.stem == "auto" and max(self.natural) <= SMALL
        gentler = list(self.gentler()) if auto else []
        if found := self.first(gentler):
            return found
        try:
            return self.attempt(self.as_is(self.natural))
        except Unfit as error:
            raised = self.first(self.raised(gentler))
            if raised is None or self.spec.size:
                raise ZooError(self.refusal(error, raised)) from error
            return raised

    def first(self, ways: Iterable[Way]) -> Plan | None:
        """The first of `ways` that works."""
        for way in ways:
            try:
                return self.attempt(way)
            except Unfit:
                continue
        return None

    def attempt(self, way: Way) -> Plan:
        """A plan that runs; Unfit otherwise."""
        net = create(self.spec.architecture, way.options)
        apply(net, way.strides, trim=not self.spec.pretrained)
        seen = seen_by(net, self.picture(way.size))
        if seen.scores != (2, self.classes):
            shape = " x ".join(map(str, seen.scores[1:]))
            raise ZooError(f"timm's {self.spec.architecture} is no classifier: its output is {shape} for each picture")
        if seen.side < way.least:
            raise Unfit(f"its last map has only {seen.side:.1f} pixels a side")
        return Plan(net, way.options, way.strides, way.size)

    def gentler(self) -> Iterator[Way]:
        """Ways to reduce less, the best first."""
        seen = seen_by(self.plain, self.picture(self.default))
        total = snapped(math.sqrt(math.prod(self.default)) / seen.side)
        patch = patch_size(self.plain, self.options)
        most = reduction(min(self.natural), TOKENS if total == patch else MAP)
        if (factor := total / most) <= 1:
            return
        least = SLACK * math.sqrt(math.prod(self.natural)) / most
        ways = [self.by_patch(patch, factor, least), self.by_strides(seen, factor, total, least)]
        # A smaller patch size changes the shape of weights, which not every architecture can load.
        yield from chain.from_iterable(reversed(ways) if self.spec.pretrained else ways)

    def by_patch(self, patch: int | None, factor: float, least: float) -> Iterator[Way]:
        """A smaller patch size."""
        if patch is not None and "patch_size" not in self.spec.options and patch / factor > 0.6:
            options = {**self.sized(self.natural), "patch_size": max(1, round(patch / factor))}
            yield Way(options, {}, self.natural, least)

    def by_strides(self, seen: Look, factor: float, total: float, least: float) -> Iterator[Way]:
        """Lower strides in a network built for pictures that are larger by the same factor: its later maps fit."""
        powers = (2.0**power for power in range(1, 8))
        for times in (factor, *(power for power in powers if factor < power < 1.2 * total)):
            options = self.sized(scaled(self.natural, times))
            yield Way(options, fewer(seen.steps, times), self.natural, least, times)

    def as_is(self, size: Size) -> Way:
        """timm's own strides."""
        return Way(self.sized(size), {}, size)

    def raised(self, gentler: list[Way]) -> Iterator[Way]:
        """Ways with larger pictures: lower strides in a network of timm's own size, then timm's own strides."""
        for way in gentler:
            size = scaled(self.default, 1 / way.factor)
            if way.strides and min(size) > max(self.natural):
                yield Way(self.options, way.strides, size)
        for side in RAISED:
            if max(self.natural) < side < max(self.default):
                yield self.as_is((side, side))
        yield self.as_is(self.default)

    def sized(self, size: Size) -> dict[str, Any]:
        """Arguments for pictures of `size`, where the constructor asks for it."""
        if "img_size" not in self.accepted:
            return self.options
        return {**self.options, "img_size": size[0] if size[0] == size[1] else size}

    def picture(self, size: Size) -> torch.Tensor:
        """Two pictures of nothing."""
        return torch.empty(2, self.channels, *size, device="meta")

    def refusal(self, error: Unfit, raised: Plan | None) -> str:
        """One line on why the pictures do not fit, with a size that does."""
        height, width = self.natural
        text = f"timm's {self.spec.architecture} does not fit pictures of {height}x{width} pixels ({error})"
        return f"{text}; it takes size={max(raised.size)}" if raised else text


def scaled(size: Size, factor: float) -> Size:
    """Height and width times `factor`."""
    height, width = (round(side * factor) for side in size)
    return height, width


def seen_by(net: nn.Module, x: torch.Tensor) -> Look:
    """What a forward pass shows; Unfit where it fails."""
    try:
        return look(net, x)
    except Exception as error:
        raise Unfit(reason(error)) from error


def reduction(side: int, least: float) -> int:
    """The largest power of two, up to MOST, that leaves `least` of `side`."""
    most = MOST
    while most > 1 and side / most < least:
        most //= 2
    return most


def planned(spec: TimmSpec, info: DataInfo) -> Plan:
    """The plan for these pictures, within the budget; ZooError otherwise.

    No weight is allocated and no random state moves.
    """
    check(spec.architecture)
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        try:
            plan = Planner(spec, info).plan()
        except Unfit as error:
            raise ZooError(f"timm's {spec.architecture} cannot be built: {error}") from error
        if spec.max_parameters is not None and plan.parameters > spec.max_parameters:
            raise ZooError(*over(spec, info, plan.parameters, spec.max_parameters))
    return plan


def over(spec: TimmSpec, info: DataInfo, count: int, budget: int) -> tuple[str, str]:
    """The message on a budget that is exceeded, and up to three relatives within it of some twenty that are tried."""
    relatives, fitting = family(spec.architecture), []
    little = [name for name in relatives if any(word in name for word in LITTLE)]
    for name in dict.fromkeys([*relatives[:6], *little[:8], *relatives[:: 1 + len(relatives) // 8]]):
        try:
            net = create(name, {"in_chans": info.shape[0], "num_classes": len(info.classes)})
        except Unfit:
            continue
        if (size := sum(weight.numel() for weight in net.parameters())) <= budget:
            fitting.append(f"{name} ({size:,})")
    text = f"{spec.architecture} has {count:,} parameters, above max_parameters={budget:,}"
    hint = f"within it: {', '.join(fitting[:3])}" if fitting else "take a smaller architecture or raise the budget"
    return text, hint
