"""The package: what the wheel from the sdist holds, and that it works from there and from a checkout alike."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import zoo
from zoo.registry.layers import shipped_registry

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that is built from the sdist."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT], check=True, timeout=300)
    (found,) = out.glob("*.whl")
    return found


@pytest.mark.slow
def test_the_sdist_holds_what_the_tests_need(wheel: Path) -> None:
    (path,) = wheel.parent.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"registry.yaml", "README.md", "LICENSE", "pyproject.toml", "tests/conftest.py", "zoo/py.typed", ".ci/run"}
    assert wanted <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith(("runs/", ".data/", ".git/"))]


@pytest.mark.slow
def test_the_wheel_holds_the_zoo_and_its_plugins_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        entry_points = next(archive.read(name).decode() for name in names if name.endswith("entry_points.txt"))
        assert archive.read("zoo/registry.yaml") == (ROOT / "registry.yaml").read_bytes()
    sources = [
        path for part in ("zoo", "plugins") for path in (ROOT / part).rglob("*.*") if "__pycache__" not in path.parts
    ]
    wanted = {path.relative_to(ROOT).as_posix().removeprefix("plugins/") for path in sources}
    assert wanted | {"zoo/registry.yaml"} == {name for name in names if ".dist-info/" not in name}
    assert {"zoo/py.typed", "zoo_classifiers/fused.cpp", "zoo_data/__init__.py"} <= set(names)
    packages = {path.name for path in (ROOT / "plugins").iterdir() if path.is_dir()}
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {"zoo", *packages}
    assert "zoo = zoo.cli:run" in entry_points
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.slow
def test_the_wheel_works_in_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    site, work = tmp_path / "site", tmp_path / "work"
    options = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", "--target"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, site, wheel], check=True, timeout=120)
    work.mkdir()
    homes = {"ZOO_CACHE": str(tmp_path / "cache"), "ZOO_CONFIG": str(tmp_path / "config"), "PYTHONPATH": str(site)}

    def run(*words: str) -> str:
        command = [sys.executable, *words]
        return subprocess.run(
            command, cwd=work, env=os.environ | homes, capture_output=True, text=True, check=True
        ).stdout

    assert Path(run("-c", "import zoo, zoo_data; print(zoo.__file__)").strip()) == site / "zoo" / "__init__.py"
    assert (
        Path(run("-c", "from zoo.registry.layers import shipped_registry as f; print(f())").strip())
        == site / "zoo" / "registry.yaml"
    )
    found = json.loads(run("-m", "zoo", "list", "--json"))
    assert {"cnn", "cnn-separable"} <= {entry["name"] for entry in found["entries"]}
    assert found["problems"] == [] and all(entry["needs"] == [] for entry in found["entries"])
    assert list(work.iterdir()) == []


def test_this_installation_finds_its_registry() -> None:
    assert shipped_registry().is_file()
    assert shipped_registry().parent in {Path(zoo.__file__).parent, Path(zoo.__file__).parent.parent}
    assert (Path(zoo.__file__).parent / "py.typed").is_file()


def test_the_version_is_the_one_of_the_distribution() -> None:
    from importlib.metadata import version

    assert version("pixel-zoo") == zoo.__version__


def test_every_public_name_can_be_had() -> None:
    assert {name for name in zoo.__all__ if not hasattr(zoo, name)} == set()
    assert set(zoo.__all__) <= set(dir(zoo))
    with pytest.raises(AttributeError, match="module 'zoo' has no attribute 'nothing'"):
        _ = zoo.nothing
