"""torch.compile where it breaks in the middle of a training, and in workers that run one trial after another."""

from __future__ import annotations

import copy
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zoo.core.errors import OutOfMemoryError
from zoo.core.sections import TrainSpec
from zoo.core.types import Batch, DataInfo, Losses
from zoo.data.dataset import Pictures, Splits
from zoo.models.base import Classifier, why_not_compiled
from zoo.training.callbacks import Callback
from zoo.training.loop import TrainingJob, fit

POINTS = ("forward", "backward", "validation")
CACHE = "TORCHINDUCTOR_CACHE_DIR"
HEADERS = "TORCHINDUCTOR_CPP_CACHE_PRECOMPILE_HEADERS"
INFO = DataInfo.of((1, 2, 2), ("a", "b"))
Hook = Callable[[str], None]


def nothing(point: str) -> None:
    """No hook."""


class Tiny(Classifier):
    """Two linear layers; the hook is told before each pass in which something may be compiled."""

    def __init__(self, width: int, hook: Hook = nothing) -> None:
        super().__init__(INFO)
        self.one, self.two, self.hook = nn.Linear(4, width), nn.Linear(width, 2), hook

    def logits(self, x: Tensor) -> Tensor:
        scores: Tensor = self.two(self.one(x.flatten(1)).tanh())
        return scores

    def losses(self, batch: Batch) -> Losses:
        self.hook("forward")
        found = super().losses(batch)
        self.hook("backward")
        return found

    def metrics(self, batch: Batch) -> Losses:
        self.hook("validation")
        return super().metrics(batch)


class Notes(Callback):
    """Keeps what a training has to say."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def failures(self) -> list[str]:
        return [note for note in self.notes if note.startswith("torch.compile failed")]


def trained(folder: Path, width: int, compiling: str = "on", hook: Hook = nothing) -> tuple[TrainingJob, Notes]:
    """A training of two epochs."""
    torch.manual_seed(0)
    spec = TrainSpec.model_validate({"epochs": 2, "batch": 16, "compile": compiling, "precision": "float32"})
    pictures = Pictures(torch.randint(0, 255, (64, 1, 2, 2), dtype=torch.uint8), torch.arange(64) % 2)
    splits, notes = Splits(pictures, pictures, pictures, INFO), Notes()
    job = TrainingJob(Tiny(width, hook), splits, spec, folder, torch.device("cpu"), None, notes)
    folder.mkdir(parents=True)
    fit(job)
    return job, notes


def differences(one: TrainingJob, other: TrainingJob) -> dict[str, float]:
    return {name: (value - other.kept[name]).abs().max().item() for name, value in one.kept.items()}


@pytest.fixture
def cold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that holds nothing, for a compiler that works."""
    if reason := why_not_compiled("cpu"):
        pytest.skip(f"torch.compile does not work here: {reason}")
    monkeypatch.setenv(CACHE, str(tmp_path / "compiled"))
    torch._dynamo.reset()
    return tmp_path / "compiled"


@pytest.mark.parametrize(("width", "point"), list(enumerate(POINTS, 5)))
def test_a_training_outlives_its_compiler(width: int, point: str, cold: Path, tmp_path: Path) -> None:
    from torch._inductor import config

    with ExitStack() as stack:

        def vanish(now: str) -> None:
            if now == point:
                stack.enter_context(config.patch({"cpp.cxx": (str(tmp_path / "no-compiler"),)}))

        job, callback = trained(tmp_path / "run", width, hook=vanish)
    assert "torch.compile" in callback.notes[0]
    (note,) = callback.failures()
    assert note.endswith("); continuing without it")
    assert len(note) < 250
    eager, _ = trained(tmp_path / "eager", width, "off")
    assert max(differences(job, eager).values()) <= (1e-5 if point == "validation" else 0)
    graphs: list[Any] = []

    def backend(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        return graph

    torch.compile(lambda x: x + width, backend=backend)(torch.ones(2))
    assert graphs, "what comes after this training is compiled again"


@pytest.mark.parametrize("point", ["forward", "backward"])
def test_other_errors_are_not_the_compilers(point: str, cold: Path, tmp_path: Path) -> None:
    error = RuntimeError("its own fault")

    def fail(now: str) -> None:
        if now == point:
            raise error

    watched: list[str] = []
    with pytest.raises(RuntimeError) as found, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Notes, "note", lambda self, text: watched.append(text))
        trained(tmp_path / "run", 8, hook=fail)
    assert found.value is error
    assert "torch.compile" in watched[0]
    assert len(watched) == 1


