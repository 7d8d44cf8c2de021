"""Probes: plugins not seen before are imported elsewhere; results are cached, and plugins imported when needed."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from packages import MOE

from tests.conftest import Install
from zoo.cli import main
from zoo.core.errors import MissingError
from zoo.registry.catalog import Catalog, catalog
from zoo.registry.plugins.discover import Plugin

COUNTED = "with open('imported', 'a') as file: file.write('x')\n" + MOE
LINUX = pytest.mark.skipif(os.name == "nt", reason="Windows has no signals")


def again() -> Catalog:
    """The catalog as another process would see it."""
    catalog.cache_clear()
    return catalog()


def found(name: str) -> Plugin:
    """A plugin of a new catalog, whose probe is waited for."""
    plugin = next(plugin for plugin in again().plugins if plugin.name == name)
    plugin.wait_for_probe()
    return plugin


def count() -> int:
    """How often the plugin was imported, wherever."""
    return len(Path("imported").read_text(encoding="utf-8")) if Path("imported").exists() else 0


def test_a_plugin_is_probed_once_and_imported_when_its_kind_is_used(install: Install, home: Path) -> None:
    install("acme", COUNTED)
    for _ in range(3):
        plugin = found("acme")
        kinds = [tuple(kind) for kind in plugin.kind_summaries]
        assert (plugin.state, kinds) == ("ok", [("model", "moe", "a mixture")])
        assert catalog().names("model").count("moe") == 1
    assert (count(), "plugin_acme" in sys.modules) == (1, False)
    assert catalog().find("model", "moe")[1].spec().width == 3
    assert (count(), "plugin_acme" in sys.modules) == (2, True)


def test_a_plugin_that_changes_is_probed_anew(install: Install, home: Path) -> None:
    path = install("acme", COUNTED)
    assert found("acme").state == "ok"
    path.write_text(COUNTED.replace("'moe'", "'other'"), encoding="utf-8")
    assert [kind.name for kind in found("acme").kind_summaries] == ["other"]
    assert count() == 2
    (path.parent / "zoo_acme-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: zoo-acme\nVersion: 1.1\n", encoding="utf-8"
    )
    assert (found("acme").version, count()) == ("1.1", 3)


def test_a_broken_plugin_is_probed_anew_when_something_is_installed(install: Install) -> None:
    install("acme", "import plugin_other\n" + COUNTED)
    assert found("acme").error == "ModuleNotFoundError: No module named 'plugin_other'"
    assert found("acme").error
    install("other", MOE)
    assert found("acme").state == "ok"


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"schema": 3}', "\x00", '{"schema": 1, "key": {}, "verdict": 3}'])
def test_a_damaged_verdict_is_no_verdict(text: str, install: Install, tmp_path: Path) -> None:
    install("acme", COUNTED)
    assert found("acme").state == "ok"
    (kept,) = (tmp_path / "cache" / "plugins").iterdir()
    kept.write_text(text, encoding="utf-8")
    assert (found("acme").state, count()) == ("ok", 2)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import os; os._exit(3)", "it terminated the process (os._exit(3))"),
        ("import os; os._exit(0)", "it terminated the process (os._exit(0))"),
        pytest.param("import os; os.kill(os.getpid(), 11)", "it terminated the process (signal 11)", marks=LINUX),
    ],
)
def test_a_plugin_that_ends_its_process_is_told_so_ever_after(
    code: str, error: str, install: Install, home: Path
) -> None:
    install("acme", COUNTED + code)
    assert [found("acme").error for _ in range(2)] == [error, error]
    assert count() == 1


def test_a_slow_plugin_is_waited_for_when_its_kind_is_asked_for(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_PLUGIN_WAIT", "0.05")
    install("acme", "import time; time.sleep(1.5)\n" + MOE)
    plugin = next(plugin for plugin in catalog().plugins if plugin.name == "acme")
    assert plugin.state == "broken"
    assert plugin.error.endswith("try again, or ignore it with --no-plugin acme")
    assert "moe" not in catalog().names("model")
    assert catalog().find("model", "moe")[0] is plugin
    assert (plugin.state, plugin.error) == ("ok", "")
    assert found("acme").probe_result.notes[0].startswith("its import takes ")


@LINUX
def test_a_plugin_that_hangs_is_killed_with_all_that_it_began(
    install: Install, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.registry.plugins.probe.IMPORT_TIMEOUT", 15.0)
    monkeypatch.setenv("ZOO_PLUGIN_WAIT", "0.05")
    install(
        "acme",
        "import os, subprocess, sys, time, pathlib\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "pathlib.Path('pids').write_text(f'{os.getpid()} {child.pid}')\nwhile True: time.sleep(9)\n",
    )
    with pytest.raises(MissingError, match=r"no model kind 'moe'; plugin acme .* not finished importing within 15 s"):
        catalog().find("model", "moe")
    assert found("acme").error == "it has not finished importing within 15 s"
    for pid in map(int, (home / "pids").read_text(encoding="utf-8").split()):
        assert gone(pid), pid


def gone(pid: int) -> bool:
    """Whether a process ends soon; one that its parent has not asked after counts as ended."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_cache_folder_that_cannot_be_written_costs_the_probe_each_time(
    install: Install, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "file"))
    install("acme", COUNTED)
    assert [found("acme").state for _ in range(2)] == ["ok", "ok"]
    assert (count(), "plugin_acme" in sys.modules) == (2, False)


