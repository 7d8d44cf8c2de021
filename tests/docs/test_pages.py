"""README and documentation do what they say: every code block is run, and the screens are those that are printed."""

from __future__ import annotations

import json
import shlex
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from lab import Lab
from pages import LEFT_OUT, ROOT, Block, Shown, anchors, blocks, commands, links, pages, screens, shows

from zoo.cli import main
from zoo.core.yaml import parse
from zoo.registry.catalog import catalog

Capture = pytest.CaptureFixture[str]
WHOLE = {f"docs/plugins/{name}.md" for name in ("augment", "data", "prior", "metric", "registry")}
"""The plugins that they show whole are installed and used by test_plugin_pages.py."""
LESSONS = {"docs/tutorial/first-plugin.md", "examples/README.md", *WHOLE}
"""Their files and commands are those of test_examples.py and test_plugin_pages.py."""
EXCUSED = {
    "pip install": "CI runs the two of the setup, and test_examples.py that of the plugin",
    "python -m venv": "CI makes an environment of its own",
    "pre-commit install": "it changes the git repository; what it runs is what CI runs",
    "--data cifar10": "it downloads 160 MB",
    "--data fashion-mnist": "it downloads 30 MB",
    "--name lean": "a study takes half a minute, and those of the same block without a name, and `front`, are run",
    "--name fewest": "likewise",
    "--index": "it wants a package that ships weights; the tests of shipped weights have one",
    "hf:": "it wants the hub; test_hub.py has a server of its routes",
    "zoo demo": "it runs until Ctrl-C; test_server.py ends it",
    "--address": "it wants a cluster; the tests of the Ray client have one",
}
"""Commands that are not run, by what is in them, and why; that they have the options is looked at all the same."""
KNOWN = {"sh", "text", "python", "yaml", "toml", "none"}
"""Languages of blocks; `none` is for drawings."""
EXPORTS = ("zoo export", "zoo.export", "--inference")
DIRECTIVES = {"{toctree}", "{literalinclude}", "{include}", "{glossary}"}
COMMON = list(dict.fromkeys(line for page, line in commands() if page not in LESSONS))
EXCUSED_LINES = [line for line in COMMON if any(part in line for part in EXCUSED)]
RUN = [line for line in COMMON if line not in EXCUSED_LINES]
PYTHON = [block for block in blocks() if block.language == "python"]
PLUGINS = [block for block in PYTHON if "@hookimpl" in block.code and block.page not in WHOLE]
SCRIPTS = [block for block in PYTHON if "@hookimpl" not in block.code]
YAML = [block for block in blocks() if block.language == "yaml"]


