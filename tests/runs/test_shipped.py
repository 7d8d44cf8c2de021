"""Weights that packages ship stand for runs: found, chosen, verified and used, and nothing is written beside them."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from shipping import DIGITS, PETS, PLUGIN, REGISTRY, change_index, make_run, ship

import zoo
from tests.conftest import Install
from zoo.cli import main
from zoo.core.errors import MissingError, RunError, ZooError
from zoo.core.files import cache_dir, sha256
from zoo.registry.catalog import catalog
from zoo.runs import shipped
from zoo.runs.weights_index import add_to_index

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def index(install: Install, home: Path) -> Path:
    """The index of a package that ships two weights of `tiny`: on grey digits, and on coloured pets."""
    (home / "registry.yaml").write_text(REGISTRY, encoding="utf-8")
    grey, coloured = make_run(Path("made/grey")), make_run(Path("made/coloured"), PETS)
    return ship(install, (grey, "digits"), (coloured, "pets"))


def picture(name: str, *, coloured: bool, mode: str = "RGB") -> str:
    """The path of a small picture, red or grey."""
    Image.new("RGB", (8, 8), (200, 20, 20) if coloured else (90, 90, 90)).convert(mode).save(name)
    return name


def first_line(capsys: Capture, *words: str, code: int = 0) -> str:
    """The first line that a command writes to stderr."""
    capsys.readouterr()
    assert main([*words, "--device", "cpu"]) == code
    return capsys.readouterr().err.splitlines()[0]


def refused(capsys: Capture, *words: str, code: int) -> str:
    """The last line of a command that fails; no other line is an error."""
    capsys.readouterr()
    assert main(list(words)) == code
    *before, last = capsys.readouterr().err.splitlines()
    assert last.startswith("error: ")
    assert not [line for line in before if line.startswith(("error", "Traceback"))]
    return last


@pytest.mark.usefixtures("index")
def test_an_entry_without_a_run_means_the_weights_of_its_own_data(capsys: Capture) -> None:
    seven = picture("seven.png", coloured=False, mode="L")
    line = first_line(capsys, "predict", "tiny", seven)
    assert line == "tiny@digits, weights shipped with zoo-acme, trained on digits; others: tiny@pets"
    run = zoo.load("tiny")
    assert run.label == "tiny@digits"
    assert run.info == DIGITS
    assert zoo.load("tiny@pets").info == PETS


@pytest.mark.usefixtures("index")
def test_an_own_finished_run_comes_first_and_an_unfinished_one_last(capsys: Capture) -> None:
    seven = picture("seven.png", coloured=False)
    mine = make_run(Path("runs/tiny-1"))
    assert first_line(capsys, "predict", "tiny", seven) == f"{mine.path}, trained on digits"
    assert zoo.load("tiny@digits").label == "tiny@digits"
    mine.update(state="interrupted")
    assert first_line(capsys, "predict", "tiny", seven).startswith("tiny@digits, weights shipped")
    catalog().plugins.clear()
    assert zoo.load("tiny").path == mine.path


@pytest.mark.parametrize(
    ("coloured", "mode", "expected"),
    [(True, "RGB", "pets"), (False, "RGB", "digits"), (False, "L", "digits"), (True, "P", "pets")],
)
@pytest.mark.usefixtures("index")
def test_pictures_choose_by_their_colours(coloured: bool, mode: str, expected: str) -> None:
    name = picture("one.png", coloured=coloured, mode=mode)
    assert zoo.load("tiny", pictures=[name]).label == f"tiny@{expected}"
    Path("several").mkdir()
    shutil.copy(name, "several/a.png")
    assert zoo.load("tiny", data="several").label == f"tiny@{expected}"
    assert zoo.predict("tiny", [name]).predictions[0].label in (PETS if expected == "pets" else DIGITS).classes


def make_photos() -> None:
    """A folder of grey pictures of cats and dogs."""
    for name in PETS.classes:
        Path("photos", name).mkdir(parents=True)
        for number in range(6):
            picture(f"photos/{name}/{number}.png", coloured=False)


@pytest.mark.usefixtures("index")
def test_data_choose_by_name_or_classes() -> None:
    make_photos()
    assert zoo.load("tiny", data="photos").label == "tiny@pets"
    assert zoo.load("tiny", data="digits").label == "tiny@digits"
    assert zoo.load("tiny", data="fashion-mnist").label == "tiny@digits"
    assert zoo.load("tiny", data="nowhere", pictures=["none.png"]).label == "tiny@digits"


def test_what_is_made_of_them_lies_below_runs_and_the_package_stays_as_it_is(index: Path, capsys: Capture) -> None:
    make_photos()
    before = {path: path.stat().st_mtime_ns for path in index.parent.rglob("*")}
    assert main(["evaluate", "tiny", "--data", "photos", "--device", "cpu", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["run"] == "tiny@pets"
    assert found["files"][0] == str(Path("runs/tiny@pets/evaluation/test.json"))
    assert all(Path(file).is_file() for file in found["files"])
    assert {path: path.stat().st_mtime_ns for path in index.parent.rglob("*")} == before
    (folder,) = (cache_dir() / "weights").glob("*/tiny@pets")
    assert not (folder / "evaluation" / "test.json").exists()
    assert zoo.load("tiny").label == "tiny@digits"


def test_weights_of_an_entry_that_changed_since_are_stale(index: Path, home: Path, capsys: Capture) -> None:
    (home / "registry.yaml").write_text(REGISTRY.replace("epochs: 1", "epochs: 2"), encoding="utf-8")
    assert main(["predict", "tiny", picture("a.png", coloured=False)]) == 0
    notes = capsys.readouterr().err.splitlines()
    assert notes[1] == (
        "tiny@digits is stale: the entry tiny has changed since it was trained; to train the new one: zoo train tiny"
    )
    assert [each["stale"] for each in zoo.show("tiny", measure=False).weights] == [True, True]


@pytest.mark.usefixtures("index")
def test_list_and_show_name_them(capsys: Capture) -> None:
    assert main(["list", "--json"]) == 0
    listed = {entry["name"]: entry["weights"] for entry in json.loads(capsys.readouterr().out)["entries"]}
    assert listed["tiny"] == ["tiny@digits", "tiny@pets"]
    assert listed["vq-vae"] == []
    assert main(["list"]) == 0
    assert "digits, pets" in next(line for line in capsys.readouterr().out.splitlines() if line.startswith("tiny"))
    assert main(["show", "tiny", "--json"]) == 0
    grey, coloured = json.loads(capsys.readouterr().out)["weights"]
    assert (grey["name"], grey["license"], grey["stale"]) == ("tiny@digits", "MIT", False)
    assert (coloured["classes"], coloured["shape"]) == (["cat", "dog"], [3, 8, 8])
    assert main(["show", "tiny"]) == 0
    assert "tiny@pets" in capsys.readouterr().out


@pytest.mark.usefixtures("index")
def test_names_that_are_not_shipped_are_one_line(capsys: Capture) -> None:
    one = picture("a.png", coloured=True)
    assert refused(capsys, "predict", "tiny@pet", one, code=2) == (
        "error: no weights 'tiny@pet'; did you mean 'tiny@pets'?"
    )
    line = refused(capsys, "predict", "vae@digits", one, code=2)
    assert line.startswith("error: no weights 'vae@digits' are shipped")
    assert line.endswith("train one with: zoo train vae")
    assert refused(capsys, "predict", "tinny", one, code=2) == "error: no run 'tinny'; did you mean 'tiny'?"


def damage(index: Path, how: str) -> None:
    """Make the first weights of a package wrong in some way."""
    file = index.parent / "files" / "tiny-digits.zip"
    other = index.parent / "files" / "tiny-pets.zip"
    if how == "missing":
        file.unlink()
    elif how == "replaced":
        shutil.copy(other, file)
    elif how == "foreign":
        shutil.copy(other, file)
        change_index(index, sha256=sha256(file), size=file.stat().st_size)
    elif how == "another entry":
        change_index(index, entry="vq-vae", of="12345678")
    elif how == "no bundle":
        file.write_bytes(b"PK" + bytes(100))
        change_index(index, sha256=sha256(file), size=file.stat().st_size)
    elif how == "unreachable":
        change_index(index, file="https://localhost:1/tiny.zip")


@pytest.mark.parametrize(
    ("how", "error", "expected"),
    [
        ("missing", MissingError, "lacks the file of the weights tiny@digits"),
        ("replaced", MissingError, "its sha256 differs; reinstall it: pip install --force-reinstall zoo-acme"),
        ("foreign", RunError, "for pictures of shape (1, 8, 8), but they are for pictures of shape (3, 8, 8)"),
        ("another entry", RunError, "are weights of vq-vae, but they are weights of tiny"),
        ("no bundle", RunError, ""),
        ("unreachable", MissingError, "cannot download the weights tiny@digits from https://localhost:1/tiny.zip"),
    ],
)
def test_hostile_weights_are_one_line_and_leave_nothing(
    index: Path, capsys: Capture, how: str, error: type[ZooError], expected: str
) -> None:
    damage(index, how)
    name = "vq-vae@digits" if how == "another entry" else "tiny@digits"
    line = refused(capsys, "predict", name, picture("a.png", coloured=False), code=error.code)
    assert expected in line
    assert not [path for path in (cache_dir() / "weights").rglob("*") if path.is_file()]
    assert zoo.load("tiny@pets").info == PETS


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"file": "../../secret.zip"}, "which is not in its folder"),
        ({"file": "/etc/passwd"}, "which is not in its folder"),
        ({"sha256": "xyz"}, "sha256 of weights 'tiny' cannot be 'xyz'"),
        ({"entry": "../up"}, "entry of weights '../up' cannot be '../up'"),
        ({"data": "a/b"}, "data of weights 'tiny' cannot be 'a/b'"),
        ({"size": -1}, "size of weights 'tiny' cannot be -1"),
        ({"file": "http://example.org/a.zip"}, "which is not in its folder"),
    ],
)
def test_an_index_that_cannot_be_right_breaks_its_plugin_alone(
    index: Path, values: dict[str, Any], expected: str, capsys: Capture
) -> None:
    change_index(index, **values)
    assert main(["plugins", "--json"]) == 0
    (acme,) = [each for each in json.loads(capsys.readouterr().out)["plugins"] if each["name"] == "acme"]
    catalog().weights()
    (plugin,) = [each for each in catalog().plugins if each.name == "acme"]
    assert expected in acme["error"] + plugin.error
    assert main(["list"]) == 0


@contextmanager
def served(folder: Path, cut: int | None = None) -> Iterator[str]:
    """The address of a folder on a server of this machine that may break off."""

    class Handler(SimpleHTTPRequestHandler):
        def copyfile(self, source: Any, outputfile: Any) -> None:
            outputfile.write(source.read(cut))

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_weights_at_an_address_are_downloaded_once(index: Path) -> None:
    file = index.parent / "files" / "tiny-digits.zip"
    with served(file.parent) as address:
        change_index(index, file=f"{address}/{file.name}")
        assert zoo.load("tiny").info == DIGITS
    assert zoo.load("tiny").info == DIGITS


@pytest.mark.parametrize(
    ("cut", "name", "values", "expected"),
    [
        (300, "tiny-digits.zip", {}, "the download of the weights tiny@digits broke off after 300 of "),
        (None, "tiny-digits.zip", {"sha256": "0" * 64}, "the download of the weights tiny@digits is another file"),
        (None, "tiny-digits.zip", {"size": 300}, "the download of the weights tiny@digits is another file"),
        (None, "nothing.zip", {}, "HTTPError: HTTP Error 404"),
    ],
)
def test_a_download_that_fails_is_one_line(
    index: Path, cut: int | None, name: str, values: dict[str, Any], expected: str
) -> None:
    with served(index.parent / "files", cut) as address:
        change_index(index, file=f"{address}/{name}", **values)
        with pytest.raises(MissingError, match=expected) as caught:
            zoo.load("tiny")
    assert str(caught.value).isprintable()
    assert not [path for path in (cache_dir() / "weights").rglob("*") if path.is_file()]


def test_a_damaged_copy_in_the_cache_is_unpacked_again(index: Path) -> None:
    path = zoo.load("tiny").path
    (path / "entry.json").write_text("{}", encoding="utf-8")
    assert zoo.load("tiny").info == DIGITS
    assert main(["cache", "clean", "weights"]) == 0
    assert not path.exists()


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("name", ["weights.safetensors", "manifest.json", "run.json"])
def test_what_vanished_from_the_cache_or_was_cut_is_unpacked_again(name: str) -> None:
    path = zoo.load("tiny").path
    (path / name).unlink()
    assert zoo.load("tiny").model()
    (path / name).write_bytes(b"cut")
    assert zoo.load("tiny").model()
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.usefixtures("index")
def test_what_another_process_unpacked_meanwhile_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    path = zoo.load("tiny").path
    before = path.stat().st_ino
    shutil.copytree(path, "whole")
    (path / "weights.safetensors").unlink()
    look = shipped.open_unpacked

    def look_while_another_unpacks(folder: Path) -> Any:
        found = look(folder)
        folder.rename("broken")
        Path("whole").rename(folder)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(shipped, "open_unpacked", look_while_another_unpacks)
        patch.setattr(shipped, "unpack", lambda chosen, folder: look(folder))
        assert zoo.load("tiny").model()
    assert path.stat().st_ino != before


@pytest.mark.skipif(os.name == "nt", reason="modes of files")
def test_a_cache_that_others_can_write_is_not_used(index: Path) -> None:
    path = zoo.load("tiny").path
    path.parent.chmod(0o777)
    assert zoo.load("tiny").path.parent != path.parent


def test_push_adds_to_an_index_or_replaces_what_has_the_same_name(index: Path, capsys: Capture) -> None:
    run = make_run(Path("made/better"), DIGITS, "train.seed=7")
    words = ("push", str(run.path), str(index.parent), "--index", "--license", "mit")
    assert main([*words, "--data-name", "pets", "--half", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["address"] == "tiny@pets"
    assert main([*words, "--data-name", "flowers", "--source", "a garden"]) == 0
    catalog.cache_clear()
    assert [each.weights.name for each in catalog().weights("tiny")] == ["tiny@digits", "tiny@flowers", "tiny@pets"]
    assert zoo.load("tiny@pets").entry.train.seed == 7
    assert catalog().weights("tiny")[1].weights.source == "a garden"
    before = index.read_bytes()
    assert "no Python package" in refused(capsys, "push", str(run.path), "made", "--index", code=2)
    assert "add --index" in refused(capsys, "push", str(run.path), "a.zip", "--data-name", "x", code=2)
    assert "cannot be called 'a/b'" in refused(capsys, *words, "--data-name", "a/b", code=2)
    assert index.read_bytes() == before
    index.write_text("[]", encoding="utf-8")
    assert "is no index of weights" in refused(capsys, *words, code=2)


def test_the_first_weights_of_a_package_are_seen_although_it_was_probed_before(install: Install, home: Path) -> None:
    (home / "registry.yaml").write_text(REGISTRY, encoding="utf-8")
    package = Path(sys.path[0], "acme_package")
    package.mkdir()
    (package / "__init__.py").write_text(PLUGIN.replace('.with_name("acme_weights")', ".parent"), encoding="utf-8")
    install("acme", "", points="[zoo]\nacme = acme_package\n")
    (plugin,) = [each for each in catalog().wait_for_probes().plugins if each.name == "acme"]
    assert (plugin.state, plugin.weights) == ("ok", ())
    add_to_index(make_run(Path("made/grey")), package)
    catalog.cache_clear()
    assert [each.weights.name for each in catalog().wait_for_probes().weights("tiny")] == ["tiny@digits"]


def test_doctor_names_weights_whose_file_is_wrong(index: Path, capsys: Capture) -> None:
    damage(index, "missing")
    main(["doctor", "--json"])
    found = [each for each in json.loads(capsys.readouterr().out)["findings"] if each["area"] == "weights"]
    assert "tiny@pets" in found[0]["usable"]
    assert "tiny@digits" not in found[0]["usable"]
    (line,) = [each for each in found if each.get("weights") == "tiny@digits"]
    assert "lacks the file" in line["text"]
