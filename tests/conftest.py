"""What all tests share: a home of their own, far from the user's cache, configuration and runs; and made-up plugins."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import zoo
from zoo.core.files import write_json
from zoo.registry.catalog import catalog
from zoo.registry.plugins.discover import distribution_of, plugin_entry_points
from zoo.registry.plugins.probe import IMPORT_TIMEOUT, Probes
from zoo.registry.plugins.probe_cache import ProbeRecord

# Threads that spin while they wait make everything ten times slower where tests share a machine's few cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "PYTEST_XDIST_WORKER" in os.environ:  # several workers share the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")
# A machine may be busy with other tests when a made-up plugin is first looked at.
os.environ.setdefault("ZOO_PLUGIN_WAIT", "60")

# Started in the background of a script, these tests and what they start would ignore the Ctrl-C that they send.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

Install = Callable[..., Path]
TINY = ["data.kind=digits", "data.limit=200", "model.blocks=2", "model.first=4", "model.last=8", "train.epochs=2"]
"""Options of `cnn` that make a run of a second."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each worker begins with a share of the heavy tests, by files; the quick ones are for whoever is done."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    heavy: dict[Path, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("slow"):
            heavy.setdefault(item.path, []).append(item)
    files = list(reversed(heavy.values()))  # the tuner's are the heaviest
    quick = (item for item in items if not item.get_closest_marker("slow"))
    ordered: list[pytest.Item] = []
    for number in range(workers):
        share = [item for file in files[number::workers] for item in file]
        many = (len(items) - len(ordered)) // (workers - number)
        ordered += [*share, *islice(quick, max(0, many - len(share)))]
    items[:] = [*ordered, *quick]


@pytest.fixture
def home(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory with its own cache and configuration folders, and no package of another test."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ZOO_CONFIG", str(tmp_path / "config"))
    catalog.cache_clear()
    yield work
    catalog.cache_clear()
    forget(tmp_path_factory.getbasetemp())


def forget(root: Path) -> None:
    """Let Python import anew what lies in a folder: the next test may have another module of the same name."""
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(root)):
            del sys.modules[name]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where decoded pictures are kept, far from the user's own."""
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ZOO_DATA", raising=False)
    return tmp_path / "cache" / "data"


@pytest.fixture
def install(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """A function that installs a distribution with one plugin, as pip would, where Python and its children find it.

    A plugin that is `harmless` is probed in one test alone.
    """
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)

    def make(
        name: str,
        code: str | bytes,
        distribution: str = "",
        points: str = "",
        metadata: str | None = None,
        *,
        harmless: bool = False,
    ) -> Path:
        distribution, module = distribution or f"zoo-{name}", f"plugin_{(distribution or name).replace('-', '_')}"
        path = site / f"{module}.py"
        path.write_bytes(code if isinstance(code, bytes) else code.encode())
        info = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        about = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n" if metadata is None else metadata
        (info / "METADATA").write_text(about, encoding="utf-8")
        (info / "entry_points.txt").write_text(points or f"[zoo]\n{name} = {module}\n", encoding="utf-8")
        importlib.invalidate_caches()
        catalog.cache_clear()
        if harmless:
            probe_once(name, code)
        return path

    return make


VERDICTS: dict[tuple[str, str | bytes], dict[str, Any]] = {}


def probe_once(name: str, code: str | bytes) -> None:
    """Probe a plugin that many tests install, or write down what its probe found in an earlier test."""
    point = next(point for point in plugin_entry_points() if point.name == name)
    record = ProbeRecord.of(point, distribution_of(point))
    if (name, code) in VERDICTS:
        record.file.parent.mkdir(parents=True, exist_ok=True)
        write_json(record.file, record.to_json(VERDICTS[name, code]))
        return
    Probes([record]).wait(IMPORT_TIMEOUT)
    if (verdict := record.read()) and not verdict.error:
        VERDICTS[name, code] = verdict.model_dump(mode="json")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on the digits; not to be changed."""
    folder = tmp_path_factory.mktemp("trained") / "tiny"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_CACHE", str(folder.parent / "cache"))
        patch.setenv("ZOO_CONFIG", str(folder.parent / "config"))
        patch.chdir(folder.parent)
        zoo.train("cnn", *TINY, out=folder, device="cpu")
    return folder


@pytest.fixture
def run(trained: Path, home: Path) -> Path:
    """A copy of that run at runs/tiny-1, which a test may change."""
    path = Path("runs/tiny-1")
    shutil.copytree(trained, path)
    return path


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small sums need no second thread, and waiting for one takes long on a busy machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
