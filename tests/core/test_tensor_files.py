"""Weights in files: what was saved comes back bit for bit, and anything else is one line, never other numbers."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from zoo.core.errors import RunError
from zoo.core.files import write_json
from zoo.core.tensor_files import (
    current_names,
    load_into,
    load_tensors,
    read_manifest,
    read_weights,
    save_tensors,
    write_weights,
)


@pytest.fixture
def net() -> nn.Module:
    """A small module with floats, a counter and a scalar."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))


@pytest.fixture
def folder(tmp_path: Path, net: nn.Module) -> Path:
    """A folder with the weights of the module."""
    write_weights(tmp_path, net.state_dict())
    return tmp_path


def one_line(caught: pytest.ExceptionInfo[RunError]) -> str:
    """The message, which is one line and has exit code 5."""
    assert caught.value.code == 5
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_there_and_back_bit_for_bit(folder: Path, net: nn.Module) -> None:
    found = read_weights(folder)
    assert {name: value.dtype for name, value in found.items()} == {n: v.dtype for n, v in net.state_dict().items()}
    other = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    load_into(other, found, "weights")
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in net.state_dict().items())


class Inner(nn.Module):
    """Had its layer and its scale under other names."""

    renamed_parameters: ClassVar[dict[str, str]] = {"layer": "first", "gain": "scale"}

    def __init__(self) -> None:
        super().__init__()
        self.first, self.scale = nn.Linear(2, 3), nn.Parameter(torch.ones(2))


class Heir(Inner):
    """Has renamed one more."""

    renamed_parameters: ClassVar[dict[str, str]] = {"bend": "bow"}

    def __init__(self) -> None:
        super().__init__()
        self.bow = nn.Parameter(torch.ones(1))


class Reused(nn.Module):
    """Uses an older name for something else."""

    renamed_parameters: ClassVar[dict[str, str]] = {"first": "second"}

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))


class Outer(nn.Module):
    """Had its part under another name."""

    renamed_parameters: ClassVar[dict[str, str]] = {"inner": "parts"}

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList([Inner(), Inner()])
        self.layered = nn.Linear(1, 1)


def test_weights_of_older_names_are_loaded_under_those_of_now() -> None:
    net = Outer()
    older = {
        name.replace("parts.", "inner.").replace("first.", "layer.").replace("scale", "gain"): value + 1
        for name, value in net.state_dict().items()
    }
    assert {"inner.0.layer.weight", "inner.1.gain", "layered.bias"} <= older.keys()
    load_into(net, older, "weights")
    assert all(torch.equal(net.state_dict()[name], value) for name, value in current_names(net, older).items())
    assert list(current_names(net, net.state_dict())) == list(net.state_dict())
    assert current_names(Heir(), {"gain": 1, "bend": 2, "layer.bias": 3}) == {"scale": 1, "bow": 2, "first.bias": 3}
    assert current_names(Reused(), {"first": 1, "second": 2}) == {"first": 1, "second": 2}, "a new one has the name"
    with pytest.raises(RunError, match="only one of them has"):
        load_into(net, older | {"inner.0.layers": torch.ones(1)}, "weights")


def test_views_shared_and_strided_tensors_are_saved_as_they_look(tmp_path: Path) -> None:
    base = torch.arange(24.0).reshape(4, 6)
    odd = {"base": base, "same": base, "row": base[1], "t": base.T, "cut": base[:, 1:3], "flat": base.view(-1)}
    odd |= {"empty": torch.empty(0, 3), "scalar": torch.tensor(3), "last": torch.ones(2, 3, 4, 4).to(
        memory_format=torch.channels_last
    )}  # fmt: skip
    line = save_tensors(tmp_path / "a.safetensors", odd, {"step": 3, "of": ["x", None, 0.1]})
    found, plain = load_tensors(tmp_path / "a.safetensors", line)
    assert plain == {"step": 3, "of": ["x", None, 0.1]}
    assert all(torch.equal(found[name], value) for name, value in odd.items())
    assert line["bytes"] == (tmp_path / "a.safetensors").stat().st_size


