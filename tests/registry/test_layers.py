"""The registry: layers, `extends`, overrides, and every mistake as one line with its place."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import Install
from zoo.core.errors import MissingError, ZooError
from zoo.core.yaml import MAX_CHARACTERS, parse
from zoo.registry.entry import resolve_entry
from zoo.registry.layers import Registry, read_registry, read_registry_file, shipped_registry, user_registry
from zoo.registry.raw_entry import RawEntry

VALID = """version: 1
entries:
  vae-nf:
    summary: a codec, then a prior
    data: {kind: digits, limit: 500}
    model: {kind: cnn, blocks: 3}
    train:
      epochs: 4
      lr: 1e-3
      augment: {pad: 2, flip: false}
      stages: {prior: {epochs: 60, lr: 5.0e-4}}
  vae-nf-small: {extends: vae-nf, model: {blocks: 2}}
results:
  - {entry: vae-nf, of: 3f2a9c1b, metrics: {loss: 0.5, accuracy: 0.9}, when: 2026-11-23}
"""
PLUGIN = """
import pathlib, zoo
@zoo.hookimpl
def zoo_registries():
    yield pathlib.Path(__file__).with_name('entries.yaml')
"""


def write(path: Path, text: str | bytes) -> Path:
    """A file, and the folder for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def registry(*texts: str) -> Registry:
    """A registry of some layers, called 1.yaml, 2.yaml, ..."""
    found = Registry()
    for number, text in enumerate(texts, 1):
        found.add(parse("version: 1\nentries:\n" + text, f"{number}.yaml"), f"{number}.yaml")
    return found


def message(path: Path) -> str:
    """The error that reading a registry file or resolving its entries gives."""
    with pytest.raises(ZooError) as caught:
        found = read_registry([path])[0]
        for name in found.entries:
            resolve_entry(found.resolve(name))
    assert str(caught.value).isprintable()
    assert caught.value.code == 2
    return str(caught.value)


def test_the_layers_in_their_order(install: Install, home: Path) -> None:
    def entry(who: str) -> str:
        return f"version: 1\nentries:\n  cnn: {{summary: {who}, model: {{kind: cnn}}}}\n"

    def summary() -> str:
        found, problems = read_registry(extra)
        assert not problems
        return str(found.resolve("cnn").data["summary"])

    extra: list[Path] = []
    assert summary().startswith("plain CNN")
    write(install("shipping", PLUGIN).parent / "entries.yaml", entry("plugin"))
    assert summary() == "plugin"
    write(user_registry(), entry("user"))
    assert summary() == "user"
    write(home / "registry.yaml", entry("project"))
    assert summary() == "project"
    extra.append(write(home / "one.yaml", entry("first")))
    extra.append(write(home / "two.yaml", entry("second")))
    assert summary() == "second"
    assert read_registry()[0].resolve("cnn", ["train.lr=1e-3"]).data["train"]["lr"] == 0.001


def test_the_shipped_registry_is_read_once_in_its_own_checkout(home: Path) -> None:
    write(home / "registry.yaml", shipped_registry().read_bytes())
    assert read_registry()[0].layers == 1


def test_every_shipped_entry_resolves(home: Path) -> None:
    found, problems = read_registry()
    assert not problems and "cnn" in found.entries
    for name in found.entries:
        assert resolve_entry(found.resolve(name)).summary


def test_extends_merges_key_by_key_and_reaches_lower_layers() -> None:
    found = registry(
        "  a: {summary: low, model: {kind: cnn, blocks: 3}, train: {epochs: 5, augment: {pad: 1, flip: true}}}\n",
        "  a: {extends: a, model: {first: 7}, train: {augment: {pad: 2}}}\n"
        "  b: {extends: a, summary: b}\n"
        "  c: {extends: b, model: {kind: timm, architecture: resnet10t}}\n",
    )
    b, c = found.resolve("b"), found.resolve("c")
    assert b.data["model"] == {"kind": "cnn", "blocks": 3, "first": 7}
    assert b.data["train"] == {"epochs": 5, "augment": {"pad": 2, "flip": True}}
    assert (b.name, b.data["summary"], c.data["summary"]) == ("b", "b", "b")
    assert c.data["model"] == {"kind": "timm", "architecture": "resnet10t"}
    assert b.location(("model", "blocks")) == "1.yaml:3: "
    assert b.location(("model", "first")) == "2.yaml:3: "
    assert c.location(("model", "blocks")) == "2.yaml:5: "
    assert b.location(("train", "augment", "flip")) == "1.yaml:3: "
    assert "extends" not in b.data


