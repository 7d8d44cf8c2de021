"""Command lines as people type them who are new to the zoo: each error says what was meant, and none misleads."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from zoo.cli import main

Capture = pytest.CaptureFixture[str]
SET = "options of an entry are set with KEY=VALUE: "
LINES: dict[str, str] = {
    "train": "name an entry, e.g. zoo train cnn; zoo list shows them all",
    "train cnm": "did you mean 'cnn'?",
    "train mnist": "no entry 'mnist'; zoo list shows all entries",
    "train digits": "that is a kind of data; name an entry first, e.g. cnn --data digits",
    "train pictures": "to use these pictures name an entry first, e.g. cnn --data pictures",
    "train pictures cnn": "name an entry first, e.g. cnn --data pictures",
    "train train.epochs=3 cnn": "the entry comes before its options",
    "train cnn vae": "vae is an entry too; name one at a time",
    "compare cnn vae": "vae is an entry too; name one at a time",
    "train cnn --lr 0.1": f"no such option '--lr'; {SET}train.lr=0.1",
    "train cnn --lr=0.1": f"{SET}train.lr=0.1",
    "train cnn -lr 0.1": f"no such option '-lr'; {SET}train.lr=0.1",
    "bench cnn --batch-size 64": f"{SET}train.batch=64",
    "tune cnn --learning_rate=1e-3": f"{SET}train.lr=1e-3",
    "compare cnn --train.epochs 5": f"{SET}train.epochs=5",
    "show cnn --image-size 32": f"{SET}data.size=32",
    "train vae --latent 8": f"{SET}model.latent=8",
    "train vae-nf --layers 3": f"{SET}prior.layers=3",
    "train cnn --fp16": f"{SET}train.precision=bfloat16",
    "train cnn -e 5": "options of an entry are set with KEY=VALUE, e.g. train.epochs=10",
    "train cnn --model vae": "the entry is the model: name it first",
    "train cnn --resume": "repeat the command that began the run",
    "train cnn --workers 4": "no workers read them",
    "train cnn --output here": "did you mean --out here?",
    "train cnn --data ~nosuchuser/pictures": "no user has the home folder of '~nosuchuser/pictures'",
    "pull ~nosuchuser/run.zip": "no user has the home folder of '~nosuchuser/run.zip'",
    "train cnn --gpu": "did you mean --device cuda?",
    "train cnn --force": "did you mean --fresh?",
    "train cnn --dataset pictures": "did you mean --data pictures?",
    "train cnn --trials 5": "that is an option of zoo tune",
    "tune cnn --n-trials 5": "did you mean --trials 5?",
    "tune cnn --metric accuracy": "did you mean --objective accuracy?",
    "bench cnn --time 5": "did you mean --seconds 5?",
    "train cnn --list": "did you mean zoo list?",
    "train cnn --seed": "option '--seed' requires an argument; write --seed N",
    "train cnn --seed abc": "'abc' is not a whole number; write --seed N",
    "train cnn --fresh=yes": "does not take a value; write --fresh",
    "train cnn lr=0.1": "did you mean train.lr=0.1?",
    "train cnn learning_rate=0.1": "did you mean train.lr=0.1?",
    "train cnn training.epochs=5": "did you mean train.epochs=5?",
    "train cnn channels=3": "did you mean data.channels=3?",
    "train cnn train.channels=3": "cnn.train.channels is not an option; did you mean data.channels=3?",
    "train cnn model.lr=0.1": "cnn.model.lr is not an option; did you mean train.lr=0.1?",
    "train cnn data.size=32": "the data kind digits has no size; pictures in files do, with --data FOLDER",
    "train cnn data.path=pictures": "the data kind digits has no path; pictures in files do, with --data pictures",
    "train cnn data=pictures": "did you mean --data pictures?",
    "train cnn model=vae": "did you mean model.kind=vae?",
    "train cnn train.lr 0.1": "write train.lr=VALUE, without spaces around =",
    "train cnn train.lr = 0.1": "write train.lr=VALUE, without spaces around =",
    "train cnn train.lr= 0.1": "train.lr has no value; write train.lr=VALUE without spaces",
    "train cnn train.lr:0.1": "write train.lr=0.1",
    "train cnn train.lr=0,001": "write the number with a point: train.lr=0.001",
    "train cnn 'train.lr=0.1 train.epochs=3'": "write each option as a word of its own",
    "train cnn train.epochs=5,train.lr=0.1": "write each option as a word of its own",
    "train cnn train.optimizer=adam": "did you mean 'adamw'?",
    "train cnn model.kernel=[3,5]": "to train with each of them: zoo compare cnn model.kernel=3,5",
    "tune cnn model.first=8..64": "to search it: zoo tune cnn 'tune.space.model.first=8..64'",
    "tune cnn space.model.first=8..64": "did you mean tune.space.model.first=8..64?",
    "train cnn \u2013epochs 5": "it begins with a long dash; write --epochs",
    "train cnn --device gpu": "did you mean 'cuda'?",
    "train cnn --device 0": "did you mean 'cuda:0'?",
    "train cnn --data pictrues": "did you mean 'pictures'?",
    "train cnn --data digit": "did you mean 'digits'?",
    "train cnn ./nowhere": "'./nowhere' is neither a data kind nor a path; there is no ",
    "fit cnn": "did you mean 'train'?",
    "eval cnn": "did you mean 'evaluate'?",
    "generate vae-nf": "did you mean 'sample'?",
    "models": "did you mean 'list'?",
    "help train": "did you mean zoo train --help?",
    "version": "did you mean zoo --version?",
    "-v": "did you mean --version?",
    "--train cnn": "did you mean zoo train?",
    "cnn": "cnn is an entry; did you mean zoo train cnn?",
    "cnn show": "cnn is an entry; did you mean zoo show cnn?",
    "pictures": "to train on these pictures: zoo train cnn --data pictures",
    "list cnn": "did you mean zoo show cnn?",
    "evaluate": "name a run folder, or an entry for its newest run, e.g. zoo evaluate cnn",
    "evaluate cnn --split validation": "did you mean 'valid'?",
    "evaluate pictures": "the run comes first",
    "predict cnn": "name files or folders, as in: zoo predict cnn photo.png",
    "predict photo.png cnn": "the run comes first, e.g. zoo predict RUN photo.png",
    "edit vae-nf photo.png": "missing option '--to'; give --to PROMPT",
    "mix vae-nf 3": "it needs two, e.g. zoo mix vae-nf 3 8",
    "interpolate vae-nf a.png": "e.g. zoo interpolate vae-nf photo.png other.png",
    "sample vae-nf -3": "no such option '-3'; a word that begins with - follows --, e.g. zoo sample RUN -- '-3'",
    "completion bsh": "did you mean 'bash'?",
    "new-plugin": "name the plugin, e.g. zoo new-plugin my-models",
}
"""Each command line with a part of what it is told."""


@pytest.fixture
def pictures(home: Path) -> Path:
    """A folder of pictures and a single one, which need not be read."""
    for name in ("pictures/a/1.png", "pictures/b/1.png", "photo.png"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).touch()
    return home


@pytest.mark.parametrize(("line", "told"), LINES.items())
def test_a_wrong_command_line_says_what_was_meant(pictures: Path, capsys: Capture, line: str, told: str) -> None:
    code = main(shlex.split(line))
    out, err = capsys.readouterr()
    assert told in err
    assert (code in (2, 3, 5), out) == (True, "")
    assert err.splitlines()[-1].startswith("error: ")
    assert not (pictures / "runs").exists()


def test_the_advice_is_the_hint_of_the_json(home: Path, capsys: Capture) -> None:
    assert main(["train", "cnn", "--lr", "0.1", "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["message"], error["hint"]) == ("no such option '--lr'", f"{SET}train.lr=0.1")


FOLDER = ["show cnn {}", "train cnn {}", "tune cnn {} --trials 1", "bench cnn {}", "compare cnn {} model.first=8,9"]


@pytest.mark.parametrize("line", FOLDER)
def test_a_folder_as_the_second_word_is_the_data(
    pictures: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    asked: list[str] = []

    def note(name: str, words: object = (), *more: object, **options: object) -> None:
        asked.extend([*(words if isinstance(words, list) else [str(words), *map(str, more)]), str(options.get("data"))])
        raise KeyboardInterrupt

    command = line.split(maxsplit=1)[0]
    module = {
        "show": "zoo.cli.commands.show.show",
        "train": "zoo.training.train.train",
        "tune": "zoo.tuning.tune.tune",
        "bench": "zoo.training.bench.bench",
        "compare": "zoo.evaluation.compare.compare.compare",
    }[command]
    monkeypatch.setattr(module, note)
    for each in (line, line.replace("{}", "--data {}")):
        asked.clear()
        assert main(shlex.split(each.format("./pictures"))) == 130
        assert any("pictures" in word for word in asked), asked
        assert ("reading ./pictures as --data ./pictures" in capsys.readouterr().err) == (each == line)