def test_the_same_weights_give_the_same_file(tmp_path: Path, net: nn.Module) -> None:
    assert write_weights(tmp_path / "a", net.state_dict()) == write_weights(tmp_path / "b", dict(net.state_dict()))


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The bytes with a flip, a cut, an insertion, zeros, or a piece of themselves."""
    at, size = chance.randrange(len(data)), chance.randint(1, 40)
    rest = data[at + size :]
    return {
        0: lambda: data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :],
        1: lambda: data[:at],
        2: lambda: data[:at] + chance.randbytes(size) + data[at:],
        3: lambda: data[:at] + bytes(min(size, len(data) - at)) + rest,
        4: lambda: data[:at] + data[:size] + rest,
        5: lambda: data[:at] + chance.randbytes(min(size, len(data) - at)) + rest,
    }[chance.randrange(6)]()


@pytest.mark.parametrize("name", ["weights.safetensors", "manifest.json"])
def test_mutations_are_never_other_weights(name: str, folder: Path, net: nn.Module) -> None:
    path, chance, refused = folder / name, random.Random(1), 0
    whole, own = path.read_bytes(), net.state_dict()
    for _ in range(300):
        path.write_bytes(mutated(whole, chance))
        try:
            found = read_weights(folder)
        except RunError as error:
            assert str(error).isprintable()
            refused += 1
        else:
            assert found.keys() == own.keys()
            assert all(torch.equal(value, own[key]) for key, value in found.items())
    assert refused > 200


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is damaged: Expecting value"),
        (b"[]", "is damaged: "),
        (b"{}", "is damaged: 'schema'"),
        (b"\xff\xfe", "is damaged: 'utf-8' codec"),
        (b"[" * 100_000, "is damaged: "),
        (b'{"schema": 1, "files": []}', "must list at least one file in its folder"),
        (
            b'{"schema": 1, "files": [{"file": "../w", "sha256": "", "bytes": 1}]}',
            "must list at least one file in its folder",
        ),
        (
            b'{"schema": 1, "files": [{"file": "w", "sha256": "", "bytes": Infinity}]}',
            "is damaged: Infinity is not a finite number",
        ),
        (b'{"schema": 2, "files": []}', "was written by a newer zoo; upgrade pixel-zoo to read it"),
    ],
)
def test_a_damaged_manifest(content: bytes, expected: str, folder: Path) -> None:
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(RunError) as caught:
        read_manifest(folder / "manifest.json")
    assert expected in one_line(caught)


def test_missing_files(folder: Path) -> None:
    (folder / "weights.safetensors").rename(folder / "w")
    with pytest.raises(RunError, match=r"weights\.safetensors is missing$"):
        read_weights(folder)
    (folder / "weights.safetensors").mkdir()
    with pytest.raises(RunError):
        read_weights(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(RunError, match=r"manifest\.json is missing, so the weights cannot be checked"):
        read_weights(folder)


def test_a_file_of_the_right_hash_that_is_no_safetensors_file(folder: Path) -> None:
    torch.save({"a": torch.zeros(3)}, folder / "weights.safetensors")
    for content in ((folder / "weights.safetensors").read_bytes(), b"", struct.pack("<Q", 2**60) + b"{}"):
        (folder / "weights.safetensors").write_bytes(content)
        adopt(folder)
        with pytest.raises(RunError) as caught:
            read_weights(folder)
        assert "weights.safetensors cannot be read: " in one_line(caught)


def adopt(folder: Path) -> None:
    """Write a manifest for whatever lies in the folder."""
    from zoo.core.files import sha256

    path = folder / "weights.safetensors"
    line = {"file": path.name, "sha256": sha256(path), "bytes": path.stat().st_size}
    write_json(folder / "manifest.json", {"schema": 1, "files": [line]})


def test_foreign_weights(folder: Path, net: nn.Module) -> None:
    own = dict(net.state_dict())
    cases: list[tuple[dict[str, Tensor], str]] = [
        ({"a": torch.zeros(1)}, r"contains the weights of another model: only one of them has '0.bias'"),
        (own | {"more": torch.zeros(1)}, r"only one of them has 'more'"),
        (own | {"0.bias": torch.zeros(5)}, r"'0.bias' is float32 \(5,\), not float32 \(4,\)"),
        (own | {"0.bias": torch.zeros(4).double()}, r"'0.bias' is float64 \(4,\), not float32 \(4,\)"),
        (own | {"0.bias": torch.tensor([0, 1, float("nan"), 0])}, r"'0.bias' contains non-finite numbers"),
        (own | {"0.bias": torch.tensor([0, 1, float("inf"), 0])}, r"'0.bias' contains non-finite numbers"),
    ]
    before = {name: value.clone() for name, value in own.items()}
    for tensors, expected in cases:
        save_file(tensors, folder / "weights.safetensors")
        adopt(folder)
        with pytest.raises(RunError, match=expected) as caught:
            load_into(net, read_weights(folder), "weights.safetensors")
        one_line(caught)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_weights_of_another_run(folder: Path) -> None:
    line: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"][0]
    assert read_weights(folder, line["sha256"])
    with pytest.raises(RunError, match=r"manifest\.json belongs to the weights of another run"):
        read_weights(folder, "0" * 64)