def test_a_lack_of_memory_is_not_the_compilers_fault(
    cold: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch._inductor import config

    def full(_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    watched: list[str] = []
    monkeypatch.setattr(Notes, "note", lambda self, text: watched.append(text))
    with pytest.raises(OutOfMemoryError), config.patch({"post_grad_custom_pre_pass": full}):
        trained(tmp_path / "run", 9)
    assert len(watched) == 1


def test_a_compiled_model_is_named_copied_and_pickled_as_a_plain_one(cold: Path) -> None:
    model, plain = Tiny(10), Tiny(10)
    assert model.accelerate(None) == "torch.compile"
    batch = Batch(torch.rand(6, 1, 2, 2), torch.arange(6) % 2)
    model(batch.x)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > 0
    assert list(model.state_dict()) == list(plain.state_dict())
    assert [name for name, _ in model.named_modules()] == [name for name, _ in plain.named_modules()]
    plain.load_state_dict(model.state_dict())
    for each in (plain, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        torch.testing.assert_close(each(batch.x), model(batch.x))


def python(code: str, *arguments: object, **environment: str) -> Any:
    """What a process of its own prints, as JSON."""
    return json.loads(launch(code, *arguments, **environment).communicate()[0].splitlines()[-1])


def launch(code: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TORCHINDUCTOR", "TRITON"))}
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=inherited | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"} | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


TRAIN = """
import json, sys
from pathlib import Path
from test_compile_cache import trained, why_not_compiled

cache, run = map(Path, sys.argv[1:])
seen = {}
def libraries():
    return {str(file.relative_to(cache)) for file in cache.rglob("*.main.so")}
why_not_compiled("cpu")
job, callback = trained(run, 11, hook=lambda point: seen.setdefault(point, libraries()))
steps = [seen["forward"], seen["backward"], seen["validation"], libraries()]
made = [sorted(after - before) for before, after in zip(steps, steps[1:])]
print(json.dumps({"failures": callback.failures(), "made": made, "finite": all(
    bool(value.isfinite().all()) for value in job.kept.values())}))
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[str]]]:
    """A cache of a training, and what was compiled for each part of it."""
    if reason := why_not_compiled("cpu"):
        pytest.skip(f"torch.compile does not work here: {reason}")
    folder = tmp_path_factory.mktemp("compiled")
    found = python(TRAIN, folder / "cache", folder / "run", **{CACHE: str(folder / "cache"), HEADERS: "0"})
    assert found["failures"] == []
    return folder / "cache", dict(zip(POINTS, found["made"], strict=True))


@pytest.mark.skipif(sys.platform == "win32", reason="libraries have other names there")
@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_a_damaged_cache_costs_no_training(
    point: str, compiled: tuple[Path, dict[str, list[str]]], tmp_path: Path
) -> None:
    cache, libraries = tmp_path / "cache", compiled[1][point]
    shutil.copytree(compiled[0], cache)
    assert libraries
    for name in libraries:
        os.truncate(cache / name, 0)
    found = python(TRAIN, cache, tmp_path / "run", **{CACHE: str(cache), HEADERS: "0"})
    assert found["finite"]
    (note,) = found["failures"]
    assert "ImportError" in note


ARCHITECTURES = """
import json, os
from zoo.tuning.compile_cache import private_cache

graphs = []
for width in range(10):
    with private_cache():
        import torch
        from zoo.models import why_not_compiled
        assert why_not_compiled("cpu") == ""
        hits = torch._dynamo.utils.counters["inductor"]["fxgraph_cache_hit"]
        model = torch.nn.Linear(3 + width, 2)
        model.compile(dynamic=False)
        counters = torch._dynamo.utils.counters["stats"]
        before = counters["unique_graphs"]
        with torch.inference_mode():
            model(torch.rand(2, 3 + width))
        graphs.append(counters["unique_graphs"] - before)
print(json.dumps({"graphs": graphs, "hits": hits, "cache": os.environ["TORCHINDUCTOR_CACHE_DIR"]}))
"""


@pytest.mark.slow
def test_one_process_compiles_many_architectures_into_its_own_cache(
    compiled: tuple[Path, dict[str, list[str]]], tmp_path: Path
) -> None:
    shutil.copytree(compiled[0], tmp_path / "inductor" / "seed")
    (tmp_path / "tmp").mkdir()
    found = python(ARCHITECTURES, ZOO_CACHE=str(tmp_path), TMPDIR=str(tmp_path / "tmp"))
    assert found["graphs"] == [1] * 10
    assert found["hits"], "what the seed holds is not compiled again"
    slot = tmp_path / "inductor" / "slot-1" / "1"
    assert Path(found["cache"]) == slot
    assert len(list(slot.rglob("*.py"))) >= len(list(compiled[0].rglob("*.py"))) + 10
    assert not list((tmp_path / "tmp").glob("torchinductor_*")), "nothing is shared with other processes"


TRIAL = """
import json, os, sys
from pathlib import Path
from zoo.tuning.compile_cache import private_cache

with private_cache():
    cache = Path(os.environ["TORCHINDUCTOR_CACHE_DIR"])
    print(json.dumps([str(cache), sorted(file.name for file in cache.iterdir())]), flush=True)
    (cache / sys.argv[1]).write_text("compiled")
    sys.stdin.readline()
"""


def begin(made: str, cache: Path) -> tuple[subprocess.Popen[str], str, list[str]]:
    """A worker in the middle of a trial: the process, the name of its cache, and what that held before."""
    process = launch(TRIAL, made, ZOO_CACHE=str(cache))
    assert process.stdout
    path, files = json.loads(process.stdout.readline())
    return process, Path(path).relative_to(cache / "inductor").as_posix(), files


def test_each_process_has_a_cache_of_its_own_and_a_killed_ones_is_made_anew(tmp_path: Path) -> None:
    one, first, _ = begin("one", tmp_path)
    two, second, _ = begin("two", tmp_path)
    assert (first, second) == ("slot-1/1", "slot-2/1")
    two.communicate("\n")
    assert two.returncode == 0
    one.kill()
    one.communicate()
    three, third, files = begin("three", tmp_path)
    assert (third, files) == ("slot-1/2", ["two"]), "what the second had compiled is the seed"
    assert not (tmp_path / "inductor" / "slot-1" / "1").exists()
    four, fourth, files = begin("four", tmp_path)
    assert (fourth, files) == ("slot-2/1", ["two"]), "a whole one is kept"
    five, fifth, files = begin("five", tmp_path)
    assert (fifth, files) == ("slot-3/1", ["two"])
    for process in (three, four, five):
        process.communicate("\n")
        assert process.returncode == 0
    assert [file.name for file in (tmp_path / "inductor" / "seed").iterdir()] == ["two"]


ENDS = """
import json, os
from zoo.core.errors import JobError
from zoo.training.compile_fallback import FAILURES
from zoo.tuning.compile_cache import private_cache

caches = []
for error in (None, JobError("diverged"), SystemExit(), RuntimeError("a bug"), "failure", None):
    try:
        with private_cache():
            cache = os.environ["TORCHINDUCTOR_CACHE_DIR"]
            caches.append(os.path.relpath(cache, os.environ["ZOO_CACHE"]).replace(os.sep, "/"))
            open(os.path.join(cache, "made"), "w").write("compiled")
            if error == "failure":
                FAILURES.append("ImportError: file too short")
            elif error:
                raise error
    except BaseException as raised:
        assert raised is error
print(json.dumps(caches))
"""


def test_a_cache_is_left_after_a_bug_or_a_failure_and_kept_otherwise(tmp_path: Path) -> None:
    found = python(ENDS, ZOO_CACHE=str(tmp_path))
    assert found == [f"inductor/slot-1/{number}" for number in (1, 1, 1, 1, 2, 3)]
    assert not (tmp_path / "inductor" / "slot-1" / "dirty").exists()


@pytest.mark.parametrize("name", [CACHE, "TRITON_CACHE_DIR"])
def test_a_folder_that_the_user_chose_is_left_to_him(name: str, tmp_path: Path) -> None:
    code = TRIAL.replace("cache = Path(", "print(json.dumps(dict(os.environ))); sys.exit()\n    cache = Path(")
    found = python(code, ZOO_CACHE=str(tmp_path), **{name: str(tmp_path / "mine")})
    assert found[name] == str(tmp_path / "mine")
    assert (tmp_path / "inductor").exists() == (name != CACHE)
    torchs = Path(tempfile.gettempdir()) / "torchinductor_somebody" / "triton"
    found = python(code, ZOO_CACHE=str(tmp_path), **{name: str(torchs)})
    assert found.get(name) != str(torchs)
    assert found[HEADERS] == "0"


def test_a_cache_folder_that_cannot_be_written_to_costs_no_trial(tmp_path: Path) -> None:
    (tmp_path / "inductor").write_text("in the way")
    code = "from zoo.tuning.compile_cache import private_cache\nwith private_cache():\n    print(1)"
    assert python(code, ZOO_CACHE=str(tmp_path)) == 1
