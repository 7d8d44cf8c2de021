"""Completion: what a shell is answered, through its own protocol and by real shells."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from shipping import PETS, REGISTRY, ship
from shipping import make_run as shipped_run

from tests.conftest import Install
from zoo.cli import main
from zoo.cli.app import COMMANDS
from zoo.registry.catalog import catalog

pytestmark = pytest.mark.usefixtures("home")
Capture = pytest.CaptureFixture[str]
Patch = pytest.MonkeyPatch
BREAKS = " \t\n\"'><=;|&(:"
ASK = "import sys; sys.argv = ['zoo']; from zoo.cli import main; code = main(); "
ODD = ("my run's 1", 'a"b$(x)-2', "star*-3", "Größe-4", "it\u2019s 5")


class Shell:
    """Asks as a shell does."""

    def __init__(self, capsys: Capture, patch: Patch) -> None:
        self.capsys, self.patch = capsys, patch

    def told(self, *words: str, shell: str = "bash", code: int = 0, **variables: str) -> str:
        """What is printed for a line whose last word is being typed."""
        asked = {"_ZOO_COMPLETE": f"{shell}_complete", "COMP_WORDS": " ".join(["zoo", *words])}
        asked["COMP_CWORD"] = words[-1] if shell == "fish" else str(len(words))
        with self.patch.context() as patch:
            for key, value in (asked | variables).items():
                patch.setenv(key, value)
            self.capsys.readouterr()
            assert main() == code
        shown = self.capsys.readouterr()
        assert not shown.err
        return shown.out

    def values(self, *words: str) -> list[str]:
        """The values alone, as bash gets them."""
        lines = self.told(*words).splitlines()
        return [line.partition(",")[2] for line in lines if line.startswith("plain,")]


@pytest.fixture
def shell(capsys: Capture, monkeypatch: Patch) -> Shell:
    """A shell."""
    return Shell(capsys, monkeypatch)


def make_run(name: str, entry: str = "{}", mark: str = "run.json") -> None:
    """A folder below `runs` that looks like a run."""
    path = Path("runs", name)
    path.mkdir(parents=True)
    (path / mark).write_text("{}", encoding="utf-8")
    (path / "entry.json").write_text(entry, encoding="utf-8")


def test_commands_entries_and_options(shell: Shell) -> None:
    assert shell.values("tr") == ["train"]
    assert shell.values("") == sorted(COMMANDS)
    assert {"cnn", "vae", "vae-nf"} <= set(shell.values("train", ""))
    assert set(shell.values("train", "vae-nf-h")) == {"vae-nf-heavy"}
    assert {"--data", "--device"} == set(shell.values("train", "--d"))
    assert "--json" in shell.values("train", "cnn", "--")
    assert shell.values("train", "cnn", "--device", "c") == ["cpu", "cuda"]
    assert shell.values("evaluate", "x", "--split", "t") == ["test", "train"]
    assert shell.values("completion", "z") == ["zsh"]
    assert {"codecs", "vae", "digits"} <= set(shell.values("check", ""))
    assert "vae-nf" not in shell.values("check", "va")
    assert shell.values("new-plugin", "") == []


def test_overrides_of_an_entry(shell: Shell) -> None:
    assert shell.values("train", "cnn", "m") == ["model."]
    assert "prior." not in shell.values("train", "cnn", "")
    assert {"data.", "model.", "prior.", "text.", "train.", "tune."} == set(shell.values("train", "vae-nf", ""))
    assert "model.first=" in shell.values("train", "cnn", "model.fi")
    assert set(shell.values("train", "cnn", "model.norm=")) == {f"model.norm={v}" for v in ("none", "before", "after")}
    assert shell.values("train", "cnn", "model.norm=b") == ["model.norm=before"]
    assert shell.values("train", "cnn", "model.first=") == []
    assert {"data.kind=digits", "data.kind=folder"} <= set(shell.values("train", "cnn", "data.kind="))
    assert "data.download=" not in shell.values("train", "cnn", "data.d")
    assert "data.download=" in shell.values("train", "cnn", "data.kind=cifar10", "data.d")
    assert shell.values("train", "cnn", "data.kind=cifar10", "data.download=t") == ["data.download=true"]
    assert shell.values("train", "cnn", "model.norm=before,") == []
    assert "model.norm=before,after" in shell.values("compare", "cnn", "model.norm=before,")
    assert shell.values("compare", "cnn", "model.norm=before,be") == []


def test_augmentations_one_after_the_other(shell: Shell) -> None:
    key = "train.augment.then="
    assert {f"{key}mixup", f"{key}trivial-augment", f"{key}none"} <= set(shell.values("train", "cnn", key))
    assert shell.values("train", "cnn", f"{key}mixup,cutm") == [f"{key}mixup,cutmix"]
    assert shell.values("train", "cnn", f"{key}mixup,mixu") == []


def test_runs_studies_and_comparisons(shell: Shell) -> None:
    entry = {"name": "x", "data": {"kind": "digits"}, "model": {"kind": "cnn"}, "train": {}}
    make_run("cnn-1", json.dumps(entry))
    make_run("search", mark="study.json")
    make_run("sides", mark="compare.json")
    make_run("broken-1", "no json")
    Path("runs/other").mkdir()
    shipped = {name for each, _ in catalog().weights() for name in (each.name, each.entry)}
    assert set(shell.values("evaluate", "")) == {"broken-1", "cnn-1", "search", "broken", "cnn", *shipped}
    assert shell.values("evaluate", "runs/c") == ["runs/cnn-1"]
    assert shell.values("tune", "cnn", "--name", "") == ["search"]
    assert shell.values("compare", "cnn", "--name", "") == ["sides"]
    for name in ("cnn", "cnn-1", "runs/cnn-1"):
        assert shell.values("evaluate", name, "model.no") == ["model.norm="]
    assert shell.told("evaluate", "broken-1", "model.", code=1) == ""
    assert shell.told("evaluate", "gone", "model.", code=1) == ""
    assert {"none", "judge", "inception", "cnn-1"} <= set(shell.values("evaluate", "cnn", "--judge", ""))


def test_weights_that_packages_ship(shell: Shell, install: Install, home: Path) -> None:
    (home / "registry.yaml").write_text(REGISTRY, encoding="utf-8")
    ship(install, (shipped_run(Path("made/one")), "digits"), (shipped_run(Path("made/two"), PETS), "pets"))
    assert set(shell.values("evaluate", "tiny")) == {"tiny", "tiny@digits", "tiny@pets"}
    assert "tiny@pets" in shell.values("predict", "tiny@p")
    assert shell.values("evaluate", "tiny@pets", "model.no") == ["model.norm="]
    assert shell.values("evaluate", "tiny", "model.no") == ["model.norm="]
    line = "zoo predict tiny@p"
    assert shell.told("x", COMP_LINE=line, COMP_WORDBREAKS=f"{BREAKS}@") == "plain,pets\n"


def test_paths_are_left_to_the_shell(shell: Shell) -> None:
    assert shell.told("predict", "cnn", "pic").splitlines() == ["file,"]
    assert shell.told("train", "cnn", "--out", "x").splitlines() == ["dir,"]
    lines = shell.told("train", "cnn", "--data", "").splitlines()
    assert lines[0] == "file," and "plain,digits" in lines


def test_what_each_shell_gets(shell: Shell) -> None:
    for name in ODD:
        make_run(name)
    names = ["Größe-4", 'a"b$(x)-2', "my run's 1", "star*-3", "it\u2019s 5", "Größe"]
    zsh = shell.told("evaluate", "", shell="zsh").splitlines()
    shipped = {name for each, _ in catalog().weights() for name in (each.name, each.entry)}
    assert set(zsh[1::3]) == {name for name in names if name != "Größe"} | shipped
    fish = shell.told("evaluate", "", shell="fish").splitlines()
    assert "plain,my run's 1\trun" in fish
    power = shell.told("evaluate", "", shell="powershell").splitlines()
    assert "'my run''s 1'" in power and "Größe-4" in power and "'star*-3'" in power
    assert "'it\u2019\u2019s 5'" in power, "which PowerShell takes for a quote as well"
    assert shell.told("tr", shell="tcsh", code=1) == ""


def test_bash_cuts_words_and_replaces_their_end(shell: Shell) -> None:
    line = "zoo train 'cnn' model.norm=b"
    assert shell.told("x", COMP_LINE=line, COMP_WORDBREAKS=BREAKS) == "plain,before\n"
    assert shell.told("x", COMP_LINE=line, COMP_WORDBREAKS=" ") == "plain,model.norm=before\n"
    assert "plain,cnn\n" in shell.told("x", COMP_LINE="zoo train ", COMP_WORDBREAKS=BREAKS)


def test_names_follow_what_they_depend_on(shell: Shell, home: Path, install: Install) -> None:
    registry = home / "registry.yaml"
    assert shell.values("train", "mine") == []
    registry.write_text("version: 1\nentries: {mine-1: {extends: cnn}}\n", encoding="utf-8")
    assert shell.values("train", "mine") == ["mine-1"]
    registry.write_text("version: 1\nentries: {mine-1: {extends: cnn}, mine-2: {extends: vae}}\n", encoding="utf-8")
    assert shell.values("train", "mine") == ["mine-1", "mine-2"]
    registry.write_text("version: 1\nentries: {mine-1: [}\n", encoding="utf-8")
    assert shell.values("train", "mine") == []
    assert shell.values("tr") == ["train"]
    registry.unlink()
    install(
        "extra",
        "import zoo\n\n@zoo.hookimpl\ndef zoo_data():\n"
        "    yield zoo.DataKind('extra-data', zoo.DataSpec, load=print, info=print)\n",
    )
    assert shell.values("train", "cnn", "--data", "ex") == ["extra-data"]


def test_a_plugin_that_fails_here_alone_hides_no_other_name(shell: Shell, install: Install) -> None:
    install(
        "moody",
        "import sys, zoo\nif 'pytest' in sys.modules: raise ValueError\n\n@zoo.hookimpl\ndef zoo_data():\n"
        "    yield zoo.DataKind('moody-data', zoo.DataSpec, load=print, info=print)\n",
    )
    assert shell.values("tr") == ["train"]
    assert "moody-data" not in shell.values("train", "cnn", "--data", "")


def test_a_damaged_or_hindered_cache_costs_only_time(shell: Shell, tmp_path: Path) -> None:
    assert shell.values("train", "vae-nf-h") == ["vae-nf-heavy"]
    (kept,) = (tmp_path / "cache" / "completion").iterdir()
    for text in ("", "{}", "[]", '{"stamps": []}'):
        kept.write_text(text, encoding="utf-8")
        assert shell.values("tr") == ["train"]
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_text("", encoding="utf-8")
    assert shell.values("train", "vae-nf-h") == ["vae-nf-heavy"]


def test_nothing_heavy_is_imported_for_a_key_press() -> None:
    asked = {"_ZOO_COMPLETE": "bash_complete", "COMP_WORDS": "zoo train vae-", "COMP_CWORD": "2"}
    code = f"{ASK} print(code, *sys.modules)"
    for heavy in (
        {"torch", "ray", "optuna"},
        {"torch", "pydantic", "pluggy", "ruamel.yaml", "rich", "zoo.registry.catalog"},
    ):
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, env=os.environ | asked, check=True)
        *names, modules = done.stdout.decode().split("\n")[:-1]
        assert "plain,vae-nf" in names
        assert not heavy & set(modules.split())


@pytest.fixture
def command(tmp_path: Path, monkeypatch: Patch) -> None:
    """`zoo` on the path, as an installation puts it there."""
    tool = tmp_path / "bin" / "zoo"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{ASK.replace(chr(39), chr(34))}sys.exit(code)' \"$@\"\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent), prepend=os.pathsep)


BASH = """
source "$1"
complete -p zoo
for line in 'zoo tr' 'zoo train cnn model.norm=b' "zoo evaluate my" 'zoo train cnn "model.norm=b'; do
    COMP_LINE=$line COMP_POINT=${#line} COMP_WORDS=(zoo) COMP_CWORD=0
    _zoo_completion zoo
    printf '<%s>' "${COMPREPLY[@]}"
    echo
done 2>/dev/null
"""


@pytest.mark.usefixtures("command")
@pytest.mark.skipif(not shutil.which("bash") or sys.platform == "win32", reason="there is no bash")
def test_a_real_bash(capsys: Capture, home: Path) -> None:
    make_run("my run's 1")
    assert main(["completion", "bash"]) == 0
    (home / "script").write_text(capsys.readouterr().out, encoding="utf-8")
    done = subprocess.run(["bash", "--norc", "-c", BASH, "x", "./script"], capture_output=True, text=True, check=True)
    first, *answers = done.stdout.splitlines()
    assert first == "complete -F _zoo_completion zoo"
    assert answers == ["<train>", "<before>", "<my run's 1>", "<before>"]


@pytest.mark.usefixtures("command")
@pytest.mark.skipif(not shutil.which("fish"), reason="there is no fish")
def test_a_real_fish(capsys: Capture, home: Path) -> None:
    make_run("my run's 1")
    assert main(["completion", "fish"]) == 0
    (home / "script").write_text(capsys.readouterr().out, encoding="utf-8")
    asked = ("zoo tr", "zoo evaluate my", "zoo compare cnn model.norm=after,b")
    code = "; ".join(["source script", *(f"complete -C '{line}'" for line in asked)])
    done = subprocess.run(["fish", "--no-config", "-c", code], capture_output=True, text=True, check=True)
    names = [line.partition("\t")[0] for line in done.stdout.splitlines()]
    assert names == ["train", "my run's 1", "model.norm=after,before"]


@pytest.mark.parametrize(
    ("name", "place"),
    [("bash", "~/.bashrc"), ("zsh", "~/.zshrc"), ("fish", "~/.config/fish"), ("powershell", "$PROFILE")],
)
def test_each_script_says_where_it_goes(name: str, place: str, capsys: Capture) -> None:
    assert main(["completion", name]) == 0
    text = capsys.readouterr().out
    comments = [line for line in text.splitlines()[:2] if line.startswith("# ")]
    assert place in comments[0] and f"zoo completion {name}" in comments[0]
    assert f"{name}_complete" in text


def test_an_unknown_shell_is_refused(capsys: Capture) -> None:
    assert main(["completion", "tcsh"]) == 2
    assert "tcsh" in capsys.readouterr().err
