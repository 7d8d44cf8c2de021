"""`zoo new-plugin`: each package that it writes is installed, listed, checked, trained and sampled as it is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import told
from packages import find_in, pip_install

from tests.conftest import Install
from zoo.cli import main
from zoo.cli.new_plugin import package
from zoo.cli.new_plugin.package import MAX_NAME_LENGTH, PARTS, new_plugin
from zoo.core import files
from zoo.core.errors import ResourceError, ZooError
from zoo.registry.catalog import catalog

ROOT = Path(__file__).resolve().parents[2]
EACH = {"whole": tuple(PARTS), **{f"only-{part}": (part,) for part in PARTS}}
QUICK = ("data.limit=200", "train.epochs=2", "train.batch=50")
KINDS = {
    ("model", "whole-cnn"),
    ("model", "whole-vae"),
    ("prior", "whole-mixture"),
    ("text", "whole-ngrams"),
    ("data", "whole-stripes"),
    ("metric", "whole-margin"),
    ("augment", "whole-scratch"),
}
EDGES = ("a", "x" * MAX_NAME_LENGTH)
"""The shortest name and the longest, for which lines may become too long or imports may be sorted in another way."""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package of each name."""
    root = tmp_path_factory.mktemp("written")
    for name, parts in {**EACH, **dict.fromkeys(EDGES, tuple(PARTS))}.items():
        new_plugin(name, parts, root / f"zoo-{name}")
    return root


