"""First-party codecs, models that turn pictures into codes and back: the kinds `vae` and `vq-vae`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from zoo import DataInfo, ModelKind, hookimpl
from zoo_codecs.spec import VAESpec, VQVAESpec

if TYPE_CHECKING:
    from zoo.models import LatentModel


def build_vae(spec: VAESpec, info: DataInfo) -> LatentModel:
    """Build an untrained variational autoencoder for the pictures that `info` describes."""
    from zoo_codecs.vae import VAE

    return VAE(spec, info)


def build_vq_vae(spec: VQVAESpec, info: DataInfo) -> LatentModel:
    """Build an untrained VQ-VAE for the pictures that `info` describes."""
    from zoo_codecs.vqvae import VQVAE

    return VQVAE(spec, info)


@hookimpl
def zoo_models() -> Iterator[ModelKind[Any]]:
    """Yield the kinds of codecs."""
    yield ModelKind("vae", VAESpec, build_vae, "variational autoencoder with a calibrated decoder", prior="normal")
    yield ModelKind(
        "vq-vae", VQVAESpec, build_vq_vae, "VQ-VAE with a map of code words per picture", prior="transformer"
    )
