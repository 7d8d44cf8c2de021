"""Keep parameters of a model as they are, with the statistics of their batch normalisation."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase

from torch import nn

from zoo.core.errors import ZooError, did_you_mean
from zoo.models.base import Model


def is_matched(name: str, patterns: Collection[str]) -> bool:
    """Return whether a name, or that of a module around it, matches a pattern."""
    return any(fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*") for pattern in patterns)


def freeze(model: Model, patterns: Collection[str]) -> str:
    """Withhold the matching parameters from training.

    Args:
        model: The model.
        patterns: Patterns of parameter names, such as `blocks.*`.

    Returns:
        One line that says how much is frozen; empty without patterns.

    Raises:
        ZooError: If a pattern matches no parameter, or nothing is left to train.
    """
    if not patterns:
        return ""
    parameters = dict(model.named_parameters())
    for pattern in patterns:
        if not any(is_matched(name, [pattern]) for name in parameters):
            parts = {*parameters, *(name.partition(".")[0] for name in parameters)}
            hint = did_you_mean(pattern, parts) or f"the model has {', '.join(dict(model.named_children()))}"
            raise ZooError(f"train.freeze: no parameter matches {pattern!r:.80}", hint)
    frozen = [parameter for name, parameter in parameters.items() if is_matched(name, patterns)]
    for parameter in frozen:
        parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in parameters.values()):
        raise ZooError("train.freeze leaves nothing to train", "freeze fewer parameters")
    count = sum(parameter.numel() for parameter in frozen)
    return f"frozen: {count:,} of {sum(each.numel() for each in parameters.values()):,} parameters"


def frozen_modules(model: nn.Module, patterns: Collection[str]) -> Iterator[nn.Module]:
    """Yield modules with statistics, such as batch normalisation, whose own parameters are all frozen."""
    for prefix, module in model.named_modules():
        own, statistics = (
            [f"{prefix}.{name}".strip(".") for name, _ in named(recurse=False)]
            for named in (module.named_parameters, module.named_buffers)
        )
        if statistics and all(is_matched(name, patterns) for name in own or statistics):
            yield module
