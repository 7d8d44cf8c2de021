"""`zoo push` and `zoo pull`, as folders and .zip files: the same run comes back, and nothing else is touched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from runfolders import copy_run

import zoo
from zoo.cli import main
from zoo.core.errors import MissingError, RunError, ZooError
from zoo.core.files import digest, write_json, write_text
from zoo.core.temporary import host
from zoo.runs import pull
from zoo.runs.bundle import write_manifest
from zoo.runs.run import Run

Capture = pytest.CaptureFixture[str]


def zoo_json(capsys: Capture, *words: str) -> Any:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refusal(capsys: Capture, code: int, *words: str) -> str:
    """The one line of an error."""
    capsys.readouterr()
    assert main([*words]) == code
    captured = capsys.readouterr()
    (line,) = [line for line in captured.err.splitlines() if not line.startswith("note: ")]
    return line


@pytest.mark.parametrize("name", ["digits", "digits.zip", "digits.ZIP"])
def test_a_run_that_was_pushed_and_pulled_predicts_the_same(run: Path, capsys: Capture, name: str) -> None:
    assert main(["evaluate", "tiny-1"]) == 0
    pushed = zoo_json(capsys, "push", "tiny-1", name)
    assert pushed["address"] == name
    pulled = zoo_json(capsys, "pull", name)
    assert pulled["run"] == str(Path("runs/digits"))
    assert pulled["origin"] == name
    assert pulled["weights_sha256"] == pushed["weights_sha256"] == zoo.load("tiny-1").record["weights_sha256"]
    words = ("--data", "digits", "--all")
    first, again = (zoo_json(capsys, "predict", each, *words)["predictions"] for each in ("tiny-1", "digits"))
    assert first == again
    assert len(first) == 359
    figures = [json.loads(Path(each, "evaluation/test.json").read_text()) for each in ("runs/tiny-1", "runs/digits")]
    assert figures[0]["metrics"] == figures[1]["metrics"]
    assert Path("runs/digits/evaluation/test-confusion.png").is_file()
    assert not list(Path().rglob(".*.tmp"))


def test_python_pushes_and_pulls(run: Path) -> None:
    pushed = zoo.push("runs/tiny-1", "b.zip", license="cc-by-4.0")
    pulled = zoo.pull("b.zip", out="elsewhere")
    assert pulled.record["license"] == "cc-by-4.0"
    assert pulled.path == Path("elsewhere")
    assert pushed.bytes == Path("b.zip").stat().st_size
    x = torch.rand(2, *pulled.info.shape)
    assert torch.equal(pulled.model()(x), zoo.load(run).model()(x))


def test_an_entry_stands_for_its_newest_finished_run(run: Path, capsys: Capture) -> None:
    copy_run(run, "cnn-3")
    copy_run(run, "cnn-4", state="interrupted")
    assert zoo_json(capsys, "push", "cnn", "b")["run"] == str(Path("runs/cnn-3"))


def test_a_study_stands_for_its_best_run_and_commands_say_where_a_run_came_from(run: Path, capsys: Capture) -> None:
    Path("runs/cnn-study/trials").mkdir(parents=True)
    shutil.copytree(run, "runs/cnn-study/trials/t00001")
    write_json(Path("runs/cnn-study/best.json"), {"run": "trials/t00001"})
    assert zoo_json(capsys, "push", "cnn-study", "best.zip")["run"] == str(Path("runs/cnn-study/trials/t00001"))
    assert main(["pull", "best.zip"]) == 0
    assert main(["predict", "best", "--data", "digits"]) == 0
    assert f"{Path('runs/best')}, trained on digits, fetched from best.zip" in capsys.readouterr().err


def test_folders_of_processes_that_were_killed_are_swept(run: Path) -> None:
    zoo.push(run, "b")
    left = Path(f"runs/.b.{host()}-999999999-0123456789abcdef.tmp")
    left.mkdir()
    (left / "weights.safetensors").write_bytes(b"half")
    zoo.pull("b")
    assert not left.exists()


def test_json_that_the_zoo_never_writes_is_damage(run: Path, capsys: Capture) -> None:
    for key, value in (("seconds", float("nan")), ("notes", 7), ("parameters", 10**400), ("data", {"shape": [1]})):
        shutil.rmtree("b", ignore_errors=True)
        zoo.push(run, "b")
        record = json.loads(Path("b/run.json").read_text()) | {key: value}
        record.pop("seal")
        Path("b/run.json").write_text(json.dumps(record | {"seal": digest(record)}))
        Path("b/manifest.json").unlink()
        write_manifest(Path("b"))
        assert refusal(capsys, 5, "pull", "b").startswith("error: b")
        assert not Path("runs/b").exists()


def test_what_cannot_be_pushed_is_refused_in_one_line(run: Path, capsys: Capture) -> None:
    copy_run(run, "stopped-1", state="interrupted")
    assert "has not finished" in refusal(capsys, 2, "push", "stopped-1", "b")
    assert "no run 'nothing'" in refusal(capsys, 2, "push", "nothing", "b")
    assert "is no license" in refusal(capsys, 2, "push", "tiny-1", "b", "--license", "Do as you like!")
    assert "only a model on the hub" in refusal(capsys, 2, "push", "tiny-1", "b", "--private")
    (run / "weights.safetensors").write_bytes(b"damaged")
    assert "damaged or was replaced" in refusal(capsys, 5, "push", "tiny-1", "b")
    assert [path.name for path in Path().iterdir()] == ["runs"]


def test_a_bundle_of_another_entry_is_replaced_only_by_force(run: Path, capsys: Capture) -> None:
    other = copy_run(run, "other-1")
    entry = json.loads((other / "entry.json").read_text()) | {"name": "other"}
    write_json(other / "entry.json", entry)
    opened = zoo.load(run)
    Run(other, opened.entry, opened.record | {"entry_sha256": digest(entry)}).update()
    for target in ("b", "b.zip"):
        assert main(["push", "other-1", target]) == 0
        assert main(["push", "other-1", target]) == 0
        assert f"{target} has the entry 'other', not 'cnn'; replace" in refusal(capsys, 2, "push", "tiny-1", target)
        assert main(["push", "tiny-1", target, "--force"]) == 0
        assert zoo.pull(target, out=f"{target}-run").entry.name == "cnn"
    Path("thesis").mkdir()
    Path("thesis/chapter.txt").write_text("words")
    assert "not a bundle" in refusal(capsys, 2, "push", "tiny-1", "thesis", "--force")
    assert Path("thesis/chapter.txt").read_text() == "words"


def test_a_source_with_the_name_of_an_entry_does_not_hide_its_runs(run: Path, capsys: Capture) -> None:
    copy_run(run, "cnn-1")
    for source, folder in (("cnn.zip", "cnn-pulled"), ("my-cnn", "my-cnn")):
        assert main(["push", "cnn", source]) == 0
        assert zoo_json(capsys, "pull", source)["run"] == str(Path("runs", folder))
    assert f"zoo predict {folder} " in Path("my-cnn/README.md").read_text()
    assert "zoo predict cnn-pulled " in Path("runs/cnn-pulled/README.md").read_text()
    assert zoo.load("cnn").path == Path("runs/cnn-1")


def test_pull_overwrites_nothing(run: Path, capsys: Capture) -> None:
    assert main(["push", "tiny-1", "b"]) == 0
    assert "runs/tiny-1 already exists" in refusal(capsys, 2, "pull", "b", "--out", "runs/tiny-1").replace("\\", "/")
    assert "there is no nowhere.zip" in refusal(capsys, 2, "pull", "nowhere.zip")
    assert "it has" in refusal(capsys, 5, "pull", "runs/tiny-1", "--out", "x")
    assert "gives no name" in refusal(capsys, 2, "pull", "a folder with spaces")
    assert not Path("x").exists()


def test_pull_leaves_a_run_that_appears_while_it_checks(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zoo.push("tiny-1", "b")
    out = Path("runs/late")
    monkeypatch.setattr(pull, "check_model", lambda folder: write_text(out / "run.json", "mine"))
    with pytest.raises(ZooError, match="late already exists; choose another folder with --out"):
        zoo.pull("b", out=out)
    assert [(file.name, file.read_text()) for file in out.iterdir()] == [("run.json", "mine")]
    assert not list(Path("runs").glob(".*"))


def test_pull_fills_an_empty_folder(run: Path) -> None:
    zoo.push("tiny-1", "b")
    Path("empty").mkdir()
    assert zoo.pull("b", out="empty").model()


@pytest.mark.parametrize("folder", [".", ".."])
def test_a_folder_without_a_name_is_one_line(
    run: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    zoo.push(run, "b.zip")
    run, bundle = run.absolute(), Path("b.zip").absolute()
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    says = f"error: {folder} cannot be written as a whole; name a folder, not the current one"
    assert refusal(capsys, 2, "pull", str(bundle), "--out", folder) == says
    assert refusal(capsys, 2, "push", str(run), folder).startswith(says if folder == "." else "error: .. exists")
    assert not list(Path().iterdir())


def test_weights_of_another_entry_are_refused_even_if_all_checksums_are_right(run: Path, capsys: Capture) -> None:
    assert main(["push", "tiny-1", "b"]) == 0
    wide = zoo.load(run).with_overrides(["model.last=9"])
    about = {key: value for key, value in zoo.load(run).record.items() if key != "entry_sha256"}
    Run.create(Path("wide"), wide, about)
    for name in ("entry.json", "run.json"):
        shutil.copy(Path("wide", name), Path("b", name))
    Path("b/manifest.json").unlink()
    write_manifest(Path("b"))
    with pytest.raises(RunError, match="weights of another model"):
        zoo.pull("b")
    assert not Path("runs/b").exists()
    assert not list(Path("runs").glob(".*"))


def test_a_plugin_that_is_not_installed_is_named(run: Path, capsys: Capture) -> None:
    assert main(["push", "tiny-1", "b"]) == 0
    entry = json.loads(Path("b/entry.json").read_text())
    entry["model"] = {"kind": "moe"}
    write_json(Path("b/entry.json"), entry)
    record = zoo.load(run).record
    record |= {"entry_sha256": digest(entry), "versions": record["versions"] | {"zoo-acme": "1.2"}}
    write_json(Path("b/run.json"), record | {"seal": digest(record)})
    Path("b/manifest.json").unlink()
    write_manifest(Path("b"))
    with pytest.raises(MissingError, match=r"^b: .*zoo-acme==1.2.*pip install zoo-acme==1.2$"):
        zoo.pull("b")
    assert main(["pull", "b"]) == MissingError.code
    assert not Path("runs/b").exists()


def test_the_manifest_does_not_bind_the_card_which_may_be_edited(run: Path) -> None:
    zoo.push(run, "b")
    Path("b/README.md").write_text("# My own words\n")
    assert zoo.pull("b").path.joinpath("README.md").read_text() == "# My own words\n"
    with pytest.raises(ZooError, match="already exists"):
        zoo.pull("b")