@pytest.fixture(scope="module")
def site(written: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip installed those that are tried."""
    target = tmp_path_factory.mktemp("site")
    pip_install(target, [written / f"zoo-{name}" for name in EACH])
    return target


@pytest.fixture
def installed(site: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory; the zoo of this process finds the packages."""
    find_in(site, monkeypatch)
    return home


def made(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """What `zoo new-plugin --json` prints."""
    capsys.readouterr()
    assert main(["new-plugin", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line with which it refuses."""
    capsys.readouterr()
    assert main(["new-plugin", *words]) == 2
    shown = capsys.readouterr()
    assert not shown.out and shown.err.startswith("error: ") and shown.err.count("\n") == 1
    return shown.err


@pytest.mark.usefixtures("installed")
def test_all_are_listed_with_what_they_give() -> None:
    plugins = {plugin.name: plugin for plugin in catalog().plugins}
    assert {plugins[name].error for name in EACH} == {""}
    assert {(kind.family, kind.name) for kind in plugins["whole"].kinds} == KINDS
    assert [len(plugins[f"only-{part}"].kinds) for part in PARTS] == [1] * len(PARTS)


@pytest.mark.usefixtures("installed")
def test_all_entries_resolve(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    entries = {entry["name"]: entry for entry in found["entries"]}
    assert found["problems"] == []
    assert {*EACH, "whole-generator"} <= entries.keys()
    assert all(entries[name]["needs"] == [] for name in (*EACH, "whole-generator"))


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", EACH)
def test_each_keeps_the_rules(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["check", name]) == 0, capfd.readouterr()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["whole", "only-data"])
def test_the_tests_of_a_package_pass(name: str, installed: Path, written: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        command, cwd=written / f"zoo-{name}", capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.usefixtures("installed")
def test_the_classifier_learns_and_its_lead_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    trained = told(capsys, "train", "whole", "data.count=400", "train.epochs=3", "model.width=16")
    found = told(capsys, "evaluate", trained["run"])["metrics"]
    assert found["accuracy"] > 0.9
    assert 0 < found["margin_worst"] < found["margin"]


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", ["only-model", "only-data", "only-metric", "only-augment"])
def test_each_entry_of_a_classifier_trains(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    small = () if name == "only-model" else ("model.blocks=2", "model.first=4", "model.last=8")
    trained = told(capsys, "train", name, *QUICK, *small)
    others = ("--no-plugin", "whole")  # it has a metric of the same name
    found = told(capsys, "evaluate", trained["run"], *others)
    assert found["metrics"].keys() >= {"loss", "accuracy", "margin"}
    assert "problems" not in found


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", ["whole-generator", "only-codec", "only-prior", "only-text"])
def test_each_entry_of_a_generator_trains_and_samples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    prompts = {"whole-generator": ["rising", "Uphills"], "only-codec": []}.get(name, ["three", "FIVE"])
    trained = told(capsys, "train", name, *QUICK, "model.width=8")
    found = told(capsys, "sample", trained["run"], *prompts, "-n", "4")
    assert found["pictures"] == 4 and Path(found["grid"]).is_file()


@pytest.mark.usefixtures("installed")
def test_a_text_that_was_not_learnt_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    run = told(capsys, "train", "only-text", "data.limit=100", "train.epochs=1", "model.width=8")["run"]
    assert main(["sample", run, "quux", "--device", "cpu"]) == 2
    assert "'quux' is not similar to anything learnt; known: 0, 1, 2" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", ["whole", "whole-generator"])
def test_it_is_tuned(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "tune", name, *QUICK, "tune.trials=2")
    assert found["trials"]["completed"] + found["trials"]["pruned"] == 2
    assert Path(found["best"]["run"]).is_dir()


@pytest.mark.parametrize("config", [(), ("--config", str(ROOT / "pyproject.toml"))], ids=["own", "zoo"])
def test_what_is_written_is_clean_by_ruff(config: tuple[str, ...], written: Path) -> None:
    for name in (*EACH, *EDGES):
        for words in (["check"], ["format", "--check"]):
            command = [sys.executable, "-m", "ruff", *words, "--no-cache", *config, "."]
            done = subprocess.run(command, cwd=written / f"zoo-{name}", capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_what_is_written_is_typed(written: Path) -> None:
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(written / "cache"), "."]
    done = subprocess.run(command, cwd=written / "zoo-whole", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_nothing_is_left_of_the_templates(written: Path) -> None:
    for name in EACH:
        for path in (file for file in (written / f"zoo-{name}").rglob("*") if file.is_file()):
            text = path.read_text(encoding="utf-8")
            assert "$" not in text and "#:" not in text and "\n\n\n\n" not in text, path
            assert text.startswith(('"""', "# ")) and text.endswith("\n"), path


@pytest.mark.usefixtures("home")
def test_it_says_what_was_written_and_what_comes_next(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new-plugin", "quartz"]) == 0
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert {Path(line) for line in lines} == {path for path in Path("zoo-quartz").rglob("*") if path.is_file()}
    assert Path("zoo-quartz/src/zoo_quartz/cnn.py").is_file()
    assert shown.err == 'next: pip install -e "zoo-quartz"; zoo check quartz; zoo train quartz\n'


@pytest.mark.usefixtures("home")
def test_json_names_files_kinds_and_entries(capsys: pytest.CaptureFixture[str]) -> None:
    found = made(capsys, "my-own", "--kind", "text", "--kind", "model", "--out", "some/where")
    assert (found["plugin"], found["folder"]) == ("my-own", str(Path("some/where")))
    assert found["kinds"] == [{"family": "model", "name": "my-own-cnn"}, {"family": "text", "name": "my-own-ngrams"}]
    assert found["entries"] == ["my-own", "my-own-generator"]
    assert all(Path(path).is_file() for path in found["files"])


def test_a_folder_that_holds_something_is_left_alone(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "zoo-quartz").mkdir()
    (home / "zoo-quartz/mine.txt").write_text("mine", encoding="utf-8")
    assert "zoo-quartz already exists and is not empty; choose another folder with --out" in refused(capsys, "quartz")
    assert [path.name for path in (home / "zoo-quartz").iterdir()] == ["mine.txt"]
    assert "already exists" in refused(capsys, "quartz", "--out", "zoo-quartz/mine.txt")
    assert (home / "zoo-quartz/mine.txt").read_text(encoding="utf-8") == "mine"
    (home / "empty").mkdir()
    assert made(capsys, "quartz", "--out", "empty")["folder"] == "empty"


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Acme", "lower-case words joined by '-'"),
        ("a_b", "lower-case words"),
        ("a--b", "lower-case words"),
        ("3d", "starting with a letter"),
        ("null", "lower-case words"),
        ("x" * (MAX_NAME_LENGTH + 1), "at most 30 characters"),
        ("caf\u00e9", "cannot be a folder name"),
        ("../quartz", "cannot be a folder name"),
        ("con", "cannot be a folder name"),
        ("", "cannot be a folder name"),
        ("zoo-quartz", "use just 'quartz'"),
        ("data", "there is already a plugin data (pixel-zoo"),
        ("vae", "there is already an entry 'vae'"),
    ],
)
def test_names_are_checked(name: str, why: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert why in refused(capsys, name)
    assert list(home.iterdir()) == []


def test_what_is_installed_or_in_the_registry_is_not_hidden(
    install: Install, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = "import zoo\nclass S(zoo.Spec): pass\n@zoo.hookimpl\ndef zoo_models():\n"
    install("other", kind + "    yield zoo.ModelKind('quartz-cnn', S, lambda spec, info: None)\n")
    assert "already provides the model kind 'quartz-cnn'" in refused(capsys, "quartz")
    assert "there is already a plugin other (zoo-other 1.0)" in refused(capsys, "other", "--kind", "text")
    (home / "registry.yaml").write_text("version: 1\nentries: {mine: {model: {kind: cnn}}}\n", encoding="utf-8")
    assert "there is already an entry 'mine'" in refused(capsys, "mine")
    (home.parent / "site" / "zoo_stray.py").write_text("", encoding="utf-8")
    assert "there is already a module zoo_stray" in refused(capsys, "stray")


@pytest.mark.usefixtures("home")
def test_a_full_disk_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str) -> None:
        if path.name == "spec.py":
            raise ResourceError("no space")
        files.write_text(path, text)

    monkeypatch.setattr(package, "write_text", full)
    with pytest.raises(ResourceError):
        new_plugin("quartz")
    assert not Path("zoo-quartz").exists()


def test_a_folder_that_appears_meanwhile_is_left_alone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_beside_another(path: Path, text: str) -> None:
        files.write_text(path, text)
        files.write_text(home / "zoo-mine" / "thesis.txt", "years of work")

    monkeypatch.setattr(package, "write_text", write_beside_another)
    with pytest.raises(ZooError, match="zoo-mine already exists; choose another folder with --out"):
        new_plugin("mine")
    assert [path.name for path in home.rglob("*")] == ["zoo-mine", "thesis.txt"]


@pytest.mark.usefixtures("home")
def test_what_a_killed_process_left_is_no_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    def die(path: Path, text: str) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(package, "write_text", die)
        patch.setattr("zoo.core.temporary_folder.shutil.rmtree", lambda *about, **options: None)
        patch.setattr("zoo.core.temporary_folder.os.getpid", lambda: 999_999_999)
        with pytest.raises(SystemExit):
            new_plugin("quartz")
        (left,) = Path().iterdir()
    assert not Path("zoo-quartz").exists()
    assert new_plugin("quartz").folder == Path("zoo-quartz")
    assert not left.exists() or sys.platform == "win32"
