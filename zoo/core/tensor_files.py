"""Tensors in safetensors files, whose SHA-256 is checked against a manifest before they are read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from zoo.core.errors import ResourceError, RunError, ZooError
from zoo.core.files import atomic_write, sha256, write_json
from zoo.core.trust import load_json

T = TypeVar("T")
Tensors = dict[str, Tensor]
MANIFEST_SCHEMA = 1
MIN_HALF_VALUES = 1024
"""Fewest values of a tensor that is stored as float16: smaller ones, such as statistics, would save nothing."""


def save_tensors(path: Path, tensors: Mapping[str, Tensor], plain: Any = None) -> dict[str, Any]:
    """Write tensors and JSON metadata atomically; return the entry for a manifest."""
    metadata = None if plain is None else {"json": json.dumps(plain, allow_nan=False)}
    try:
        with atomic_write(path) as temporary:
            save_file(unshare_memory(tensors), temporary, metadata)
            return {"file": path.name, "sha256": sha256(temporary), "bytes": temporary.stat().st_size}
    except SafetensorError as error:
        raise ResourceError(f"cannot save {path}: {error}", "free some space and repeat the command") from error


def unshare_memory(tensors: Mapping[str, Tensor]) -> Tensors:
    """Copy tensors to the CPU so that none share memory, which safetensors refuses."""
    seen: set[int] = set()
    found: Tensors = {}
    for name, value in tensors.items():
        plain = value.detach().cpu().contiguous()
        address = plain.untyped_storage().data_ptr()
        found[name] = plain.clone() if address in seen else plain
        seen.add(address)
    return found


def load_tensors(path: Path, line: Mapping[str, Any]) -> tuple[Tensors, Any]:
    """Read tensors and JSON metadata after checking size and SHA-256 against a manifest entry."""
    try:
        if path.exists() and not path.is_file():
            raise RunError(f"{path} is not a regular file")
        if path.stat().st_size != line["bytes"] or sha256(path) != line["sha256"]:
            raise RunError(f"{path} is damaged or was replaced: its sha256 differs from the manifest's")
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            return {name: file.get_tensor(name) for name in file.keys()}, json.loads(metadata.get("json", "null"))  # noqa: SIM118
    except FileNotFoundError:
        raise RunError(f"{path} is missing") from None
    except (OSError, SafetensorError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise RunError(f"{path} cannot be read: {str(error)[:200]}") from None


def write_weights(folder: Path, weights: Mapping[str, Tensor]) -> str:
    """Write `weights.safetensors` and its manifest; return the SHA-256."""
    line = save_tensors(folder / "weights.safetensors", weights)
    write_json(folder / "manifest.json", {"schema": MANIFEST_SCHEMA, "files": [line]})
    return str(line["sha256"])


def read_weights(folder: Path, expected: str | None = None) -> Tensors:
    """Read the weights of a run folder, checked against its manifest and the SHA-256 in run.json."""
    line = read_manifest(folder / "manifest.json")[0]
    if expected not in {None, line["sha256"]}:
        raise RunError(f"{folder / 'manifest.json'} belongs to the weights of another run")
    return load_tensors(folder / "weights.safetensors", line)[0]


def read_manifest(path: Path) -> list[dict[str, Any]]:
    """Read the entries of a manifest, newest first; each names a file in the same folder."""
    try:
        content = load_json(path)
        if int(content["schema"]) > MANIFEST_SCHEMA:
            raise RunError(f"{path} was written by a newer zoo", "upgrade pixel-zoo to read it")
        lines = [
            {"file": str(x["file"]), "sha256": str(x["sha256"]), "bytes": int(x["bytes"])} for x in content["files"]
        ]
        if not lines or any(Path(str(line["file"])).name != line["file"] for line in lines):
            raise ValueError("it must list at least one file in its folder")
    except FileNotFoundError:
        raise RunError(f"{path} is missing, so the weights cannot be checked") from None
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise RunError(f"{path} is damaged: {str(error)[:120]}") from None
    return lines


def to_half(weights: Mapping[str, Tensor]) -> Tensors:
    """Convert large float32 tensors to float16, except for those with numbers that float16 cannot hold."""
    if any(value.dtype == torch.float16 for value in weights.values()):
        raise ZooError("some of these weights are float16 already", "leave out --half")
    return {name: value.half() if fits_half(value) else value for name, value in weights.items()}


def fits_half(value: Tensor) -> bool:
    """Whether a tensor is worth storing as float16 and stays finite."""
    if value.dtype != torch.float32 or value.numel() < MIN_HALF_VALUES:
        return False
    return bool(value.abs().amax() <= torch.finfo(torch.float16).max)


def from_half(weights: Mapping[str, Tensor]) -> Tensors:
    """Convert the tensors that `to_half` stored as float16 back to float32."""
    return {name: value.float() if value.dtype == torch.float16 else value for name, value in weights.items()}


def current_names(module: nn.Module, weights: Mapping[str, T]) -> dict[str, T]:
    """Give weights that were saved under older names those of now, which parts of the module list.

    The `renamed_parameters` of their classes map the older name of a parameter, buffer or submodule to that of now.
    """
    found, own = dict(weights), module.state_dict().keys()
    for prefix, part in module.named_modules():
        for old, new in [pair for each in type(part).__mro__ for pair in renamed_in(each)]:
            before, now = (f"{prefix}.{name}" if prefix else name for name in (old, new))
            found = {
                now + name.removeprefix(before)
                if name not in own and f"{name}.".startswith(f"{before}.")
                else name: value
                for name, value in found.items()
            }
    return found


def renamed_in(kind: type) -> Iterable[tuple[str, str]]:
    """Return the older names that a class itself lists, each with that of now."""
    listed: Mapping[str, str] = vars(kind).get("renamed_parameters", {})
    return listed.items()


def load_into(module: nn.Module, weights: Tensors, where: str) -> None:
    """Load weights into a module; raise RunError unless all names, shapes and types match."""
    own, weights = module.state_dict(), current_names(module, weights)
    if missing := sorted(own.keys() ^ weights.keys()):
        raise RunError(f"{where} contains the weights of another model: only one of them has {missing[0]!r}")
    for name, value in own.items():
        if (value.shape, value.dtype) != (weights[name].shape, weights[name].dtype):
            theirs, ours = (f"{t.dtype} {tuple(t.shape)}".removeprefix("torch.") for t in (weights[name], value))
            raise RunError(f"{where} contains the weights of another model: {name!r} is {theirs}, not {ours}")
    if bad := next((name for name, value in weights.items() if not all_finite(value)), None):
        raise RunError(f"{where}: {bad!r} contains non-finite numbers")
    module.load_state_dict(weights)


def all_finite(value: Tensor) -> bool:
    """Whether all values of a tensor are finite."""
    return not value.is_floating_point() or bool(torch.isfinite(value).all())
