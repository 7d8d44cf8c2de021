"""Discovery through real distributions: whatever one plugin does, only that plugin is left out."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from settling import settled

from tests.conftest import Install
from zoo.core.errors import MissingError, ZooError
from zoo.registry.catalog import Catalog, catalog
from zoo.registry.plugins.discover import Plugin

KIND = """
import zoo
class Options(zoo.Spec):
    width: int = 3
    '''Width.'''
def build(spec, info):
    raise NotImplementedError
"""
GOOD = KIND + "@zoo.hookimpl\ndef zoo_models():\n    yield zoo.ModelKind('moe', Options, build, 'a mixture')\n"
HOOK = "import zoo\n@zoo.hookimpl\ndef zoo_models():\n"
UNFINISHED = KIND + "class Late(zoo.Spec):\n    x: 'Nowhere' = 1\n"


def yields(kind: str, before: str = KIND) -> str:
    """A plugin whose hook yields one thing."""
    return f"{before}\n@zoo.hookimpl\ndef zoo_models():\n    yield {kind}\n"


BROKEN = {
    "raises": ("raise ValueError('no\\nluck')", "ValueError: no luck"),
    "imports": ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
    "syntax": ("def f(:", r"SyntaxError: invalid syntax (plugin_syntax.py:1)"),
    "binary": (b"\x00\xff\x00", "SyntaxError: "),
    "latin": (b"x = '\xe9'", "SyntaxError: "),
    "exits": ("import sys; sys.exit(3)", "it called sys.exit(3)"),
    "quits": ("raise SystemExit", "it called sys.exit(None)"),
    "interrupts": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "memory": ("raise MemoryError", "MemoryError"),
    "recursion": ("def f(): f()\nf()", "RecursionError: maximum recursion"),
    "generator": ("raise GeneratorExit('x')", "GeneratorExit: x"),
    "dumb": ("class E(Exception):\n    def __str__(self): raise ValueError\nraise E", "E"),
    "wordy": ("raise ValueError('x' * 10_000)", "ValueError: xxx"),
    "escapes": ("raise ValueError('\\x1b[31m')", r"ValueError: \x1b[31m"),
    "half-way": (HOOK + "    yield 3 / 0", "ZeroDivisionError: division by zero"),
    "hook-exits": (HOOK + "    raise SystemExit('bye')\n    yield", "it called sys.exit('bye')"),
    "text": (HOOK + "    return 'rubbish'", "zoo_models yields 'r', not a ModelKind"),
    "nothing": (HOOK + "    return None", "zoo_models returns None, which is not iterable"),
    "number": (HOOK + "    yield 3", "zoo_models yields 3, not a ModelKind"),
    "endless": (HOOK + "    while True: yield 3", "zoo_models yields more than 1000 kinds"),
    "single": (KIND + "@zoo.hookimpl\ndef zoo_models(): return zoo.ModelKind('a', Options, build)", "yield each kind"),
    "class": (yields("zoo.ModelKind"), "not a ModelKind"),
    "family": (yields("zoo.DataKind('moe', Options, build, build)"), "not a ModelKind"),
    "ugly-repr": (HOOK + "    class R:\n        def __repr__(self): return 1\n    yield R()", "TypeError: "),
    "bad-name": (yields("zoo.ModelKind('Mo E', Options, build)"), "the kind name 'Mo E' must be lower-case words"),
    "path-name": (yields("zoo.ModelKind('../moe', Options, build)"), "the kind name '../moe'"),
    "number-name": (yields("zoo.ModelKind(3, Options, build)"), "the kind name 3"),
    "no-spec": (yields("zoo.ModelKind('moe', dict, build)"), "the spec of 'moe' is not a subclass of zoo.Spec"),
    "instance": (yields("zoo.ModelKind('moe', Options(), build)"), "is not a subclass of zoo.Spec"),
    "late-spec": (yields("zoo.ModelKind('moe', Late, build)", UNFINISHED), "Nowhere"),
    "kind-option": (
        yields("zoo.ModelKind('moe', Bad, build)", KIND + "class Bad(zoo.Spec):\n    kind: str = 'x'\n"),
        "has an option called `kind`",
    ),
    "no-build": (yields("zoo.ModelKind('moe', Options, None)"), "the constructor of 'moe' is not callable"),
    "no-summary": (yields("zoo.ModelKind('moe', Options, build, None)"), "the summary of 'moe' is not a string"),
    "twice": (
        KIND + "@zoo.hookimpl\ndef zoo_models(): return [zoo.ModelKind('a', Options, build)] * 2",
        "it yields the model kind 'a' twice",
    ),
    "plain-spec": (
        KIND + "@zoo.hookimpl\ndef zoo_data(): yield zoo.DataKind('mine', Options, build, build)",
        "the spec of 'mine' is not a subclass of zoo.DataSpec",
    ),
    "misspelt": ("import zoo\n@zoo.hookimpl\ndef zoo_modles(): return []", "unknown hook 'zoo_modles'"),
    "signature": ("import zoo\n@zoo.hookimpl\ndef zoo_models(catalog): return []", "catalog"),
    "unmarked": ("def zoo_models(): return []", "it implements no hook"),
    "async": ("import zoo\n@zoo.hookimpl\nasync def zoo_models(): return []", "which is not iterable"),
    "no-file": (
        "import zoo\n@zoo.hookimpl\ndef zoo_registries(): yield 'registry.yaml'",
        "not an importlib.resources file",
    ),
    "bad-range": ("import zoo\nzoo.Range(3, 1)", "ValueError: not a valid search range"),
}


def no_process(*order: object) -> None:
    """As on a system that has none left."""
    raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", BROKEN)
def test_only_the_broken_plugin_is_left_out(
    name: str, install: Install, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where no process can be started to probe it; the probes of all of them run side by side below."""
    monkeypatch.setattr("zoo.registry.plugins.probe.start_python", no_process)
    code, cause = BROKEN[name]
    install(name, code)
    install("good", GOOD)
    handler = signal.getsignal(signal.SIGINT)
    found = {plugin.name: plugin for plugin in catalog().plugins}
    broken = found[name]
    assert (broken.state, broken.kinds, broken.registries) == ("broken", (), ())
    assert (broken.distribution, broken.version) == (f"zoo-{name}", "1.0")
    assert cause in broken.error
    assert broken.error.isprintable() and len(broken.error) <= 300
    assert {plugin.name for plugin in found.values() if plugin.error} == {name}
    assert catalog().find("model", "moe")[0].name == "good"
    assert catalog().find("model", "cnn")[0].distribution == "pixel-zoo"
    assert signal.getsignal(signal.SIGINT) is handler
    assert capfd.readouterr().out == ""


