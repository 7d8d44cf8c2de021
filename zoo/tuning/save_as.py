"""Save the best trial of a study as an entry of a registry file, without changing the rest of its text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node

from zoo.core.errors import ZooError
from zoo.core.files import check_name, digest, write_text
from zoo.core.yaml import parse
from zoo.registry.entry import Entry, restore_entry
from zoo.registry.results import BYTE_ORDER_MARK, read_registry_text
from zoo.runs.lock import lock_file
from zoo.runs.run import Run
from zoo.tuning.study import Study

WORD = re.compile(r"[A-Za-z_][\w-]*")
LINE = re.compile(r"[^\n]*\n|[^\n]+")


def check_free(path: Path, name: str) -> None:
    """Raise ZooError if an entry of this name cannot be added to a registry file."""
    check_name(name, "the entry")
    insert_entry(path, read_registry_text(path, "an entry"), name, {"model": {"kind": "any"}})


def save_as(path: Path, name: str, study: Study) -> None:
    """Write the best trial of a study as an entry of a registry file.

    Raises ZooError if that is not possible.
    """
    best = study.best
    if best is None:
        raise ZooError(f"{study.path} has no finished trial, so nothing was saved as {name}")
    entry = Run.open(best.run).entry
    figures = [] if best.loss is None else [f"loss {best.loss:.4g}"]
    figures += [] if best.parameters is None else [f"{best.parameters:,} parameters"]
    summary = f"best of {study.name}: {', '.join(figures)}".strip(": ")
    body = {"summary": summary, **entry_sections(entry)}
    with lock_file(path):
        write_text(path, insert_entry(path, read_registry_text(path, "an entry"), name, body), follow_link=True)


def entry_sections(entry: Entry) -> dict[str, Any]:
    """Return the sections to write for an entry; with all options if those set do not determine the others."""
    short: dict[str, Any] = {
        key: {"kind": part.name, **part.spec.model_dump(mode="json", exclude_defaults=True)}
        for key, part in entry.components.items()
    }
    short |= {"train": entry.train.model_dump(mode="json", exclude_defaults=True)}
    whole = {key: value for key, value in entry.dump().items() if key in short}
    try:
        same = restore_entry({"name": entry.name, "summary": entry.summary, **short}).dump() == entry.dump()
    except ZooError:
        same = False
    return short if same else whole


def insert_entry(path: Path, text: str, name: str, body: dict[str, Any]) -> str:
    """Return the text with one more entry.

    Raises ZooError if the name is taken or no position for it is found.
    """
    mark = BYTE_ORDER_MARK * text.startswith(BYTE_ORDER_MARK)
    text = text.removeprefix(mark)
    data, _ = parse(text, str(path))
    if not isinstance(data, dict) or "version" not in data or not isinstance(data.get("entries"), dict | None):
        raise ZooError(f"{path} is not a registry, so no entry can be added")
    before = data.get("entries") or {}
    if name in before:
        raise ZooError(f"{path} already has an entry {name!r}", "choose another --save-as")
    wanted = digest(data | {"entries": before | {name: body}})
    for new in insertions(text, name, body):
        try:
            if digest(parse(new, str(path)).data) == wanted:
                return mark + new
        except ZooError:
            continue
    raise ZooError(f"{path}: found no place to insert an entry", "write `entries:` with one block per entry below it")


def insertions(text: str, name: str, body: dict[str, Any]) -> Iterator[str]:
    """Yield the text with the entry at each possible position."""
    root = YAML(typ="safe", pure=True).compose(text)
    nodes: dict[str, tuple[Node, Node]] = {key.value: (key, value) for key, value in root.value}
    if "entries" not in nodes:
        before = nodes.get("results")
        yield from block_insertions(text, before[0].start_mark.line if before else None, 2, name, body, "entries:")
        return
    key, entries = nodes["entries"]
    if not entries.value or not isinstance(entries, MappingNode):
        if entries.value != "":
            end = entries.end_mark.index
            text = re.sub(r"\s*(\{\s*\}|null|~)$", "", text[:end], flags=re.IGNORECASE) + text[end:]
        yield from block_insertions(text, key.start_mark.line + 1, 2, name, body)
        return
    if entries.flow_style:
        end = entries.end_mark.index - 1
        for start in (text[:end].rstrip(), text[:end]):
            yield f"{start}, {name}: {to_flow_yaml(body)}{text[end:]}"
            yield f"{start} {name}: {to_flow_yaml(body)}{text[end:]}"
        return
    later = [other.start_mark.line for other, _ in root.value if other.start_mark.line > key.start_mark.line]
    yield from block_insertions(text, min(later, default=None), entries.start_mark.column, name, body)


def block_insertions(
    text: str, line: int | None, indent: int, name: str, body: dict[str, Any], head: str = ""
) -> Iterator[str]:
    """Yield the text with the entry as a block before a line, first above its comments and blank lines."""
    lines: list[str] = LINE.findall(text)
    end = "\r\n" if "\r\n" in text else "\n"
    new = [f"{' ' * indent}{name}:"]
    new += [f"{' ' * (indent + 2)}{key}: {to_flow_yaml(value)}" for key, value in body.items()]
    position = len(lines) if line is None else line
    above = position
    while above and re.fullmatch(r"(#.*|\s*|\.\.\.\s*)", lines[above - 1].rstrip("\r\n")):
        above -= 1
    for at in dict.fromkeys((above, position)):
        before = "".join(lines[:at])
        before += end if before and not before.endswith("\n") else ""
        yield before + "".join(f"{row}{end}" for row in [head, *new] if row) + "".join(lines[at:])


def to_flow_yaml(value: Any) -> str:
    """Format a value as one line of YAML, with quotes only if needed."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{to_flow_yaml(key)}: {to_flow_yaml(part)}' for key, part in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(to_flow_yaml, value))}]"
    plain = isinstance(value, str) and WORD.fullmatch(value) and parse(value, "").data == value
    return str(value) if plain else json.dumps(value, ensure_ascii=False, allow_nan=False)
