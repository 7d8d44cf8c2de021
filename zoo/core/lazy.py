"""Import the public names of a package when they are first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy_names(
    package: str, homes: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make the `__getattr__` and `__dir__` of a package whose names live in the modules `homes`.

    Args:
        package: The name of the package, its `__name__`.
        homes: The public names by the module that defines them.

    Returns:
        The two functions, to be assigned to `__getattr__` and `__dir__` of the package.
    """
    module_of = {name: home for home, names in homes.items() for name in names}

    def load(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(module_of[name]), name)
        setattr(import_module(package), name, value)
        return value

    return load, lambda: sorted([*vars(import_module(package)), *module_of])
