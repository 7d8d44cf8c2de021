"""`zoo tune --address`: a study on a cluster, through Ray Client or as one of its drivers, that loses nothing."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import pytest
import toys
from drivers import PROC, Driver, name, session

import zoo
from zoo.cli import main
from zoo.runs.metrics_log import read_rows
from zoo.tuning.study_folder import open_study

PORTS = range(26_000, 30_000)
"""Where neither Ray's workers listen nor what the system hands out."""
STUDY = Path("shared/toy-study")
asked_for = pytest.mark.skipif(
    "ZOO_TEST_RAY_CLIENT" not in os.environ, reason="Ray heads of their own take minutes: set ZOO_TEST_RAY_CLIENT=1"
)
WORDS = ("toy", "model.how=fine", "--storage=shared")


class Cluster:
    """A head node of two cores in a session of its own."""

    def __init__(self, log: Path) -> None:
        self.log, (port, self.client) = log, free_ports()
        # Ray's sockets lie below its folder, and their paths may not be long.
        self.folder = tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True)
        words = ["start", "--head", "--block", "--num-cpus=2", "--include-dashboard=false", "--disable-usage-stats"]
        words += [f"--port={port}", f"--ray-client-server-port={self.client}", f"--temp-dir={self.folder.name}"]
        words += ["--object-store-memory=200000000"]
        with log.open("w", encoding="utf-8") as file:
            command = [sys.executable, "-m", "ray.scripts.scripts", *words]
            # Ray Client's server now and then crashes in gRPC's fork handlers when it starts the server of a client.
            env = os.environ | {"GRPC_ENABLE_FORK_SUPPORT": "0"}
            self.process = subprocess.Popen(command, stdout=file, stderr=file, env=env, start_new_session=True)
        try:
            self.address = f"{self.hear(r'Local node IP: ([0-9.]+)')}:{port}"
            self.hear("(Ray runtime started)")
        except BaseException:
            self.kill()
            raise

    def hear(self, pattern: str) -> str:
        """Wait for something that Ray says."""
        for _ in range(600):
            if found := re.search(pattern, self.log.read_text(encoding="utf-8")):
                return found[1]
            assert self.process.poll() is None, self.log.read_text(encoding="utf-8")
            time.sleep(0.1)
        raise AssertionError(self.log.read_text(encoding="utf-8"))

    def processes(self) -> list[int]:
        """All of the cluster."""
        numbers = [int(folder.name) for folder in PROC.glob("[0-9]*")]
        return [number for number in numbers if session(number) == self.process.pid]

    def at_work(self) -> list[str]:
        """Its processes that work for a study."""
        return [words for words in map(name, self.processes()) if words.startswith(("ray::Driver", "ray::Implicit"))]

    def idle(self) -> None:
        """Wait until no process works for a study, as long as one may outlive its client."""
        start = time.monotonic()
        while left := self.at_work():
            assert time.monotonic() < start + 10, left
            time.sleep(0.1)

    def kill(self) -> None:
        """End it, and all of it."""
        while left := self.processes():
            for number in left:
                try:
                    os.kill(number, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            self.process.poll()
            time.sleep(0.1)
        self.process.wait()
        self.folder.cleanup()


def free_ports() -> list[int]:
    """Two ports at which nobody listens."""
    found = []
    for port in sorted(PORTS, key=lambda _: uuid4().int):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                found.append(port)
        if len(found) == 2:
            break
    return found


@pytest.fixture
def cluster(install: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster with the made-up plugin, whose steps take their time, and with a token of its own."""
    if not PROC.is_dir():
        pytest.skip("looks for processes in /proc")
    if not find_spec("grpc"):
        pytest.skip("Ray Client needs grpc, which is not installed")
    toys.place(install)
    settings = {
        "ZOO_TOY": str(tmp_path),
        "ZOO_TOY_PAUSE": "0.3",
        "OMP_NUM_THREADS": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    settings |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": uuid4().hex * 2}
    for key, value in settings.items():
        monkeypatch.setenv(key, value)
    found = Cluster(tmp_path / "cluster.txt")
    yield found
    found.kill()


def driver(cluster: Cluster, *words: str, plain: bool = False) -> Driver:
    """`zoo tune` with this cluster."""
    address = cluster.address if plain else f"ray://127.0.0.1:{cluster.client}"
    return Driver(*WORDS, "--address", address, *words, log=cluster.log.with_name("client.txt"))


def finished(client: Driver) -> str:
    """What a client says that comes to a good end."""
    with client:
        assert client.finish() == 0, client.said()
        return client.said()


def check_epochs(trials: int, epochs: int) -> None:
    """The study is whole: each trial is done, and has each of its epochs once."""
    assert open_study(STUDY).counts == {"done": trials}
    for trial in open_study(STUDY).trials:
        assert [row["epoch"] for row in read_rows(trial.run / "metrics.jsonl")] == [*range(1, epochs + 1)]
        assert (trial.epoch, trial.parameters) == (epochs, zoo.load(trial.run).record["parameters"])


@asked_for
@pytest.mark.slow
def test_a_study_on_a_cluster_by_either_address(cluster: Cluster) -> None:
    said = finished(driver(cluster, "--trials=3"))
    assert "3 trials" in said
    assert all(f"toy-study {number}/3: t0000" in said for number in (1, 2, 3))
    assert "Traceback" not in said
    check_epochs(3, 3)
    cluster.idle()
    finished(driver(cluster, "--trials=5", plain=True))
    check_epochs(5, 3)
    assert {file.name for file in STUDY.iterdir()} <= {"study.json", "budget.json", "best.json", "study.db", "lock"} | {
        "trials",
        "plots",
    }
    with driver(cluster, "--data=nowhere/", "--name=other") as client:
        assert client.finish() == 3, client.said()
        assert "nowhere" in client.said()
    with driver(cluster, "--max-params=100", "--name=other") as client:
        assert client.finish() == 2, client.said()
        assert "the smallest toy in the search space has" in client.said()
    assert not Path("shared/other").exists()


@asked_for
@pytest.mark.slow
def test_a_killed_client_ends_its_driver_and_the_study_goes_on(cluster: Cluster) -> None:
    words = ("--trials=4", "train.epochs=6")
    with driver(cluster, *words) as client:
        client.hear("toy-study 1/4")
        assert cluster.at_work()
        client.kill()
    with driver(cluster, *words) as client:  # while the driver of the one that was killed may still be there
        assert client.finish() == 0, client.said()
        assert "resume from checkpoints" in client.said()
    check_epochs(4, 6)
    with driver(cluster, "--trials=8", "train.epochs=6") as client:
        client.hear("toy-study 5/8")
        client.kill()
    cluster.idle()


@asked_for
@pytest.mark.slow
def test_a_client_that_is_asked_to_stop_saves_the_trials_and_leaves(cluster: Cluster) -> None:
    words = ("--trials=3", "train.epochs=8")
    with driver(cluster, *words) as client:
        client.hear("toy-study 1/3")
        client.process.send_signal(signal.SIGINT)
        assert client.finish() == 130, client.said()
        assert "trials save their state" in client.said()
        assert "all trials are saved. Resume with:" in client.said()
    cluster.idle()
    counts = open_study(STUDY).counts
    assert counts["waiting"]
    assert f"{counts['waiting']} resume from checkpoints" in finished(driver(cluster, *words))
    check_epochs(3, 8)


@asked_for
@pytest.mark.slow
def test_a_cluster_that_goes_away_is_one_line(cluster: Cluster) -> None:
    with driver(cluster, "--trials=3", "train.epochs=8") as client:
        client.hear("toy-study 1/3")
        cluster.kill()
        assert client.finish() == 7, client.said()
        assert "error: the connection to the cluster was lost: " in client.said()
        assert "Traceback" not in client.said()
    counts = open_study(STUDY).counts
    assert (counts["done"], counts["done"] + counts["waiting"]) == (1, len(open_study(STUDY).trials))


def test_without_ray_client_the_extra_is_named(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.tuning.ray_client.find_spec", lambda name: None)
    assert main(["tune", "cnn", "--address=ray://nowhere:1"]) == 4
    assert 'pip install "ray[client]"' in capsys.readouterr().err
    assert not Path("runs").exists() or not any(Path("runs").iterdir())
