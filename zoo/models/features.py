"""What a classifier sees on its way to its scores, whatever its kind: feature maps and the vector before the scores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from torch import Tensor, nn

from zoo.models.base import Classifier


class Features(NamedTuple):
    """What one pass through a classifier leaves behind."""

    maps: tuple[Tensor, ...]
    """(N, C, H, W) each: what the last layer at each resolution gives, finest first."""
    vector: Tensor
    """(N, D), what the last linear layer is given; without such a layer the mean of the coarsest map."""
    scores: Tensor
    """(N, K), unnormalised log-probabilities."""


def features(model: Classifier, x: Tensor) -> Features:
    """What a classifier sees in pictures with values 0..1, (N, C, H, W); gradients pass through."""
    with listening(model) as (maps, vectors):
        scores = model(x)
    found = tuple(maps.values())
    vector = vectors[-1] if vectors else found[-1].mean((2, 3))
    return Features(found, vector.flatten(1), scores)


@contextmanager
def listening(model: nn.Module) -> Iterator[tuple[dict[tuple[int, ...], Tensor], list[Tensor]]]:
    """Within the block a pass fills a map for each resolution, and a list of what linear layers are given."""
    maps: dict[tuple[int, ...], Tensor] = {}
    vectors: list[Tensor] = []

    def keep_map(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor) and output.ndim == 4:
            maps[tuple(output.shape[2:])] = output

    def keep_vector(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        vectors.append(inputs[0])

    with ExitStack() as stack:
        for module in model.modules():
            if isinstance(module, nn.Linear):
                stack.enter_context(module.register_forward_pre_hook(keep_vector))
            elif not any(module.children()):
                stack.enter_context(module.register_forward_hook(keep_map))
        yield maps, vectors
