"""timm's names and constructors, with its errors as one line."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from typing import Any

import timm
from torch import nn

from zoo.core import ZooError


class UnfitError(Exception):
    """Raised with the reason why an architecture cannot be built or run with some options."""


def check_name(name: str) -> None:
    """Raise ZooError with the nearest names if timm has no architecture `name` or no such tag."""
    base, _, tag = name.partition(".")
    if not timm.is_model(base):
        near = get_close_matches(base, timm.list_models(), n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "timm.list_models() lists all names"
        raise ZooError(f"timm {timm.__version__} has no architecture {name!r}", hint)
    tags = timm.list_pretrained(f"{base}.*")
    if tag and name not in tags:
        known = ", ".join(tags[:6]) or "none"
        raise ZooError(f"timm {timm.__version__} has no weights {name!r}; known for {base}: {known}")


def related_names(name: str) -> list[str]:
    """List other architectures from the same module of timm, nearest names first."""
    base = name.partition(".")[0]
    module = timm.models.model_entrypoint(base).__module__.rpartition(".")[2]
    others = [other for other in timm.list_models(module=module) if other != base]
    return get_close_matches(base, others, n=len(others) or 1, cutoff=0.0)


def create_network(name: str, options: dict[str, Any]) -> nn.Module:
    """Create the network with timm's own strides; UnfitError if timm cannot."""
    try:
        net: nn.Module = timm.create_model(name, **options)
    except Exception as error:
        raise UnfitError(first_line(error)) from error
    return net


def first_line(error: BaseException) -> str:
    """Return the first line of an exception's message, at most 200 characters."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]


def constructor_parameters(net: nn.Module) -> dict[str, Any]:
    """Return the constructor's parameters with their defaults, including those of base classes that get **kwargs."""
    found: dict[str, Any] = {}
    for cls in type(net).__mro__:
        if cls is nn.Module:
            break
        known = inspect.signature(cls).parameters.values()
        found = {p.name: p.default for p in known if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)} | found
        if not any(p.kind is p.VAR_KEYWORD for p in known):
            break
    return found


def patch_size(net: nn.Module, options: dict[str, Any]) -> int | None:
    """Return the side of the square patches in pixels.

    Returns None if `net` has none that a constructor might accept.
    """
    default = constructor_parameters(net).get("patch_size")
    embeddings = (getattr(net, name, None) for name in ("patch_embed", "patch_embed1", "embeds", "stem"))
    known = [getattr(embedding, "patch_size", None) for embedding in embeddings]
    value = next((v for v in (options.get("patch_size"), *known, default) if v), None)
    sides = set(value) if isinstance(value, tuple | list) else {value}
    side = sides.pop() if len(sides) == 1 else None
    return side if isinstance(side, int) and side > 0 else None