def test_a_plugin_that_fails_here_although_its_probe_passed_is_broken(
    install: Install, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install("acme", "import os\nif 'PYTEST_CURRENT_TEST' in os.environ and 'NOW' in os.environ: 1 / 0\n" + MOE)
    assert found("acme").state == "ok"
    monkeypatch.setenv("NOW", "1")
    with pytest.raises(MissingError, match=r"plugin acme \(zoo-acme 1.0\) is broken: ZeroDivisionError: division by"):
        catalog().find("model", "moe")
    assert main(["show", "cnn", "model.kind=moe"]) == 4


def test_a_kind_that_a_plugin_gives_no_more(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("acme", MOE.replace("'moe',", "'moe' if 'NOW' not in os.environ else 'eom',") + "import os\n")
    assert found("acme").state == "ok"
    monkeypatch.setenv("NOW", "1")
    with pytest.raises(MissingError, match=r"plugin acme \(zoo-acme 1.0\) no longer provides the model kind 'moe'"):
        catalog().find("model", "moe")
    again()
    assert main(["schema"]) == 0


CHANGES = """
import os, random, signal, sys, warnings
import numpy, torch
os.write(1, b'through the descriptor')
print('through Python')
torch.set_default_dtype(torch.float64)
torch.manual_seed(1); numpy.random.seed(1); random.seed(1)
warnings.simplefilter('ignore')
signal.signal(signal.SIGTERM, signal.SIG_IGN)
"""
CHANGED = {
    "Python's random state",
    "NumPy's random state",
    "torch's random state",
    "torch's default dtype",
    "signal handlers",
    "the warnings filters",
}


def test_what_a_plugin_changes_is_noted_and_put_back(install: Install, capfd: pytest.CaptureFixture[str]) -> None:
    install("acme", CHANGES + MOE)
    notes = found("acme").probe_result.notes
    assert {note.removeprefix("it changes ") for note in notes if note.startswith("it changes")} == CHANGED
    assert "it imports torch; import that in `build` instead" in notes
    assert "it prints to stdout: 'through the descriptorthrough Python'" in notes
    before = state()
    assert catalog().find("model", "moe")[0].name == "acme"
    assert state() == before
    assert capfd.readouterr().out == ""


def state() -> list[object]:
    """What all code of this process shares."""
    numbers = [random.getstate(), str(np.random.get_state(legacy=True)[1].tolist()), torch.get_rng_state().tolist()]  # type: ignore[index]
    return [*numbers, torch.get_default_dtype(), signal.getsignal(signal.SIGTERM), list(warnings.filters)]


def test_an_innocent_plugin_has_no_notes(install: Install) -> None:
    install("acme", MOE)
    assert [note for note in found("acme").probe_result.notes if not note.startswith("its import takes")] == []


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("ZOO_API = 2", "it was written for API level 2, but this zoo has 1; upgrade pixel-zoo"),
        ("ZOO_API = 0", "it was written for API level 0, but this zoo supports 1 or newer; upgrade zoo-acme"),
        ("ZOO_API = '1'", "its ZOO_API is '1', not a whole number such as 1"),
        ("ZOO_API = True", "its ZOO_API is True, not a whole number such as 1"),
        (
            "ZOO_API: int = 3  # of next year\nfrom zoo import Nothing",
            "it was written for API level 3, but this zoo has 1",
        ),
        ("ZOO_API = 4\ndef f(:", "it was written for API level 4, but this zoo has 1; upgrade pixel-zoo"),
        ("ZOO_API = 1\nfrom zoo import Nothing", "ImportError: cannot import name 'Nothing' from 'zoo'"),
        ("ZOO_API = 1", ""),
        ("", ""),
    ],
)
def test_the_api_level_that_a_plugin_declares(
    code: str, error: str, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.registry.plugins.probe.start_python", no_process)  # the plugin is then imported here
    install("acme", f"{code}\n{MOE}")
    plugin = found("acme")
    assert plugin.error.startswith(error)
    assert plugin.state == ("broken" if error else "ok")


def no_process(*order: object) -> None:
    """As on a system that has none left."""
    raise OSError("no process left")


def test_plugins_as_json_and_as_a_table(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    path = install("acme", "ZOO_API = 1\nprint('hello')\n" + COUNTED)
    install("future", "ZOO_API = 2\n" + MOE)
    assert found("acme").state == found("acme").state == "ok"
    assert found("future").error
    assert main(["plugins", "--json"]) == 0
    plugins = {plugin["name"]: plugin for plugin in json.loads(capsys.readouterr().out)["plugins"]}
    assert plugins["acme"]["notes"][-1] == "it prints to stdout: 'hello'"
    assert (plugins["acme"]["api"], plugins["acme"]["location"]) == (1, str(path))
    assert 0 <= plugins["acme"]["seconds"] < 60
    assert plugins["future"]["api"] == 2
    assert plugins["data"]["location"].endswith("zoo_data")
    assert main(["plugins"]) == 0
    out, err = capsys.readouterr()
    assert "zoo-future 1.0   broken  it was written for API level 2, but this zoo has 1; upgrade pixel-zoo" in out
    assert "note: plugin acme (zoo-acme 1.0): it prints to stdout: 'hello'" in err
    assert count() == 1
    assert main(["plugins", "--again"]) == 0
    found("acme")
    assert count() == 2
