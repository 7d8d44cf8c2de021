"""Whole packages, installed by pip as an author would, and found by the zoo in this process and in its children."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from zoo.catalog import catalog

OPTIONS = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]


def pip_install(site: Path, packages: Iterable[Path]) -> None:
    """Install packages into a folder, from what lies here alone."""
    command = [sys.executable, "-m", "pip", "install", *OPTIONS, "--target", str(site), *map(str, packages)]
    subprocess.run(command, check=True, timeout=300)


def find_in(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the zoo find what is installed in a folder, until the test ends."""
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
    importlib.invalidate_caches()
    catalog.cache_clear()
