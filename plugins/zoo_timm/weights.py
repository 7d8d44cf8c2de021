"""timm's weights: found on the Hugging Face hub, read as safetensors only."""

from __future__ import annotations

from typing import Any

import timm

from zoo.core import MissingError
from zoo_timm.architectures import reason

NAMES = {"open_clip_pytorch_model.bin": "open_clip_model.safetensors"}


def downloaded(name: str) -> str:
    """Path of the weights in the hub's cache, after a download where they are not there; MissingError otherwise."""
    import huggingface_hub as hub

    config: Any = timm.get_pretrained_cfg(name)
    if config is None or not config.hf_hub_id:
        raise MissingError(f"timm has no weights for {name} on the Hugging Face hub", "set pretrained=false")
    repository, _, revision = config.hf_hub_id.partition("@")
    try:
        return hub.hf_hub_download(repository, filename(config.hf_hub_filename), revision=revision or None)
    except hub.errors.LocalEntryNotFoundError as error:
        raise MissingError(
            f"the weights of {name} are not in the cache and cannot be downloaded from {repository}",
            "connect, unset HF_HUB_OFFLINE, or set pretrained=false",
        ) from error
    except Exception as error:
        raise MissingError(
            f"cannot download the weights of {name}: {reason(error)}", "or set pretrained=false"
        ) from error


def filename(configured: str | None) -> str:
    """The safetensors beside the file that timm names."""
    if not configured:
        return "model.safetensors"
    return NAMES.get(configured, configured.rpartition(".")[0] + ".safetensors")
