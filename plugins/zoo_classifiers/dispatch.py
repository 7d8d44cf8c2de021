"""Which way a network's blocks are computed where speed matters, and a pass that way."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from zoo.models import why_not_compiled
from zoo_classifiers import fused, gather
from zoo_classifiers.blocks import Block, Tail
from zoo_classifiers.compiling import fresh
from zoo_classifiers.pooling import Regions

if TYPE_CHECKING:
    from zoo_classifiers.model import CNN

TAILS: dict[str, Tail | None] = {"native": fused.tail, "compiled": gather.tail, "plain": None}


def choose_dispatches(blocks: Iterable[nn.Module], device: str, autocast: torch.dtype | None) -> tuple[list[str], str]:
    """A way for each block, none where stock PyTorch is to run, and a note for people."""
    parts = cast("list[Block]", list(blocks))
    if device == "cuda":
        reason = why_not_compiled(device)
        return ([], f"plain PyTorch ({reason})") if reason else (["whole"] * len(parts), "compiled")
    if device != "cpu":
        return [], "plain PyTorch"
    found = [choose_dispatch(block, autocast) for block in parts]
    ways = [name for name, _ in found]
    reasons = sorted({reason for _, reason in found if reason})
    note = " and ".join(name for name in ("native kernel", "compiled", "plain PyTorch") if name.split()[0] in ways)
    return ways, note + f" ({'; '.join(reasons)})" * bool(reasons)


def choose_dispatch(block: Block, autocast: torch.dtype | None) -> tuple[str, str]:
    """The fastest way that works for the block on the CPU, and what speaks against it or a faster one."""
    if autocast != torch.bfloat16:
        reason = "the native kernel needs bfloat16"
    elif not fused.covers(block):
        reason = "the native kernel does not cover these options"
    else:
        library, remark = fused.load(block.outputs < fused.WIDE)
        if library:
            return "native", remark
        reason = f"no native kernel: {remark}"
    failure = gather.works(block.placed, block.activation.name, autocast or torch.float32)
    return ("plain", f"{reason}; no compiling: {failure}") if failure else ("compiled", reason)


def dispatch_pass(model: CNN, x: Tensor, regions: list[Regions]) -> Tensor:
    """As CNN.once, channels-last and in the type of the autocast."""
    with torch.autocast(x.device.type, model.autocast, enabled=model.autocast is not None):
        x = x.to(model.autocast or x.dtype, memory_format=torch.channels_last)
        return model.chain(model, x, regions)


def chain(model: CNN, x: Tensor, regions: list[Regions]) -> Tensor:
    """Each block in its way, then the head."""
    for block, region, name in zip(model.blocks, regions, model.dispatch_ways, strict=True):
        x = block(x, region, TAILS.get(name, gather.tail))
    return cast(Tensor, model.head(x))


Chain = Callable[["CNN", Tensor, "list[Regions]"], Tensor]


def compile_chain(ways: list[str]) -> Chain:
    """`chain` for one model, compiled in one piece for each size of batch where its ways say so."""
    return torch.compile(fresh(chain), dynamic=False) if "whole" in ways else chain
