"""Fit an architecture to pictures of a given size, by trying on the meta device, where nothing is allocated."""

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
from zoo_timm.architectures import (
    UnfitError,
    check_name,
    constructor_parameters,
    create_network,
    first_line,
    patch_size,
    related_names,
)
from zoo_timm.spec import TimmSpec
from zoo_timm.strides import Inspection, apply_strides, inspect_network, lower_strides, snap_to_power

SMALL_SIDE, MAX_REDUCTION, MIN_MAP, MIN_TOKENS = 64, 8, 3.5, 7.0
"""Pictures up to SMALL_SIDE are reduced by at most MAX_REDUCTION, to maps of MIN_MAP or grids of MIN_TOKENS a side."""
LARGER_SIDES = (32, 64, 96, 120, 128, 160, 192, 224, 256)
SMALL_NAMES = ("atto", "femto", "pico", "nano", "tiny", "mini", "small", "_xs", "_xx", "_050")
"""Parts of the names of timm's smaller architectures."""
SLACK = 0.75
"""Share of the wanted side that a map must have, since unpadded convolutions and rounding cost some pixels."""

Size = tuple[int, int]


@dataclass(frozen=True)
class Plan:
    """A network that works, and how to build it."""

    net: nn.Module
    """The network on the meta device."""
    options: dict[str, Any]
    """Arguments of the constructor."""
    strides: dict[str, int]
    """Strides to change afterwards, by module name."""
    size: Size
    """Height and width in pixels of the network's input."""

    @property
    def parameters(self) -> int:
        """Number of trainable weights."""
        return sum(weight.numel() for weight in self.net.parameters())


class Attempt(NamedTuple):
    """Options and strides to try."""

    options: dict[str, Any]
    strides: dict[str, int]
    size: Size
    least: float = 0.0
    """Smallest acceptable side of the last map."""
    factor: float = 1.0
    """By which factor the reduction is lower than timm's own."""


class Planner:
    """The search for a plan, on the meta device."""

    def __init__(self, spec: TimmSpec, info: DataInfo) -> None:
        self.spec, self.channels, self.classes = spec, info.shape[0], len(info.classes)
        self.size: Size = (spec.size, spec.size) if spec.size else (info.shape[1], info.shape[2])
        self.options = {"in_chans": self.channels, "num_classes": self.classes, **spec.options}
        self.plain = create_network(spec.architecture, self.options)
        self.accepted = constructor_parameters(self.plain)
        for name in ("drop_rate", "drop_path_rate"):
            if name in self.accepted:
                self.options[name] = getattr(spec, name)
            elif getattr(spec, name):
                raise ZooError(f"{spec.architecture} has no option {name}: remove it")
        configured: Any = self.plain.default_cfg
        self.default: Size = configured["input_size"][1:]
        """Height and width of timm's own pictures for the architecture."""

    def plan(self) -> Plan:
        """Return the first attempt that works; ZooError with the reason if none does."""
        auto = self.spec.stem == "auto" and max(self.size) <= SMALL_SIDE
        lower_reduction = list(self.lower_reduction()) if auto else []
        if found := self.first_working(lower_reduction):
            return found
        try:
            return self.try_attempt(self.unchanged(self.size))
        except UnfitError as error:
            raised = self.first_working(self.larger_pictures(lower_reduction))
            if raised is None or self.spec.size:
                raise ZooError(self.size_message(error, raised)) from error
            return raised

    def first_working(self, attempts: Iterable[Attempt]) -> Plan | None:
        """Return the plan of the first attempt that works, or None."""
        for attempt in attempts:
            try:
                return self.try_attempt(attempt)
            except UnfitError:
                continue
        return None

    def try_attempt(self, attempt: Attempt) -> Plan:
        """Build and run the network of an attempt; UnfitError if that fails."""
        net = create_network(self.spec.architecture, attempt.options)
        apply_strides(net, attempt.strides, trim=not self.spec.pretrained)
        found = inspect_or_unfit(net, self.empty_pictures(attempt.size))
        if found.scores != (2, self.classes):
            shape = " x ".join(map(str, found.scores[1:]))
            raise ZooError(f"timm's {self.spec.architecture} is not a classifier: its output is {shape} per picture")
        if found.side < attempt.least:
            raise UnfitError(f"its last map is only {found.side:.1f} pixels wide")
        return Plan(net, attempt.options, attempt.strides, attempt.size)

    def lower_reduction(self) -> Iterator[Attempt]:
        """Yield attempts with a lower reduction, best first."""
        found = inspect_or_unfit(self.plain, self.empty_pictures(self.default))
        total = snap_to_power(math.sqrt(math.prod(self.default)) / found.side)
        patch = patch_size(self.plain, self.options)
        most = max_reduction(min(self.size), MIN_TOKENS if total == patch else MIN_MAP)
        if (factor := total / most) <= 1:
            return
        least = SLACK * math.sqrt(math.prod(self.size)) / most
        attempts = [self.by_patch(patch, factor, least), self.by_strides(found, factor, total, least)]
        # A smaller patch size changes the shape of weights, and not every architecture can load those.
        yield from chain.from_iterable(reversed(attempts) if self.spec.pretrained else attempts)

    def by_patch(self, patch: int | None, factor: float, least: float) -> Iterator[Attempt]:
        """Yield an attempt with a smaller patch size."""
        if patch is not None and "patch_size" not in self.spec.options and patch / factor > 0.6:
            options = {**self.size_options(self.size), "patch_size": max(1, round(patch / factor))}
            yield Attempt(options, {}, self.size, least)

    def by_strides(self, found: Inspection, factor: float, total: float, least: float) -> Iterator[Attempt]:
        """Yield attempts with lower strides in a network built for pictures larger by that factor: later maps fit."""
        powers = (2.0**power for power in range(1, 8))
        for times in (factor, *(power for power in powers if factor < power < 1.2 * total)):
            options = self.size_options(scale_size(self.size, times))
            yield Attempt(options, lower_strides(found.steps, times), self.size, least, times)

    def unchanged(self, size: Size) -> Attempt:
        """Return the attempt with timm's own strides."""
        return Attempt(self.size_options(size), {}, size)

    def larger_pictures(self, lower_reduction: list[Attempt]) -> Iterator[Attempt]:
        """Yield attempts with larger pictures: lower strides in a network of its own size, then its own strides."""
        for attempt in lower_reduction:
            size = scale_size(self.default, 1 / attempt.factor)
            if attempt.strides and min(size) > max(self.size):
                yield Attempt(self.options, attempt.strides, size)
        for side in LARGER_SIDES:
            if max(self.size) < side < max(self.default):
                yield self.unchanged((side, side))
        yield self.unchanged(self.default)

    def size_options(self, size: Size) -> dict[str, Any]:
        """Return the constructor's arguments, with the picture size if it accepts one."""
        if "img_size" not in self.accepted:
            return self.options
        return {**self.options, "img_size": size[0] if size[0] == size[1] else size}

    def empty_pictures(self, size: Size) -> torch.Tensor:
        """Return two pictures on the meta device."""
        return torch.empty(2, self.channels, *size, device="meta")

    def size_message(self, error: UnfitError, raised: Plan | None) -> str:
        """Explain in one line why the pictures do not fit, with a size that would."""
        height, width = self.size
        text = f"timm's {self.spec.architecture} does not fit pictures of {height}x{width} pixels ({error})"
        return f"{text}; size={max(raised.size)} would work" if raised else text