def test_prints_go_nowhere_and_an_honest_plugin_works(install: Install, capfd: pytest.CaptureFixture[str]) -> None:
    install("loud", "print('hello')\n" + GOOD)
    plugin, kind = catalog().find("model", "moe")
    assert (plugin.name, plugin.state, kind.summary) == ("loud", "ok", "a mixture")
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    "points",
    ["[zoo]\nx\n", "zoo = y", "[zoo]\nx = not a module!\n", "[zoo]\nx = 3\n", "[zoo]\n= \n", "[zoo]\n\udc80 = a"],
)
def test_damaged_entry_points_harm_nobody(points: str, install: Install, home: Path) -> None:
    path = install("good", GOOD)
    info = path.parent / "odd-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_bytes(points.encode(errors="surrogateescape"))
    catalog.cache_clear()
    assert catalog().find("model", "moe")[0].name == "good"
    assert catalog().find("data", "digits")[0].name == "data"
    working = {plugin.name for plugin in catalog().plugins if plugin.state == "ok"}
    assert {"good", "data", "classifiers"} <= working


def test_a_distribution_without_metadata_still_gives_its_plugin(install: Install) -> None:
    install("bare", GOOD, metadata="")
    assert catalog().find("model", "moe")[0].state == "ok"


def test_everything_at_once_in_a_process_of_its_own(install: Install) -> None:
    for name, (code, _) in BROKEN.items():
        install(name, code)
    install("good", GOOD)
    plugins = settled()
    assert {name for name, plugin in plugins.items() if plugin["state"] == "broken"} == set(BROKEN)
    assert [kind["name"] for kind in plugins["good"]["kinds"]] == ["moe"]
    for name, (_, cause) in BROKEN.items():
        assert cause in plugins[name]["error"], name


