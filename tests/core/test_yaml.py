"""YAML: what reads as what, what is refused and where, and that no text whatever raises anything but ZooError."""

from __future__ import annotations

import hashlib
import math
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.core.errors import ZooError
from zoo.core.yaml import MAX_CHARACTERS, MAX_DEPTH, as_json, parse, parse_cached, parse_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1.0e-3", 0.001),
        ("no", "no"),
        ("off", "off"),
        ("true", True),
        ("12:30:00", "12:30:00"),
        ("010", 10),
        ("0x1f", 31),
        ("2026-11-23", "2026-11-23"),
        ("~", None),
        ("null", None),
        ("", None),
        ("1_000", 1000),
        ('"1"', "1"),
        ("!!str 3", "3"),
        ("=", "="),
        ("acme:moe", "acme:moe"),
        ("[1, two, 3.5]", [1, "two", 3.5]),
        ("{a: 1, 2: b, true: c, ~: d}", {"a": 1, "2": "b", "true": "c", "~": "d"}),
    ],
)
def test_what_reads_as_what(text: str, value: Any) -> None:
    found = parse(f"a: {text}\n", "f.yaml").data["a"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "f.yaml:3: the key 'a' appears twice"),
        ("a: 1\nb: {c: 1, c: 2}", "f.yaml:2: the key 'c' appears twice"),
        ("a: [1", "f.yaml:1: not YAML: "),
        ("a: 1\n b: 2", "f.yaml:2: not YAML: mapping values are not allowed here"),
        ("a:\n\t- 1", "f.yaml:2: not YAML: found character '\\t' that cannot start any token"),
        ("a: 1\n---\nb: 2", "f.yaml:2: not YAML: "),
        ("a: &x 1\nb: 2", "f.yaml:1: anchors (&) and aliases (*) are not allowed; use `extends`"),
        ("&x a: 1", "f.yaml:1: keys must be plain words"),
        ("a: *x", "f.yaml:1: not YAML: found undefined alias 'x'"),
        ("<<: {a: 1}", "f.yaml:1: keys must be plain words"),
        ("[a]: 1", "f.yaml:1: keys must be plain words"),
        ("? {a: 1}\n: 2", "f.yaml:1: keys must be plain words"),
        ("'': 1", "f.yaml:1: keys must be plain words"),
        ("a: !!python/object:os.system {}", "f.yaml:1: the tag '!!python/object:os.system' is not allowed"),
        ("a: !thing x", "f.yaml:1: the tag '!thing' is not allowed"),
        ("a: !!set {b}", "f.yaml:1: the tag '!!set' is not allowed"),
        ("a: !!binary aGk=", "f.yaml:1: the tag '!!binary' is not allowed"),
        ("a: !!bool perhaps", "f.yaml:1: 'perhaps' cannot be read as bool"),
        ("a: !!int x", "f.yaml:1: 'x' cannot be read as int"),
        ("%YAML 1.1\n---\na: no", "f.yaml:1: directives (%) are not allowed"),
        ("a: 1e400", "f.yaml:1: 1e400 is not a finite number"),
        ("a: -1e400", "f.yaml:1: -1e400 is not a finite number"),
        ("\na: .nan", "f.yaml:2: .nan is not a finite number"),
        ("a: .inf", "f.yaml:1: .inf is not a finite number"),
        ("a: 18446744073709551616", "f.yaml:1: the number has more than 64 bits"),
        ("a: 0x" + "f" * 5000, "f.yaml:1: the number has more than 64 bits"),
        ("a: " + "9" * 5000, "f.yaml:1: '99"),
        ("a: 1\nb: \0", "f.yaml:2: not YAML: the character 0x0 is not allowed"),
        ("a: \ud800", "f.yaml:1: not YAML: the character 0xd800 is not allowed"),
        ("a: \x1b[31m", "f.yaml:1: not YAML: the character 0x1b is not allowed"),
        ("a: {" * (MAX_DEPTH + 1) + "}" * (MAX_DEPTH + 1), f"f.yaml:1: nested deeper than {MAX_DEPTH} levels"),
        ("[" * 5000, "f.yaml: too deeply nested"),
        ("{a: " * 5000, "f.yaml: too deeply nested"),
        ("- " * 5000 + "a", "f.yaml: too deeply nested"),
        ("#" * (MAX_CHARACTERS + 1), f"f.yaml: larger than {MAX_CHARACTERS:,} characters"),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    start = time.monotonic()
    with pytest.raises(ZooError) as caught:
        parse(text, "f.yaml")
    assert str(caught.value).startswith(message)
    assert str(caught.value).isprintable()
    assert time.monotonic() - start < 5


