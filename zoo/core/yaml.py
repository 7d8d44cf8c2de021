"""YAML with line numbers: plain data only; anchors, tags, directives and duplicate keys are refused."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.core.errors import ResourceError, ZooError
from zoo.core.files import cache_dir, write_text
from zoo.core.trust import read_bytes
from zoo.core.version import __version__

if TYPE_CHECKING:
    from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

MAX_DEPTH = 32
MAX_CHARACTERS = 500_000
MIN_CACHED_CHARACTERS = 2_000
"""Shorter texts are parsed faster than a cache file is written."""
BRACKETS = {"[": 1, "{": 1, "]": -1, "}": -1}
TAG_PREFIX = "tag:yaml.org,2002:"
TEXT_TAGS = {f"{TAG_PREFIX}{name}" for name in ("str", "timestamp", "value")}
PLAIN_TAGS = {f"{TAG_PREFIX}{name}" for name in ("int", "float", "bool", "null")}
KeyPath = tuple[str, ...]


class Document(NamedTuple):
    """A YAML document as plain data, with the position of each key."""

    data: Any
    where: dict[KeyPath, str]
    """`file:line` of every key, by its path of keys."""


def parse(text: str, name: str) -> Document:
    """Parse YAML 1.2; every error is one line with file and line number."""
    # the parser takes 60 ms to import, which most commands do not need
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError
    from ruamel.yaml.reader import ReaderError

    check_text(text, name)
    reader = YAML(typ="safe", pure=True)
    try:
        root = reader.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark else name
        raise ZooError(f"{where}: not YAML: {error.problem or error.context}") from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ZooError(
            f"{name}:{line}: not YAML: the character {ord(text[error.position]):#x} is not allowed"
        ) from None
    except RecursionError:
        raise ZooError(f"{name}: too deeply nested") from None
    except Exception as error:  # the parser has bugs, and its exceptions for malformed text are undocumented
        raise ZooError(f"{name}: not YAML: {type(error).__name__}: {str(error)[:200]}") from None
    builder = Builder(name, {}, reader.constructor)
    return Document(None if root is None else builder.build(root, ()), builder.where)


def parse_cached(text: str, name: str) -> Document:
    """Parse YAML 1.2, or load what the same text was parsed to before, from memory or the cache folder."""
    try:
        kept = json.loads(as_json(text))
    except ZooError:
        return parse(text, name)  # for the error with the name of this file
    return Document(kept["data"], {tuple(keys): f"{name}:{line}" for line, *keys in kept["lines"]})


@lru_cache(maxsize=8)
def as_json(text: str) -> str:
    """Convert YAML to a JSON object with `data` and `lines`, the line number and path of each key."""
    if len(text) < MIN_CACHED_CHARACTERS:
        return dump_json(parse(text, ""))
    key = hashlib.sha256(f"{__version__}\0{text}".encode(errors="surrogatepass")).hexdigest()
    path = cache_dir() / "yaml" / f"{key}.json"
    with suppress(OSError, UnicodeError):
        checksum, _, kept = read_bytes(path, own=True).decode().partition("\n")
        if hashlib.sha256(kept.encode()).hexdigest() == checksum and is_document(kept):
            return kept
    made = dump_json(parse(text, ""))
    with suppress(OSError, ResourceError):
        write_text(path, f"{hashlib.sha256(made.encode()).hexdigest()}\n{made}")
    return made


def dump_json(document: Document) -> str:
    """Convert a document without a name to JSON."""
    lines = [[int(where.removeprefix(":")), *keys] for keys, where in document.where.items()]
    return json.dumps({"data": document.data, "lines": lines}, allow_nan=False)


def is_document(text: str) -> bool:
    """Whether a text is what `dump_json` writes: plain data, and the line of each of its keys."""
    try:
        kept = json.loads(text)
        lines = {tuple(keys): line for line, *keys in kept["lines"]}
        return lines.keys() == set(key_paths(kept["data"])) and all(type(line) is int for line in lines.values())
    except (ValueError, LookupError, TypeError, RecursionError):
        return False


def key_paths(data: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Yield the path of every key in nested mappings and lists."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in inner:
        here = (*path, str(key))
        if isinstance(data, dict):
            yield here
        if isinstance(value, dict | list):
            yield from key_paths(value, here)


def check_text(text: str, name: str) -> None:
    """Refuse texts that would take the parser very long, and directives."""
    if len(text) > MAX_CHARACTERS:
        raise ZooError(f"{name}: larger than {MAX_CHARACTERS:,} characters; is it really a registry?")
    if max(accumulate(BRACKETS[mark] for mark in text if mark in BRACKETS), default=0) > 10 * MAX_DEPTH:
        raise ZooError(f"{name}: too deeply nested")
    if directive := re.search(r"^%", text, re.MULTILINE):
        raise ZooError(f"{name}:{line_of(text, directive.start())}: directives (%) are not allowed; remove the line")


def line_of(text: str, position: int) -> int:
    """Get the line number of a position in a text, from 1."""
    return text.count("\n", 0, position) + 1


class Builder(NamedTuple):
    """Converts YAML nodes to plain data."""

    name: str
    where: dict[KeyPath, str]
    constructor: Any
    """The constructor of ruamel.yaml, which parses numbers."""

    def build(self, node: Node, path: KeyPath) -> Any:
        """Convert the node at a path."""
        if node.anchor is not None:
            raise self.fail(node, "anchors (&) and aliases (*) are not allowed; use `extends`")
        if len(path) > MAX_DEPTH:
            raise self.fail(node, f"nested deeper than {MAX_DEPTH} levels")
        from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

        if isinstance(node, ScalarNode):
            return self.scalar(node)
        if isinstance(node, SequenceNode) and node.tag == f"{TAG_PREFIX}seq":
            return [self.build(item, (*path, str(index))) for index, item in enumerate(node.value)]
        if isinstance(node, MappingNode) and node.tag == f"{TAG_PREFIX}map":
            return self.mapping(node, path)
        raise self.tag_error(node)

    def mapping(self, node: MappingNode, path: KeyPath) -> dict[str, Any]:
        """Convert a mapping; keys stay text as written, so that a class may be called 1 or true."""
        from ruamel.yaml.nodes import ScalarNode

        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, ScalarNode) else ""
            if not key or key_node.anchor is not None or key_node.tag not in PLAIN_TAGS | TEXT_TAGS:
                raise self.fail(key_node, "keys must be plain words")
            if key in found:
                raise self.fail(key_node, f"the key {key[:60]!r} appears twice")
            self.where[(*path, key)] = self.position(key_node)
            found[key] = self.build(value_node, (*path, key))
        return found

    def scalar(self, node: ScalarNode) -> Any:
        """Convert a scalar: text, a finite number of at most 64 bits, true, false or null."""
        if node.tag in TEXT_TAGS:
            return str(node.value)
        if node.tag not in PLAIN_TAGS:
            raise self.tag_error(node)
        try:
            value = self.constructor.construct_object(node)
        except (ValueError, KeyError):
            raise self.fail(
                node, f"{node.value[:60]!r} cannot be read as {node.tag.removeprefix(TAG_PREFIX)}"
            ) from None
        if isinstance(value, float) and not math.isfinite(value):
            raise self.fail(node, f"{node.value[:60]} is not a finite number")
        if isinstance(value, int) and not -(2**63) <= value < 2**64:
            raise self.fail(node, "the number has more than 64 bits")
        return value

    def tag_error(self, node: Node) -> ZooError:
        """Make the error for a forbidden tag."""
        tag = str(node.tag).replace(TAG_PREFIX, "!!")
        return self.fail(node, f"the tag {tag[:60]!r} is not allowed; write plain values")

    def fail(self, node: Node, problem: str) -> ZooError:
        """Make an error at a node."""
        return ZooError(f"{self.position(node)}: {problem}")

    def position(self, node: Node) -> str:
        """Get `file:line` of a node."""
        return f"{self.name}:{node.start_mark.line + 1}"


def parse_value(text: str, name: str) -> Any:
    """Parse a value given as `key=value` on the command line; text that is not YAML needs quotes."""
    if not text.strip():
        return ""
    try:
        found = parse(text, name).data
    except ZooError as error:
        problem = error.args[0].removeprefix(f"{name}:1: ").removeprefix(f"{name}: ")
        raise ZooError(f"{name}={text[:80]}: {problem}", "quote text with such characters, e.g. key='\"@x\"'") from None
    if "#" in text and has_comment(text):
        problem = "` #` begins a comment, so the rest would be lost"
        raise ZooError(f"{name}={text[:80]}: {problem}", "quote the value, e.g. key='\"a #b\"'")
    return found


def has_comment(text: str) -> bool:
    """Whether a `#` in YAML begins a comment, rather than being part of a value."""
    from ruamel.yaml import YAML
    from ruamel.yaml.tokens import ScalarToken

    tokens = [token for token in YAML(typ="safe", pure=True).scan(text) if isinstance(token, ScalarToken)]
    spans = [range(token.start_mark.index, token.end_mark.index) for token in tokens]
    return any(mark == "#" and not any(place in span for span in spans) for place, mark in enumerate(text))
