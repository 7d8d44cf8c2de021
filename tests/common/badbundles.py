"""Bundles that were damaged, swapped or made to harm: what `zoo pull` must refuse, or take for what it was."""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from fuzzing import VALUES

from zoo.core.files import digest, sha256

Damage = Callable[[Path, Random], None]
NAMES = ("weights.safetensors", "entry.json", "run.json", "metrics.jsonl", "manifest.json", "evaluation.json")
BAD_NAMES = [
    *(
        "../evil.json",
        "/etc/evil",
        "a/../../evil",
        "C:\\evil",
        "..\\evil",
        "evil.py",
        "model.pkl",
        ".git/config",
        "lock",
    ),
    *(
        "RUN.JSON",
        "Manifest.json",
        "run.json ",
        "run.json\x00.py",
        "run.json.",
        "weights.safetensors/",
        "con",
        "é.json",
    ),
    *("state/last.pt", "evaluation/test.json", "x" * 300, "\x1b[31m", "\u202e", "", "./run.json", "//run.json"),
]


def seal_again(folder: Path) -> None:
    """Make all checksums of a bundle right, whatever its files say."""
    entry, run = (read(folder / name) for name in ("entry.json", "run.json"))
    if isinstance(run, dict):
        run.pop("seal", None)
        run |= {"entry_sha256": digest(entry), "weights_sha256": sha256(folder / "weights.safetensors")}
        write(folder / "run.json", run | {"seal": digest(run)})
    names = ["weights.safetensors", *sorted({file.name for file in folder.iterdir()} - {"weights.safetensors"})]
    lines = [
        {"file": name, "sha256": sha256(folder / name), "bytes": (folder / name).stat().st_size}
        for name in names
        if name not in ("README.md", "manifest.json")
    ]
    about = {"schema": 1, "bundle": 1, "zoo": "0.1.0", "files": lines}
    write(folder / "manifest.json", about | {"seal": digest(about)})


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value), encoding="utf-8", errors="surrogatepass")


def pick(folder: Path, random: Random) -> Path:
    """One of the files, but not the card, which may say anything."""
    return random.choice(sorted(file for file in folder.iterdir() if file.name != "README.md"))


def truncate(folder: Path, random: Random) -> None:
    file = pick(folder, random)
    data = file.read_bytes()
    file.write_bytes(data[: random.randrange(len(data))])


def flip(folder: Path, random: Random) -> None:
    file = pick(folder, random)
    data = bytearray(file.read_bytes())
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    file.write_bytes(bytes(data))


def append(folder: Path, random: Random) -> None:
    with pick(folder, random).open("ab") as file:
        file.write(random.randbytes(random.randrange(1, 100)))


def delete(folder: Path, random: Random) -> None:
    pick(folder, random).unlink()


def rename(folder: Path, random: Random) -> None:
    file = pick(folder, random)
    file.rename(
        folder / random.choice([file.name.upper(), f"{file.name}.bak", "samples2.png", "notes.txt", "model.pkl"])
    )


def swap(folder: Path, random: Random) -> None:
    one, other = random.sample(sorted(file for file in folder.iterdir() if file.name != "README.md"), 2)
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)


def add_file(folder: Path, random: Random) -> None:
    names = [name for name in BAD_NAMES if name and not set(name) & set("/\\\x00") and len(name) < 200]
    (folder / random.choice(names)).write_bytes(b"import os")


def add_folder(folder: Path, random: Random) -> None:
    (folder / random.choice(["state", "evaluation", ".git", "README.md.d"])).mkdir()


def link(folder: Path, random: Random) -> None:
    file = pick(folder, random)
    aside = folder.with_name(f"{folder.name}-aside")
    shutil.copy(file, aside)
    file.unlink()
    file.symlink_to(random.choice([aside, Path("..") / aside.name, Path("/etc/passwd"), folder, Path("nowhere")]))


def pipe(folder: Path, random: Random) -> None:
    file = pick(folder, random)
    file.unlink()
    os.mkfifo(file)


def foreign(folder: Path, random: Random) -> None:
    """The weights of another model, with right checksums."""
    from numpy import zeros
    from safetensors.numpy import save_file

    shape = random.choice([(3,), (1,), (2, 2), (0,)])
    save_file({random.choice(["w", "head.weight", ""]): zeros(shape, "float32")}, folder / "weights.safetensors")
    seal_again(folder)