CATALOG = "from zoo.registry.catalog import catalog\nprint([p.error for p in catalog().plugins if p.error])"
SLOW = "import pathlib, time\npathlib.Path('begun').touch()\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for another process")
@pytest.mark.parametrize(
    "code",
    [
        "time.sleep(30)",
        "try:\n    time.sleep(30)\nexcept BaseException:\n    pass\n",
        "try:\n    time.sleep(30)\nexcept KeyboardInterrupt:\n    raise ImportError\n",
    ],
)
def test_a_real_ctrl_c_during_an_import_stops(code: str, install: Install, home: Path) -> None:
    install("slow", SLOW + code)
    with subprocess.Popen([sys.executable, "-c", CATALOG], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        for _ in range(600):
            if (home / "begun").exists():
                break
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=20)
    assert child.returncode == -signal.SIGINT
    assert out == b""


def test_the_own_kind_wins_with_a_note(install: Install) -> None:
    install("rival", GOOD.replace("'moe'", "'cnn'"))
    assert catalog().find("model", "cnn")[0].distribution == "pixel-zoo"
    assert catalog().find("model", "rival:cnn")[0].distribution == "zoo-rival"
    assert catalog().notes == ["model kind 'cnn' means the zoo's own; the other one is rival:cnn"]


def test_between_third_parties_the_bare_name_is_an_error(install: Install) -> None:
    install("acme", GOOD)
    install("other", GOOD)
    with pytest.raises(ZooError, match=r"provided by several plugins; choose one of acme:moe, other:moe") as caught:
        catalog().find("model", "moe")
    assert caught.value.code == 2
    assert catalog().find("model", "acme:moe")[0].name == "acme"
    assert catalog().find("model", "zoo-other:moe")[0].name == "other"
    assert catalog().notes == []


def test_plugins_of_the_same_name_are_told_apart_by_distribution(install: Install) -> None:
    install("acme", GOOD, distribution="acme-one")
    install("acme", GOOD, distribution="acme-two")
    with pytest.raises(ZooError, match=r"choose one of acme-one:moe, acme-two:moe"):
        catalog().find("model", "moe")
    assert catalog().find("model", "acme-two:moe")[0].distribution == "acme-two"


def test_an_unknown_kind_names_the_nearest_or_the_broken_plugin(install: Install) -> None:
    with pytest.raises(ZooError, match=r"^no model kind 'cmn'; did you mean 'cnn'\?$"):
        catalog().find("model", "cmn")
    install("raises", "raise ValueError('no luck')")
    with pytest.raises(MissingError, match=r"no model kind 'quux'; plugin raises \(zoo-raises 1.0\) is broken: ValueE"):
        catalog().find("model", "quux")


def test_families_do_not_mix() -> None:
    with pytest.raises(ZooError, match="no model kind 'digits'"):
        catalog().find("model", "digits")
    with pytest.raises(ZooError, match="no model kind 'data:cnn'"):
        catalog().find("model", "data:cnn")
    assert Catalog([Plugin("empty", "empty", "1")]).names("model") == []


def test_discovery_imports_nothing_heavy() -> None:
    code = "import sys; from zoo.registry.catalog import catalog as c; c()\n"
    code += "print(*{m.partition('.')[0] for m in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "torchvision", "timm", "ray", "optuna", "sklearn", "numpy"} & set(done.stdout.split())
