"""Mutated inputs: how a file of any kind is changed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

from zoo.core.files import digest, sha256

VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 10**400, 2**63, 1e308, -0.0, "", "x", "\x1b[31m", "../..", "\u202e", [], {}, [[]]),
    *({"": {}}, "9" * 5000, [1, "a", None], {"loss": "x"}, "con", "a\nb", float("nan"), 2**40, -(2**31), 1e-320, "nan"),
]
WORDS = [
    *("model.blocks", "model.first", "train.epochs", "train.lr", "data.limit", "data.path", "data.kind", "prior.kind"),
    *("model.kind", "tune.space", "train.stages", "", ".", "model.", "x.y.z", "model.blocks.first", "\x1b[2J"),
]
TOKENS = [
    *(b"", b"\xff\xfe", b"NaN", b"[", b"{", b"&a ", b"*a", b"!!int ", b"? ", b"\n", b": ", b"- ", b"1e999", b"null"),
    *(b'"', b"'", b"#", b"|\n", b"---\n", b"\t", b"\r", b"\xe2\x80\xae", b"\x00", b"0x", b"~", b"<<: ", b"%"),
]
CHECKSUM_LINE = re.compile(r"[0-9a-f]{64}\n")
"""The first line of a cached JSON file: the checksum of the rest."""


def mutated_bytes(data: bytes, chance: Random) -> bytes:
    """The bytes with a few of them changed, or with a cut, an insertion, zeros, or a piece of themselves."""
    if data and chance.random() < 0.4:
        return with_other_bytes(data, chance)
    for _ in range(chance.choice((1, 1, 2, 8))):
        at, size = chance.randrange(len(data) + 1), chance.choice((1, 4, 40, 400))
        token = chance.choice(TOKENS) * chance.choice((1, 1, 1, size))
        piece = chance.choice((b"", chance.randbytes(size), bytes(size), data[:size], token))
        data = data[:at] + piece + data[at + chance.choice((0, 1, size, 10**9)) :]
    return data


def with_other_bytes(data: bytes, chance: Random) -> bytes:
    """The bytes with one to eight of them changed, each by one bit, to a digit, a letter or anything."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8))):
        at = chance.randrange(len(data))
        digit, letter = chance.choice(b"0123456789"), chance.choice(b"abcx_ -:.,{}[]")
        changed[at] = chance.choice((changed[at] ^ (1 << chance.randrange(8)), digit, letter, chance.randrange(256)))
    return bytes(changed)


def mutated_value(value: Any, chance: Random) -> Any:
    """The JSON value with one part replaced, removed, added or moved."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(sorted(value))
        how = chance.random()
        if how < 0.1:
            return {name: part for name, part in value.items() if name != key}
        if how < 0.15:
            return value | {chance.choice(WORDS): chance.choice(VALUES)}
        return value | {key: mutated_value(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.7:
        index = chance.randrange(len(value))
        return [*value[:index], mutated_value(value[index], chance), *value[index + 1 :]]
    return chance.choice(VALUES)


def mutate_json(path: Path, chance: Random) -> None:
    """Change a value in a JSON file, and renew its seal, as a hostile author would."""
    text = path.read_text(encoding="utf-8")
    if CHECKSUM_LINE.match(text):
        body = json.dumps(mutated_value(json.loads(text[65:]), chance))
        path.write_text(f"{hashlib.sha256(body.encode()).hexdigest()}\n{body}", encoding="utf-8")
    else:
        write_sealed(path, mutated_value(json.loads(text), chance))


def write_sealed(path: Path, value: Any) -> None:
    """Write a JSON file with the seal that fits, if it has one."""
    if isinstance(value, dict) and "seal" in value:
        value["seal"] = digest({key: part for key, part in value.items() if key != "seal"})
    path.write_text(json.dumps(value), encoding="utf-8")


def mutate_lines(path: Path, chance: Random) -> None:
    """Change a value in one of the lines of a log."""
    lines = path.read_text(encoding="utf-8").splitlines()
    index = chance.randrange(len(lines))
    lines[index] = json.dumps(mutated_value(json.loads(lines[index]), chance))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def mutate_tensors(path: Path, chance: Random) -> None:
    """Change the header of a safetensors file, or the JSON inside it."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header, about = json.loads(data[8 : 8 + size]), {}
    about = header.get("__metadata__", {})
    if about and chance.random() < 0.7:
        key = chance.choice(sorted(about))
        about[key] = json.dumps(mutated_value(json.loads(about[key]), chance))
    else:
        header = mutated_value(header, chance)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size :])


