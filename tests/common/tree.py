"""The tree of packages in docs/architecture.md, written from their docstrings: `nox -s written`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from generated import print_or_write, replace_between

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- tree: written by tests/common/tree.py -->\n```none\n", "```\n<!-- end of tree -->"
LAYERING = ROOT / "tests" / "integration" / "test_layering.py"


def layers() -> list[set[str]]:
    """The layers of the packages, lowest first, as the test of the layering has them."""
    for node in ast.parse(LAYERING.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "LAYERS":
            return list(ast.literal_eval(node.value))
    raise AssertionError(f"{LAYERING} has no LAYERS")


def about(package: Path) -> str:
    """The first line of the docstring of a package, without its full stop."""
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0].removesuffix(".")


def packages(folder: Path) -> list[Path]:
    """The packages in a folder, by name."""
    return sorted(path.parent for path in folder.glob("*/__init__.py"))


def rows() -> Iterator[tuple[str, str, str]]:
    """Yield name, layer and meaning of each package: the core layer by layer, then the plugins."""
    yield "zoo/", "", about(ROOT / "zoo")
    for number, layer in enumerate(layers(), 1):
        for name in sorted(layer):
            yield f"  {name}/", str(number), about(ROOT / "zoo" / name)
            for package in packages(ROOT / "zoo" / name):
                yield f"    {package.name}/", "", about(package)
    yield "plugins/", "", "The first-party plugins"
    for package in packages(ROOT / "plugins"):
        yield f"  {package.name}/", "", about(package)


def tree() -> str:
    """The tree as text, a line for each package."""
    return "".join(f"{name:22}{layer:3}{meaning}".rstrip() + "\n" for name, layer, meaning in rows())


def written(text: str) -> str:
    """The page with the tree as it should be."""
    return replace_between(text, BEGIN, END, tree())


if __name__ == "__main__":
    print_or_write(PAGE, BEGIN, END, tree())
