"""The packages of the zoo are in eight layers, and each imports only from lower ones."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "zoo"
LAYERS = (
    {"core"},
    {"display", "data", "models"},
    {"registry"},
    {"runs"},
    {"training"},
    {"evaluation", "exporting", "generation", "inspection", "tuning"},
    {"demo", "reporting", "testing"},
    {"cli"},
)
"""From the lowest; packages in one layer do not import each other."""
LAYER_OF = {package: number for number, packages in enumerate(LAYERS) for package in packages}


def module(path: Path) -> str:
    """The name by which a file is imported."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path): path for path in ROOT.rglob("*.py")}


def imports(name: str) -> set[str]:
    """The modules of the zoo that a module imports: at its top, in functions and under TYPE_CHECKING."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, f"{name}: a relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {each if each in MODULES else node.module for each in names}
    return {each for each in found if each.partition(".")[0] == "zoo"} - {name}


GRAPH = {name: imports(name) for name in MODULES}


def upward(graph: dict[str, set[str]]) -> list[str]:
    """The imports that do not go to the own package or to a lower layer."""
    found = []
    for name, used in graph.items():
        own = name.split(".")[1] if "." in name else None
        for other in used:
            package = other.split(".")[1] if "." in other else None
            if own in LAYER_OF and (package is None or (package != own and LAYER_OF[package] >= LAYER_OF[own])):
                found.append(f"{name} imports {other}")
    return sorted(found)


def test_each_package_imports_from_lower_layers_only() -> None:
    assert upward(GRAPH) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    TopologicalSorter(GRAPH).prepare()


def test_an_upward_import_and_a_circle_would_be_seen() -> None:
    assert upward({"zoo.core.spec": {"zoo.cli.app"}, "zoo.data.split": {"zoo.models.base", "zoo"}}) == [
        "zoo.core.spec imports zoo.cli.app",
        "zoo.data.split imports zoo",
        "zoo.data.split imports zoo.models.base",
    ]
    with pytest.raises(CycleError):
        TopologicalSorter({"a": {"b"}, "b": {"a"}}).prepare()


def test_the_top_of_the_package_holds_only_its_packages() -> None:
    names = {path.name for path in ROOT.iterdir() if path.name != "__pycache__"}
    assert names == {"__init__.py", "__main__.py", "py.typed", *LAYER_OF}
    assert len(LAYER_OF) == 16 and len(LAYERS) == 8


@pytest.mark.parametrize("package", sorted(LAYER_OF))
def test_each_package_says_in_one_sentence_what_it_is_for(package: str) -> None:
    about = import_module(f"zoo.{package}").__doc__
    assert about and about.endswith(".") and "\n" not in about