def test_an_alias_bomb_ends_at_its_first_anchor() -> None:
    lines = ["a0: &a0 [x, x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    with pytest.raises(ZooError, match=r"^f\.yaml:1: anchors"):
        parse("\n".join(lines), "f.yaml")


def test_every_key_has_its_line() -> None:
    found = parse("# head\na:\n  b: 1\n  c: [x, {d: 2}]\n'e f': 3\n", "f.yaml")
    lines = {("a",): 2, ("a", "b"): 3, ("a", "c"): 4, ("a", "c", "1", "d"): 4, ("e f",): 5}
    assert found.where == {path: f"f.yaml:{line}" for path, line in lines.items()}


@pytest.mark.parametrize(
    ("text", "value"),
    [("", ""), (" ", ""), ("1e-3", 0.001), ("[1, 2]", [1, 2]), ("a b", "a b"), ("C:\\data", "C:\\data")],
)
def test_a_value_of_the_command_line(text: str, value: Any) -> None:
    assert parse_value(text, "key") == value


def test_a_value_that_is_not_yaml_says_how_to_write_it() -> None:
    with pytest.raises(ZooError, match=r"^data\.path=@x: not YAML: .*; quote text with such"):
        parse_value("@x", "data.path")
    assert parse_value('"@x"', "data.path") == "@x"


@pytest.mark.parametrize("text", ["/x/pets #2", "#pics", " # pics", "[1, 2] #3", "a: b #c", "/x/a], b #2", "1 # once"])
def test_a_comment_in_a_value_is_not_dropped_silently(text: str) -> None:
    with pytest.raises(ZooError, match=r"` #` begins a comment, .*; quote the value, e\.g\. key=") as caught:
        parse_value(text, "data.path")
    assert str(caught.value).startswith(f"data.path={text}: ")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("/d/a#b", "/d/a#b"), ('"/x/pets #2"', "/x/pets #2"), ("'#pics'", "#pics"), ("x]y#z", "x]y#z")),
        *(('["a #b", c#d]', ["a #b", "c#d"]), ("{a: '#', b: 1}", {"a": "#", "b": 1})),
    ],
)
def test_a_number_sign_within_a_value_is_no_comment(text: str, value: Any) -> None:
    assert parse_value(text, "key") == value


def plain(value: Any) -> bool:
    """Whether a value holds only what a registry may hold."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and plain(inner) for key, inner in value.items())
    if isinstance(value, list):
        return all(plain(inner) for inner in value)
    return value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


ODD = "[]{}:,-?!&*|>'\"%@`#\n \t\\~=<.0x1e9_abtrueno\0\x85\u2028\ufeff\U0001f600"


@settings(max_examples=400, deadline=None)
@given(st.text(ODD, max_size=40) | st.text(max_size=40))
def test_any_text_gives_plain_data_or_one_line(text: str) -> None:
    try:
        found = parse(text, "f.yaml")
    except ZooError as error:
        assert str(error).startswith("f.yaml") and str(error).isprintable()
    else:
        assert plain(found.data)


def test_the_same_text_is_parsed_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: {b: [1, 2.5, null, true, x]}\n" + "".join(f"k{number}: {number}\n" for number in range(400))
    first = parse_cached(text, "one.yaml")
    assert first == parse(text, "one.yaml")
    as_json.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr("zoo.core.yaml.parse", None)
        assert parse_cached(text, "two.yaml").where["k3",] == "two.yaml:5"
    (kept,) = cache.parent.glob("yaml/*.json")
    kept.write_text(kept.read_text().replace("2.5", "3.5"))
    as_json.cache_clear()
    assert parse_cached(text, "one.yaml") == first, "a damaged cache file is not used"
    kept.chmod(0o666)
    as_json.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr("zoo.core.yaml.parse", None)
        with pytest.raises(TypeError):
            parse_cached(text, "one.yaml")  # is parsed again, since anybody could have written the file


@pytest.mark.parametrize(
    "body",
    [
        *("1", "null", "[[]]", "{}", '{"data": 1}', '{"data": {}, "lines": 1}', '{"data": {}, "lines": [true]}'),
        *('{"data": {"k0": 0}, "lines": []}', '{"data": {}, "lines": [[1, "k0"]]}', '{"data": {}, "lines": [[1, []]]}'),
        *('{"data": {"k0": 0}, "lines": [["1", "k0"]]}', "[" * 100_000, "{"),
    ],
)
def test_a_cached_document_of_another_form_is_not_used(cache: Path, body: str) -> None:
    text = "".join(f"k{number}: {number}\n" for number in range(400))
    as_json.cache_clear()
    first = parse_cached(text, "one.yaml")
    (kept,) = cache.parent.glob("yaml/*.json")
    kept.write_text(f"{hashlib.sha256(body.encode()).hexdigest()}\n{body}")
    as_json.cache_clear()
    assert parse_cached(text, "one.yaml") == first


def test_an_error_names_the_file_at_hand() -> None:
    for name in ("one.yaml", "two.yaml"):
        with pytest.raises(ZooError, match=f"^{name}:2: "):
            parse_cached("a: 1\na: 2\n", name)
