"""Choose the fastest backend for each block of a network, and run a forward pass with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from zoo.models import why_not_compiled
from zoo_classifiers import gather, native
from zoo_classifiers.blocks import Block, Tail
from zoo_classifiers.compiling import with_own_code
from zoo_classifiers.pooling import Regions

if TYPE_CHECKING:
    from zoo_classifiers.model import CNN

TAILS: dict[str, Tail | None] = {"native": native.native_tail, "compiled": gather.compiled_tail, "plain": None}


def choose_backends(blocks: Iterable[nn.Module], device: str, autocast: torch.dtype | None) -> tuple[list[str], str]:
    """Choose a backend for each block, none for plain PyTorch, and describe the choice in a note."""
    parts = cast("list[Block]", list(blocks))
    if device == "cuda":
        reason = why_not_compiled(device)
        return ([], f"plain PyTorch ({reason})") if reason else (["whole"] * len(parts), "compiled")
    if device != "cpu":
        return [], "plain PyTorch"
    found = [choose_backend(block, autocast) for block in parts]
    backends = [name for name, _ in found]
    reasons = sorted({reason for _, reason in found if reason})
    note = " and ".join(name for name in ("native kernel", "compiled", "plain PyTorch") if name.split()[0] in backends)
    return backends, note + f" ({'; '.join(reasons)})" * bool(reasons)


def choose_backend(block: Block, autocast: torch.dtype | None) -> tuple[str, str]:
    """Choose the fastest backend that works for a block on the CPU, and explain why no faster one does."""
    if autocast != torch.bfloat16:
        reason = "the native kernel needs bfloat16"
    elif not native.is_supported(block):
        reason = "the native kernel does not support these options"
    else:
        library, remark = native.load_kernel(block.outputs < native.WIDE_CHANNELS)
        if library:
            return "native", remark
        reason = f"no native kernel: {remark}"
    failure = gather.why_compile_fails(block.norm_position, block.activation.name, autocast or torch.float32)
    return ("plain", f"{reason}; torch.compile failed: {failure}") if failure else ("compiled", reason)


def run_dispatched(model: CNN, x: Tensor, regions: list[Regions]) -> Tensor:
    """Run one forward pass with the chosen backends, channels-last and with the autocast's dtype."""
    with torch.autocast(x.device.type, model.autocast, enabled=model.autocast is not None):
        x = x.to(model.autocast or x.dtype, memory_format=torch.channels_last)
        return model.chain(model, x, regions)


def run_blocks(model: CNN, x: Tensor, regions: list[Regions]) -> Tensor:
    """Run each block with its backend, then the head."""
    for block, region, name in zip(model.blocks, regions, model.backends, strict=True):
        x = block(x, region, TAILS.get(name, gather.compiled_tail))
    return cast(Tensor, model.head(x))


BlockChain = Callable[["CNN", Tensor, "list[Regions]"], Tensor]
"""A function that runs the blocks and the head of a network."""


def compile_blocks(backends: list[str]) -> BlockChain:
    """Return `run_blocks`, compiled as a whole for each batch size if the backends ask for that."""
    return torch.compile(with_own_code(run_blocks), dynamic=False) if "whole" in backends else run_blocks