def test_overrides_lie_on_top_whatever_their_order() -> None:
    found = registry("  a: {model: {kind: cnn, blocks: 3}, data: {kind: digits, limit: 5}}\n")
    for texts in (["data.kind=folder", "data.path=x"], ["data.path=x", "data.kind=folder"]):
        assert found.resolve("a", texts).data["data"] == {"kind": "folder", "path": "x"}
    assert found.resolve("a", ["model.blocks=4", "model.blocks=5"]).data["model"]["blocks"] == 5
    assert found.resolve("a", ["train.stages.prior.lr=1e-4"]).data["train"] == {"stages": {"prior": {"lr": 1e-4}}}
    assert found.resolve("a", ["model.kind=cnn"]).data["model"] == {"kind": "cnn", "blocks": 3}
    assert found.resolve("a", ["model.blocks=0"]).location(("model", "blocks")) == "command line: "
    assert found.entries["a"][0].data["model"] == {"kind": "cnn", "blocks": 3}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model.blocks", "'model.blocks' is not of the form key=value, e.g. train.epochs=10"),
        ("=3", "'=3' is not of the form key=value"),
        ("model..x=3", "'model..x=3' is not of the form key=value"),
        ("model.x" + ".x" * 5000 + "=1", "'model.x.x"),
        (
            "modle.x=3",
            "'modle.x' is not an option of a: options begin with data., model., prior., text., train. or tune.",
        ),
        ("summary=x", "'summary' is not an option of a"),
        ("model=cnn", "'model' is a section, not an option; did you mean model.kind=cnn?"),
        ("model.x=[1", "model.x=[1: not YAML: "),
        ("model.x=*y", "model.x=*y: not YAML: found undefined alias"),
        ("model.x=\0", "model.x=\\x00: not YAML: the character 0x0 is not allowed"),
    ],
)
def test_a_bad_override(text: str, expected: str) -> None:
    with pytest.raises(ZooError) as caught:
        registry("  a: {model: {kind: cnn}}\n").resolve("a", [text])
    assert str(caught.value).startswith(expected)


