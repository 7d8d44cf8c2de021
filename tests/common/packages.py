"""Plugins for tests: a small one, and whole packages that pip installs as an author would."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from zoo.core.files import cache_dir
from zoo.registry.catalog import catalog

MOE = """
import zoo
class Options(zoo.Spec):
    width: int = 3
    '''Width.'''
def build(spec, info):
    raise NotImplementedError
@zoo.hookimpl
def zoo_models():
    yield zoo.ModelKind('moe', Options, build, 'a mixture')
"""
"""A plugin that works as long as nothing is built."""
OFFLINE = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
"""What keeps pip from the network; everything that a plugin needs is there."""


def pip_install(site: Path, packages: Iterable[Path]) -> None:
    """Install packages into a folder, from what lies here alone."""
    command = [sys.executable, "-m", "pip", "install", *OFFLINE, "--target", str(site), *map(str, packages)]
    subprocess.run(command, check=True, timeout=300)


def find_in(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the zoo find what is installed in a folder, until the test ends; the plugins are probed once."""
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTHONPATH", str(site), prepend=os.pathsep)
    importlib.invalidate_caches()
    catalog.cache_clear()
    kept, verdicts = site.with_name(f"{site.name}-verdicts"), cache_dir() / "plugins"
    if kept.exists():
        shutil.copytree(kept, verdicts, dirs_exist_ok=True)
    else:
        catalog()
        shutil.copytree(verdicts, kept)
