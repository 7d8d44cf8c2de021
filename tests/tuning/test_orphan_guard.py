"""Ray's workers die with the Ray of their machine from their first moment on, and are else what Ray makes of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import zoo.tuning.orphan_shim
from zoo.tuning.orphan_guard import is_supported, orphan_guard

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
SIGNAL = """
import ctypes
import os
import sys

def signal():
    number = ctypes.c_int()
    ctypes.CDLL(None).prctl(2, ctypes.byref(number))
    return number.value
"""
PROBE = SIGNAL + "print(signal(), *sys.argv[1:])"
STUDY = (
    SIGNAL
    + """
import ray

from zoo.tuning.cluster import ClusterOptions, quiet_ray, ray_cluster

def worker():
    return signal(), os.environ.get("ASKED")

with quiet_ray(), ray_cluster(ClusterOptions(address=None, parallel=None, device="cpu")):
    print(ray.get(ray.remote(worker).remote()))
    print(ray.get(ray.remote(runtime_env={"env_vars": {"ASKED": "asked for"}})(worker).remote()))
"""
)


def run_guarded(parent: int, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a probe with the shim, as a Ray of this process number would run a worker."""
    command = [sys.executable, zoo.tuning.orphan_shim.__file__, *words]
    environment = os.environ | {"RAY_RAYLET_PID": str(parent)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def probe(tmp_path: Path) -> Path:
    """A script that says which signal it gets when its parent dies, and its arguments."""
    path = tmp_path / "probe worker.py"
    path.write_text(PROBE, encoding="utf-8")
    return path


def test_a_worker_is_guarded_before_it_imports_anything(probe: Path) -> None:
    assert run_guarded(os.getpid(), "-s", str(probe), "--a=b c", "--language=PYTHON").stdout == "9 --a=b c\n"


def test_a_worker_whose_ray_is_dead_already_does_not_begin(probe: Path) -> None:
    done = run_guarded(os.getpid() + 1, str(probe))
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.slow
@pytest.mark.skipif(
    not is_supported(), reason="the shim is for another Ray: see SUPPORTED_RAY in zoo/tuning/orphan_guard.py"
)
def test_ray_guards_each_worker_also_where_a_job_asks_for_an_environment() -> None:
    done = subprocess.run([sys.executable, "-c", STUDY], capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.splitlines() == ["(9, None)", "(9, 'asked for')"], done.stderr


@pytest.mark.skipif(not is_supported(), reason="the shim is for another Ray")
def test_agents_are_guarded_as_workers_are() -> None:
    from ray._private import ray_constants, services

    build = services._build_python_executable_command_memory_profileable
    with orphan_guard():
        for component in (ray_constants.PROCESS_TYPE_DASHBOARD_AGENT, ray_constants.PROCESS_TYPE_RUNTIME_ENV_AGENT):
            command = services._build_python_executable_command_memory_profileable(component, "session")
            assert command == [sys.executable, zoo.tuning.orphan_shim.__file__, "-u"]
        other = services._build_python_executable_command_memory_profileable("monitor", "session")
    assert other == build("monitor", "session") == [sys.executable, "-u"]
    assert services._build_python_executable_command_memory_profileable is build


def test_a_process_whose_parent_died_before_it_asked_ends_at_once() -> None:
    code = "import sys, zoo.tuning.orphan_guard as guard; guard.die_with_parent(int(sys.argv[1]), str)(); print(1)"
    for parent, said in ((os.getpid(), "1\n"), (os.getpid() + 1, "")):
        words = [sys.executable, "-c", code, str(parent)]
        assert subprocess.run(words, capture_output=True, text=True, check=False).stdout == said