HEAD = "version: 1\nentries:\n"
A = HEAD + "  a: {model: {kind: cnn}}\n"
MISTAKES: dict[str, tuple[str | bytes, str]] = {
    "unknown kind": (
        HEAD + "  a:\n    model: {kind: cmn}",
        "f.yaml:4: a.model: no model kind 'cmn'; did you mean 'cnn'?",
    ),
    "bad value": (
        HEAD + "  vae-nf:\n    model:\n      kind: cnn\n      blocks: 0\n",
        "f.yaml:6: vae-nf.model.blocks: input should be greater than or equal to 1, got 0",
    ),
    "unknown option": (
        HEAD + "  a:\n    model: {kind: cnn,\n      bloks: 3}\n",
        "f.yaml:5: a.model.bloks is not an option; did you mean 'model.blocks'?",
    ),
    "nested option": (
        HEAD + "  a:\n    model: {kind: cnn}\n    train:\n      augment: {pda: 3}\n",
        "f.yaml:6: a.train.augment.pda is not an option; did you mean 'train.augment.pad'?",
    ),
    "stage option": (
        HEAD + "  a: {model: {kind: cnn}, train: {stages: {prior: {lr: 0}}}}",
        "f.yaml:3: a.train.stages.prior.lr: input should be greater than 0, got 0",
    ),
    "no model": (HEAD + "  a: {data: {kind: digits}}", "f.yaml:3: a.model needs a `kind`; see `zoo plugins`"),
    "duplicate key": (HEAD + "  a: {}\n  b: {}\n  a: {}\n", "f.yaml:5: the key 'a' appears twice"),
    "not YAML": (HEAD + "  a: {model: [", "f.yaml:3: not YAML: "),
    "itself": (
        HEAD + "  a: {extends: a}",
        "f.yaml:3: a extends itself, but no registry below has an entry of that name",
    ),
    "cycle": (
        HEAD + "  a: {extends: b}\n  b:\n    extends: c\n  c: {extends: a}\n",
        "f.yaml:3: a extends itself through a -> b -> c -> a",
    ),
    "no parent": (
        HEAD + "  a: {extends: ccnn}\n",
        "f.yaml:3: a extends 'ccnn', which does not exist; did you mean 'cnn'?",
    ),
    "long chain": (
        HEAD
        + "  a: {extends: a0}\n"
        + "".join(f"  a{i}: {{extends: a{i + 1}}}\n" for i in range(2000))
        + "  a2000: {}\n",
        "f.yaml:35: a31 extends 'a32', which itself extends others, more than 32 levels deep",
    ),
    "unknown part": (HEAD + "  a: {modle: {kind: cnn}}", "f.yaml:3: a has no section 'modle'; did you mean 'model'?"),
    "unknown top": ("version: 1\nentrys: {}", "f.yaml:2: a registry has no section 'entrys'; did you mean 'entries'?"),
    "section": (HEAD + "  a:\n    model: cnn", "f.yaml:4: a.model must be a mapping"),
    "entry": (HEAD + "  a: 3", "f.yaml:3: the entry 'a' must be a mapping with `model`, `data` and `train`"),
    "summary": (HEAD + "  a: {summary: 3}", "f.yaml:3: a.summary must be a string"),
    "name": (HEAD + "  ../a: {}", "f.yaml:3: the entry name '../a' may only contain letters, digits"),
    "long name": (HEAD + f"  {'a' * 300}: {{}}", "f.yaml:3: the entry name 'aaa"),
    "entries": ("version: 1\nentries: [a]", "f.yaml:2: `entries` must be a mapping of names to entries"),
    "false entries": ("version: 1\nentries: false", "f.yaml:2: `entries` must be a mapping of names to entries"),
    "results": ("version: 1\nresults: {}", "f.yaml:2: `results` must be a list"),
    "result": (
        "version: 1\nresults:\n  - {of: 3}",
        "f.yaml:2: result 1 must be a mapping with the strings `entry` and `of`",
    ),
    "metrics": (
        "version: 1\nresults:\n  - {entry: a, of: b, metrics: {loss: high}}",
        "f.yaml:3: result 1 must have `metrics`, a mapping of names to numbers",
    ),
    "no version": ("entries: {}", "f.yaml: a registry needs `version: 1` at its top"),
    "newer": ("version: 2", "f.yaml:1: the file has version 2, from a newer zoo; upgrade pixel-zoo"),
    "odd version": ("version: true", "f.yaml:1: version must be 1, got True"),
    "empty": ("", "f.yaml: a registry must be a mapping that begins with `version: 1`"),
    "comment": ("# nothing", "f.yaml: a registry must be a mapping that begins with `version: 1`"),
    "list": ("- a", "f.yaml: a registry must be a mapping that begins with `version: 1`"),
    "no number": (A + "    train: {lr: fast}", "f.yaml:4: not YAML: "),
    "nul": (A + "\0", "f.yaml:4: not YAML: the character 0x0 is not allowed"),
    "binary": (
        bytes(range(256)),
        "cannot read the registry f.yaml: not UTF-8 text ('utf-8' codec can't decode byte 0x80",
    ),
    "latin-1": (A.encode() + b"# caf\xe9", "cannot read the registry f.yaml: not UTF-8 text"),
    "utf-16": (A.encode("utf-16"), "cannot read the registry f.yaml: not UTF-8 text"),
    "huge": (
        b"#" * (4 * MAX_CHARACTERS + 1),
        f"f.yaml: larger than {MAX_CHARACTERS:,} characters; is it really a registry?",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_one_line_with_its_place(name: str, home: Path) -> None:
    text, expected = MISTAKES[name]
    write(home / "f.yaml", text)
    assert message(Path("f.yaml")).startswith(expected)


def test_an_unknown_entry_names_the_nearest(home: Path) -> None:
    with pytest.raises(ZooError, match=r"^no entry 'vae-fn'; did you mean 'vae-nf'\?$"):
        registry("  vae-nf: {}\n").resolve("vae-fn")


def test_an_entry_that_a_broken_plugin_may_give_names_that(install: Install, home: Path) -> None:
    install("flowers", "def f(:")
    with pytest.raises(MissingError, match=r"^no entry 'flowers'; plugin flowers .* is broken: SyntaxError"):
        read_registry()[0].resolve("flowers")
    with pytest.raises(ZooError, match=r"^no entry 'cnm'; did you mean 'cnn'\?$"):
        read_registry()[0].resolve("cnm")


def test_files_that_cannot_be_read(home: Path) -> None:
    (home / "folder.yaml").mkdir()
    assert message(Path("folder.yaml")) == "cannot read the registry folder.yaml: not a file"
    assert message(Path("none.yaml")) == "cannot read the registry none.yaml: no such file"
    assert message(Path("/dev/zero" if Path("/dev/zero").exists() else "folder.yaml")).endswith("not a file")


def test_a_byte_order_mark_is_allowed(home: Path) -> None:
    found = read_registry_file(write(home / "f.yaml", b"\xef\xbb\xbf" + VALID.encode()))
    assert found.data["version"] == 1


def test_a_broken_file_adds_nothing() -> None:
    found = registry("  a: {model: {kind: cnn}}\n")
    with pytest.raises(ZooError):
        found.add(parse("version: 1\nentries: {b: {}}\nresults: [{entry: b, of: c}]", "f.yaml"), "f.yaml")
    assert (list(found.entries), found.results, found.layers) == (["a"], [], 1)


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (PLUGIN, "2: the key 'version' appears twice"),
        (PLUGIN.replace("entries.yaml", "nowhere.yaml"), "No such file"),
        (PLUGIN.replace(".with_name('entries.yaml')", ".parent"), "Error: "),
    ],
)
def test_a_broken_registry_of_a_plugin_is_left_out(code: str, cause: str, install: Install) -> None:
    path = install("shipping", code)
    write(path.parent / "entries.yaml", "version: 1\nversion: 1\n")
    found, problems = read_registry()
    assert "cnn" in found.entries
    assert len(problems) == 1
    assert problems[0].startswith("skipped a registry of plugin shipping (zoo-shipping 1.0): ")
    assert cause in problems[0]


