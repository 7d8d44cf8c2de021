"""The examinations of `zoo doctor` in their order: the ones that explain the others come first."""

from __future__ import annotations

from collections.abc import Iterator

from zoo.cli.doctor import contents, machine, packages, system
from zoo.cli.doctor.finding import Finding, Look, examine

EXAMINATIONS: dict[str, Look] = {
    "python": system.python,
    "console": system.console,
    "packages": packages.required,
    "extras": packages.extras,
    "folders": system.folders,
    "shared memory": system.shared_memory,
    "cores": machine.cores,
    "torch": machine.torch,
    "compiler": machine.compiler,
    "ray": machine.ray,
    "plugins": contents.plugins,
    "registry": contents.registries,
    "entries": contents.entries,
    "data": contents.data,
    "training step": machine.training_step,
}


def findings() -> Iterator[tuple[str, Finding]]:
    """What each examination finds, as soon as it is over."""
    for name, look in EXAMINATIONS.items():
        for finding in examine(look):
            yield name, finding