def mutate_database(path: Path, chance: Random) -> None:
    """Change a value in one row or column of an SQLite file, or remove rows or a table."""
    with closing(sqlite3.connect(path)) as file:
        tables = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        table = chance.choice(tables)
        column = chance.choice([row[1] for row in file.execute(f"PRAGMA table_info({table})")])
        value = chance.choice([None, -1, 0, 2**40, 1e308, "", "x", "\x1b[31m", b"\xff\x00", "[1]", '{"a": 1}', "NaN"])
        some = chance.choice(("", " WHERE rowid = (SELECT min(rowid) FROM " + table + ")"))
        how = chance.random()
        try:
            if how < 0.1:
                file.execute(f"DROP TABLE {table}")
            elif how < 0.2:
                file.execute(f"DELETE FROM {table}{some}")
            else:
                file.execute(f"UPDATE {table} SET {column} = ?{some}", [value])
            file.commit()
        except sqlite3.Error:
            file.rollback()


def reseal(folder: Path) -> None:
    """Renew what a run's record says of its entry and its weights, and the record's seal."""
    path = folder / "run.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["entry_sha256"] = digest(json.loads((folder / "entry.json").read_text(encoding="utf-8")))
    if "weights_sha256" in record and (folder / "weights.safetensors").is_file():
        record["weights_sha256"] = sha256(folder / "weights.safetensors")
    write_sealed(path, record)


def refit(path: Path) -> None:
    """Let a manifest beside a file say that it is as it should be."""
    manifest = path.parent / "manifest.json"
    if not manifest.is_file():
        return
    content = json.loads(manifest.read_text(encoding="utf-8"))
    for line in content["files"]:
        if line["file"] == path.name:
            line |= {"sha256": sha256(path), "bytes": path.stat().st_size}
    manifest.write_text(json.dumps(content), encoding="utf-8")


def replace_by_odd(path: Path, chance: Random) -> None:
    """Put something else in a file's place, or nothing."""
    path.unlink()
    how = chance.randrange(6)
    if how == 0:
        os.mkfifo(path)
    elif how == 1:
        path.mkdir()
    elif how == 2:
        path.symlink_to("nowhere")
    elif how == 3:
        path.symlink_to("/dev/zero")
    elif how == 4:
        path.touch()


def mutate_file(path: Path, chance: Random) -> str:
    """Change a file somehow; return how: odd, bytes, value, or resealed where all checksums fit again."""
    how = chance.random()
    if how < 0.12:
        replace_by_odd(path, chance)
        return "odd"
    change = {
        ".json": mutate_json,
        ".jsonl": mutate_lines,
        ".safetensors": mutate_tensors,
        ".db": mutate_database,
    }.get(path.suffix)
    if change is None or how > 0.7:
        path.write_bytes(mutated_bytes(path.read_bytes(), chance))
        return "bytes"
    change(path, chance)
    if path.suffix == ".safetensors" and chance.random() < 0.8:
        refit(path)
        if path.name.startswith("weights"):
            reseal(path.parent)
        return "resealed"
    if path.name == "entry.json" and chance.random() < 0.7:
        reseal(path.parent)
        return "resealed"
    return "value"


def remove_all(place: Path) -> None:
    """Remove a folder that may hold anything."""
    shutil.rmtree(place, ignore_errors=True)