def long_header(folder: Path, random: Random) -> None:
    """Weights whose header says something impossible, with right checksums."""
    data = (folder / "weights.safetensors").read_bytes()
    header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
    name = random.choice([key for key in header if key != "__metadata__"])
    change: Any = random.choice([{"shape": [2**40]}, {"dtype": "X"}, {"data_offsets": [0, 2**50]}, {"shape": [-1]}])
    header[name] |= change
    text = json.dumps(header).encode()
    size = random.choice([len(text), 2**63, 2**62, 100_000_001])
    (folder / "weights.safetensors").write_bytes(struct.pack("<Q", size) + text + data[-100:])
    seal_again(folder)


def change_json(folder: Path, random: Random) -> None:
    """Another value somewhere in a JSON file, with right checksums."""
    path = folder / random.choice([name for name in NAMES if name.endswith(".json") and name != "manifest.json"])
    value = read(path)
    place: Any = value
    for _ in range(random.randrange(1, 4)):
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            break
        key = random.choice(keys)
        if not isinstance(place[key], dict | list) or random.random() < 0.4:
            break
        place = place[key]
    else:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = random.choice(keys) if keys else None
    if isinstance(place, dict | list) and keys:
        place[key] = random.choice(VALUES)
    write(path, value)
    seal_again(folder)


def change_manifest(folder: Path, random: Random) -> None:
    value = read(folder / "manifest.json")
    value.pop("seal")
    line = random.choice(value["files"])
    what = random.randrange(6)
    if what == 0:
        line["file"] = random.choice([*BAD_NAMES, None, 3, []])
    elif what == 1:
        line["bytes"] = random.choice([0, -1, 2**70, "9", None, line["bytes"] + 1])
    elif what == 2:
        line["sha256"] = random.choice(["", None, "0" * 64, line["sha256"].upper()])
    elif what == 3:
        value["files"] = random.choice([[], None, {}, "x", value["files"] * 2, value["files"][::-1], [None], [[]]])
    elif what == 4:
        value[random.choice(["schema", "bundle"])] = random.choice([2, 99, -1, None, "1", 1.5, [], True])
    else:
        line["more"] = 1
    write(folder / "manifest.json", value | {"seal": digest(value)})


def change_lines(folder: Path, random: Random) -> None:
    """Another log, with right checksums."""
    path = folder / "metrics.jsonl"
    more = random.choice(['{"stage": 1}', "[]", "{", "NaN", '{"stage": "m", "epoch": 1, "valid": {"x": "y"}}', "\x00"])
    path.write_text(random.choice([more, path.read_text() + more, ""]))
    seal_again(folder)


def no_picture(folder: Path, random: Random) -> None:
    data = (folder / "samples.png").read_bytes()
    huge = data[:16] + struct.pack(">II", 2**31 - 1, 2**31 - 1) + data[24:]
    (folder / "samples.png").write_bytes(
        random.choice([b"", b"GIF89a", b"<svg/>", data[:20], huge, b"\x89PNG\r\n\x1a\n"])
    )
    seal_again(folder)


def hostile_card(folder: Path, random: Random) -> None:
    (folder / "README.md").write_bytes(random.choice([b"\xff\xfe\x00", b"\x00" * 17_000_000]))


CHECKSUMS_WRONG: list[Damage] = [truncate, flip, append, delete, rename, swap, add_file, add_folder, change_manifest]
CHECKSUMS_WRONG += [hostile_card, *([link, pipe] if os.name != "nt" else [])]
"""What must not be accepted, unless the content is the same."""
CHECKSUMS_RIGHT: list[Damage] = [foreign, long_header, change_lines, no_picture]
"""What must not be accepted, although all checksums are right."""


def pack(folder: Path, target: Path, compression: int = zipfile.ZIP_DEFLATED) -> None:
    """Write a plain .zip file."""
    with zipfile.ZipFile(target, "w", compression) as archive:
        for file in sorted(folder.iterdir()):
            if file.is_file():
                archive.write(file, file.name)