def scale_size(size: Size, factor: float) -> Size:
    """Multiply height and width by `factor`."""
    height, width = (round(side * factor) for side in size)
    return height, width


def inspect_or_unfit(net: nn.Module, x: torch.Tensor) -> Inspection:
    """Inspect a forward pass; UnfitError if it fails."""
    try:
        return inspect_network(net, x)
    except Exception as error:
        raise UnfitError(first_line(error)) from error


def max_reduction(side: int, least: float) -> int:
    """Return the largest power of two, up to MAX_REDUCTION, that leaves at least `least` of `side`."""
    most = MAX_REDUCTION
    while most > 1 and side / most < least:
        most //= 2
    return most


def make_plan(spec: TimmSpec, info: DataInfo) -> Plan:
    """Find a plan for these pictures within the parameter budget; ZooError if there is none.

    It allocates no weights and does not change random states.
    """
    check_name(spec.architecture)
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        try:
            plan = Planner(spec, info).plan()
        except UnfitError as error:
            raise ZooError(f"timm's {spec.architecture} cannot be built: {error}") from error
        if spec.max_parameters is not None and plan.parameters > spec.max_parameters:
            raise ZooError(*budget_message(spec, info, plan.parameters, spec.max_parameters))
    return plan


def budget_message(spec: TimmSpec, info: DataInfo, count: int, budget: int) -> tuple[str, str]:
    """Return message and hint for an exceeded budget, with up to three related architectures within it."""
    relatives, fitting = related_names(spec.architecture), []
    small = [name for name in relatives if any(word in name for word in SMALL_NAMES)]
    for name in dict.fromkeys([*relatives[:6], *small[:8], *relatives[:: 1 + len(relatives) // 8]]):
        try:
            net = create_network(name, {"in_chans": info.shape[0], "num_classes": len(info.classes)})
        except UnfitError:
            continue
        if (size := sum(weight.numel() for weight in net.parameters())) <= budget:
            fitting.append(f"{name} ({size:,})")
    text = f"{spec.architecture} has {count:,} parameters, more than max_parameters={budget:,}"
    hint = f"these fit: {', '.join(fitting[:3])}" if fitting else "use a smaller architecture or increase the budget"
    return text, hint