def marked(text: str, value: object = None) -> Any:
    """A parameter of a test, marked as slow where it starts Ray, trains many models or compiles."""
    slow = any(part in text for part in ("zoo tune", "zoo.tune", "-study", "zoo compare vae", "zoo bench", *EXPORTS))
    marks = [pytest.mark.slow] if slow else []
    if any(part in text for part in EXPORTS) and find_spec("onnxruntime") is None:
        marks.append(pytest.mark.skip(reason="the extra `export` is not installed"))
    return pytest.param(text if value is None else value, marks=marks)


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A folder with pictures and small entries, for all tests of this file."""
    folder = tmp_path_factory.mktemp("pages") / "work"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        yield Lab(folder, patch)
    catalog.cache_clear()


@pytest.fixture
def lab(laboratory: Lab, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """The same, with the registry of small entries in force."""
    laboratory.patch.setenv("ZOO_CONFIG", str(laboratory.config))
    return laboratory


@pytest.mark.parametrize("line", [marked(line) for line in RUN])
def test_the_command_runs(lab: Lab, line: str, capsys: Capture) -> None:
    assert line.startswith("zoo ")
    code, said = lab.run(line), capsys.readouterr().err
    assert code == 0 and "skipped" not in said, said


@pytest.mark.parametrize("shown", [marked(each.command, each) for each in screens()], ids=lambda each: each.command)
def test_the_screen_is_what_is_printed(lab: Lab, shown: Shown, capsys: Capture) -> None:
    assert lab.run(shown.command) == 0
    printed = "\n".join(capsys.readouterr()).splitlines()
    missing = [
        line
        for line in shown.lines
        if line.strip() and line != LEFT_OUT and not any(shows(line, each) for each in printed)
    ]
    assert not missing, (missing, printed)


@pytest.mark.parametrize("block", [marked(block.code, block) for block in SCRIPTS], ids=lambda block: block.page)
def test_the_python_runs(lab: Lab, block: Block, capsys: Capture) -> None:
    exec(compile(block.code, block.page, "exec"), {})
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("block", PLUGINS, ids=lambda block: block.page)
def test_the_plugin_of_a_page_keeps_the_rules(install: Any, block: Block, capsys: Capture) -> None:
    name = Path(block.page).stem
    install(f"page-{name}", block.code)
    code = main(["check", f"page-{name}", "--json"])
    found = json.loads(capsys.readouterr().out)["findings"]
    assert code == 0, [row for row in found if row["state"] != "holds"]
    assert {row["family"] for row in found if row["state"] == "holds"} == {"plugin", name}


@pytest.mark.parametrize("block", YAML, ids=lambda block: block.page)
def test_the_registry_resolves(home: Path, block: Block, capsys: Capture) -> None:
    (home / "registry.yaml").write_text(block.code, encoding="utf-8")
    for name, body in parse(block.code, block.page).data["entries"].items():
        assert main(["show", name, "--options", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        given = {key: body[key] for key in ("data", "model", "train") if key in body}
        assert all(found["spec"][key] | options == found["spec"][key] for key, options in given.items())
        searched = {row["name"]: row["search"] for row in found["options"]}
        for option, where in body.get("tune", {}).get("space", {}).items():
            assert (searched[option] is None) == (where is None), option


@pytest.mark.parametrize("block", [block for block in blocks() if block.language == "toml"], ids=lambda b: b.page)
def test_the_toml_is_toml(block: Block) -> None:
    assert tomllib.loads(block.code)["project"]["entry-points"]["zoo"]


@pytest.mark.parametrize("line", EXCUSED_LINES)
def test_what_is_not_run_has_its_options(line: str, capsys: Capture) -> None:
    for part in filter(lambda part: part.strip().startswith("zoo "), line.split("&&")):
        _, name, *words = shlex.split(part)
        assert main([name, "--help"]) == 0
        shown = capsys.readouterr().out
        assert all(word in shown for word in words if word.startswith("--")), (name, words)


def test_every_excuse_is_used() -> None:
    assert {part for part in EXCUSED if any(part in line for line in EXCUSED_LINES)} == EXCUSED.keys()


def test_every_block_is_of_a_language_that_is_run() -> None:
    assert {block.language for block in blocks()} <= KNOWN | DIRECTIVES
    assert all(text.count("```") == 2 * len([b for b in blocks() if b.page == page]) for page, text in pages().items())
    assert len(RUN) > 30 and len(screens()) > 5 and len(PLUGINS) == 4


def test_a_screen_that_differs_would_be_seen() -> None:
    assert shows("cnn … 874,764  digits", "cnn   plain CNN      8 digits")
    assert shows("done, 8 of 8 trials (4 done, 4 pruned)", "done, 2 of 2 trials (2 done)")
    assert not shows("figure  value", "figure  number  value")
    assert not shows("accuracy 0.99", "loss 0.99")


@pytest.mark.parametrize("page", pages())
def test_links_lead_somewhere(page: str) -> None:
    texts = pages()
    for path, anchor in links(texts[page]):
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), path
        name = target.resolve().relative_to(ROOT).as_posix()
        assert not anchor or anchor in anchors(texts[name]), (path, anchor)