def bad_zip(folder: Path, target: Path, random: Random) -> None:
    """Write a .zip file that no `zoo push` writes."""
    with warnings.catch_warnings():  # about duplicate names
        warnings.simplefilter("ignore")
        random.choice(ZIPS)(folder, target, random)


def odd_name(folder: Path, target: Path, random: Random) -> None:
    pack(folder, target)
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr(zipfile.ZipInfo(random.choice(BAD_NAMES)), b"evil")


def moved_below(folder: Path, target: Path, random: Random) -> None:
    with zipfile.ZipFile(target, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"{random.choice(['cnn', '..', '.', '/', '__MACOSX'])}/{file.name}")


def twice(folder: Path, target: Path, random: Random) -> None:
    pack(folder, target)
    with zipfile.ZipFile(target, "a") as archive:
        archive.writestr(random.choice(NAMES), random.choice([b"{}", b"", b"evil"]))


def symbolic(folder: Path, target: Path, random: Random) -> None:
    name = random.choice(NAMES)
    with zipfile.ZipFile(target, "w") as archive:
        for file in folder.iterdir():
            about = zipfile.ZipInfo(file.name)
            kind = random.choice([0o120777, 0o010644, 0o060644, 0o140644, 0o040755]) if file.name == name else 0o100644
            about.external_attr = kind << 16
            archive.writestr(about, b"/etc/passwd" if file.name == name else file.read_bytes())


def odd_method(folder: Path, target: Path, random: Random) -> None:
    pack(folder, target, random.choice([zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]))


def bomb(folder: Path, target: Path, random: Random) -> None:
    """A file of zeros that unpacks to many times its size, whose table of contents may say less."""
    pack(folder, target)
    name = random.choice(["weights.safetensors", "evaluation.json", "README.md", "samples.png"])
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in folder.iterdir():
            archive.writestr(file.name, b"\0" * 17_000_000 if file.name == name else file.read_bytes())
    if random.random() < 0.5:
        data = target.read_bytes()
        target.write_bytes(data.replace(struct.pack("<I", 17_000_000), struct.pack("<I", random.choice([9, 9999]))))


def header_bytes(folder: Path, target: Path, random: Random) -> None:
    """Bytes changed in the headers, such as the flags for encryption, sizes, offsets and methods."""
    pack(folder, target)
    data = bytearray(target.read_bytes())
    start = random.choice([data.find(b"PK\x01\x02"), data.find(b"PK\x03\x04"), len(data) - 22])
    for _ in range(random.randrange(1, 4)):
        data[min(start + random.randrange(46), len(data) - 1)] = random.choice([0, 1, 9, 127, 255])
    target.write_bytes(bytes(data))


def encrypted(folder: Path, target: Path, random: Random) -> None:
    pack(folder, target)
    data = bytearray(target.read_bytes())
    place = data.find(b"PK\x01\x02")
    for _ in range(random.randrange(3)):
        place = data.find(b"PK\x01\x02", place + 1)
    data[place + 8] |= random.choice([1, 0x41])
    target.write_bytes(bytes(data))


def cut(folder: Path, target: Path, random: Random) -> None:
    pack(folder, target)
    data = target.read_bytes()
    start, end = sorted(random.sample(range(len(data)), 2))
    target.write_bytes(random.choice([data[:end], data[start:], data[:start] + data[end:]]))


def no_zip(folder: Path, target: Path, random: Random) -> None:
    many = io.BytesIO()
    with zipfile.ZipFile(many, "w") as archive:
        for number in range(2000):
            archive.writestr(f"{number}.json", b"")
    end = b"PK\x05\x06" + b"\0" * 18
    choices = [
        b"",
        b"PK",
        end,
        b"x" * 100 + end,
        many.getvalue(),
        b"\x1f\x8b" + b"x" * 50,
        b"PK\x06\x07" + b"\0" * 16 + end,
    ]
    target.write_bytes(random.choice(choices))


def damaged_content(folder: Path, target: Path, random: Random) -> None:
    random.choice([truncate, flip, append, delete, swap, add_file])(folder, random)
    pack(folder, target)


ZIPS = [odd_name, moved_below, twice, symbolic, odd_method, bomb, header_bytes, encrypted, cut, no_zip, damaged_content]