def outcome(text: str) -> Registry | ZooError:
    """What a registry text gives: nothing but a Registry, with entries that resolve or not, or a ZooError."""
    found = Registry()
    try:
        found.add(parse(text, "f.yaml"), "f.yaml")
    except ZooError as error:
        return error
    for name in found.entries:
        try:
            resolve_entry(found.resolve(name, ["train.epochs=1"]))
        except ZooError as error:
            assert str(error).isprintable()
    return found


def test_the_text_that_is_mutated_is_valid() -> None:
    found = outcome(VALID)
    assert isinstance(found, Registry)
    small = resolve_entry(found.resolve("vae-nf-small"))
    assert (small.model.spec.model_dump()["blocks"], small.train.stage("prior").epochs) == (2, 60)


BITS = [
    "\n",
    "  ",
    ":",
    "- ",
    "{",
    "}",
    "[",
    "]",
    "&a ",
    "*a",
    "!!",
    "null",
    "1e999",
    "-1",
    '"',
    "'",
    "\t",
    "\0",
    "é",
    "|",
    "%",
]


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False))
def test_mutations_give_a_registry_or_one_line(chance: random.Random) -> None:
    text = VALID
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.choice([0, 0, 1, 1, 5, 40]))
        text = text[:start] + chance.choice([*BITS, "", "", chance.choice(VALID.split())]) + text[end:]
    found = outcome(text)
    if isinstance(found, ZooError):
        assert str(found).startswith("f.yaml") and str(found).isprintable()


Json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3),
    max_leaves=6,
)
OPTIONS = st.sampled_from(
    ["kind", "blocks", "epochs", "lr", "augment", "stages", "limit", "pad", "flip", "valid", "ratio"]
)
SECTION = st.dictionaries(OPTIONS, Json | st.sampled_from(["cnn", "digits", "timm", "parquet"]), max_size=4)
BODY = st.fixed_dictionaries(
    {}, optional={"model": SECTION, "data": SECTION, "train": SECTION, "extends": st.just("a")}
)


@settings(max_examples=150, deadline=None)
@given(BODY)
def test_any_options_give_an_entry_or_one_line(body: dict[str, Any]) -> None:
    try:
        entry = resolve_entry(RawEntry("a", json.loads(json.dumps(body)), {}))
    except ZooError as error:
        assert str(error).isprintable() and len(str(error)) < 1000
    else:
        assert len(entry.hash()) == 8
