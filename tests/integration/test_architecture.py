"""The house: who imports whom, what stays light, how large files grow, and what lies at the top."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOP = {
    "pyproject.toml",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "UPGRADING.md",
    "LICENSE",
    "registry.yaml",
    "noxfile.py",
    "zoo",
    "plugins",
    "tests",
    "docs",
    "examples",
    "changelog.d",
    ".ci",
    ".gitignore",
    ".pre-commit-config.yaml",
}
PICTURES = Path("docs", "_static")
WEIGHTS = Path("plugins/zoo_weights/files")
JUDGE = Path("plugins/zoo_data/shapes/reader.safetensors")
LESSON = Path("examples", "sketch-plugin")
"""Its files are shown as a whole, in a lesson that says what they are."""
HEAVY = {"torch", "torchvision", "timm", "ray", "optuna", "sklearn", "pyarrow", "matplotlib", "PIL"}
LONGEST = 450
COMMENT = {".py": '"""', ".cpp": "// ", ".yaml": "# ", ".toml": "# ", ".md": "# ", ".gitignore": "# "}


def sources() -> list[Path]:
    """Every file of the repository that people write, relative to its root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode or not listed.stdout:
        pytest.skip("not a git checkout")
    return [Path(line) for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def module(path: Path) -> str:
    """The name by which a file is imported."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


CORE = {module(path.relative_to(ROOT)): path for path in (ROOT / "zoo").rglob("*.py")}
PLUGINS = {module(path.relative_to(ROOT / "plugins")): path for path in (ROOT / "plugins").rglob("*.py")}


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Everything that is executed, at import or later; not what only a type checker reads."""
    for child in ast.iter_child_nodes(tree):
        if not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield child
            yield from nodes(child)


def imports(path: Path) -> set[str]:
    """The modules that a file imports anywhere."""
    found: set[str] = set()
    for node in nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, f"{path}: a relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in CORE else node.module for name in names}
    return found


def test_the_core_knows_no_plugin_and_plugins_not_each_other() -> None:
    packages = {name.partition(".")[0] for name in PLUGINS}
    assert packages >= {"zoo_data", "zoo_classifiers", "zoo_codecs", "zoo_priors", "zoo_timm", "zoo_metrics"}
    for path in CORE.values():
        assert not {name.partition(".")[0] for name in imports(path)} & packages, path
    for name, path in PLUGINS.items():
        own = name.partition(".")[0]
        used = imports(path)
        assert not {other.partition(".")[0] for other in used} & packages - {own}, path
        private = (
            "zoo.runs",
            "zoo.training",
            "zoo.evaluation",
            "zoo.generation",
            "zoo.tuning",
            "zoo.cli",
            "zoo.testing",
        )
        assert not [other for other in used if other.startswith(private)], path


def test_the_plugins_on_disk_are_those_of_the_package() -> None:
    about = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = sorted(path.name for path in (ROOT / "plugins").iterdir() if path.is_dir())
    assert sorted(about["project"]["entry-points"]["zoo"].values()) == packages
    wheel = about["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["zoo", *wheel["packages"][1:]]
    assert sorted(wheel["packages"][1:]) == [f"plugins/{name}" for name in packages]


def light(code: str) -> None:
    """Assert that a process that runs the code has imported nothing heavy."""
    code += "\nimport sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split()), HEAVY & set(done.stdout.split())


def test_hook_modules_specs_and_the_package_zoo_import_nothing_heavy() -> None:
    hooks = sorted({name.partition(".")[0] for name in PLUGINS})
    specs = [name for name in PLUGINS if name.endswith("spec")]
    core = [name for name in CORE if name.startswith("zoo.core") and name != "zoo.core.tensor_files"]
    names = [*hooks, *specs, *core, "zoo", "zoo.registry.listing", "zoo.cli", "zoo.runs.run", "zoo.registry.results"]
    light(
        "\n".join(f"import {name}" for name in names)
        + "\nfrom zoo import ZooError, DataSpec, hookimpl, Spec, CodeInfo, ModelKind"
        + "\nimport zoo.registry.catalog; zoo.registry.catalog.catalog()"
    )


def test_only_import_torch_would_be_seen() -> None:
    with pytest.raises(AssertionError):
        light("import sys, types; sys.modules['torch.nn'] = types.ModuleType('torch.nn')")


def test_every_file_says_what_it_is() -> None:
    for path in sources():
        start = COMMENT.get(path.suffix or path.name)
        if path.parts[0] == "changelog.d" or path.parent == LESSON:
            continue
        if start:
            first = (ROOT / path).read_text(encoding="utf-8").partition("\n")[0]
            assert first.startswith(start), path
            assert len(first) <= 120 and first.removeprefix(start)[:1].strip(), path
        if path.suffix == ".py":
            assert first.endswith('"""') or not first.count('"""') > 1, path


def test_files_stay_small() -> None:
    lengths = {
        path: len((ROOT / path).read_bytes().splitlines()) for path in sources() if path.suffix in {".py", ".cpp"}
    }
    assert len(lengths) > 50
    assert {path: length for path, length in lengths.items() if length > LONGEST} == {}


def test_the_top_holds_nothing_else() -> None:
    assert {path.parts[0] for path in sources()} == TOP


def test_no_file_is_large_or_binary() -> None:
    for path in sources():
        content = (ROOT / path).read_bytes()
        if path.parent == PICTURES:
            assert len(content) < 100_000 and content.startswith(b"\x89PNG"), path
            continue
        if path.parent == WEIGHTS:
            assert content.startswith(b"PK"), path  # their size is looked at where all are opened
            continue
        if path == JUDGE:
            assert len(content) < 700_000, path
            continue
        binary = path.is_relative_to("tests/golden/runs")
        assert len(content) < 200_000 and (binary or b"\0" not in content), path
