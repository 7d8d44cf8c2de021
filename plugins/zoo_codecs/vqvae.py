"""A VQ-VAE (van den Oord et al. 2017, arXiv:1711.00937): pictures to a map of code words, and back."""

from __future__ import annotations

from typing import cast

from torch import Tensor

from zoo import CodeInfo, DataInfo
from zoo.core import Batch, Losses
from zoo.models import Classifier, LatentModel, as_float32, no_autocast
from zoo_codecs.adversarial import Discriminator
from zoo_codecs.backbone import Decoder, Encoder, Plan
from zoo_codecs.losses import Analytic, AuxiliaryLosses
from zoo_codecs.quantiser import EMA, FSQ, Quantised, Quantiser
from zoo_codecs.spec import VQVAESpec


class VQVAE(LatentModel):
    """An encoder to vectors, a quantiser that replaces them by code words, and a decoder."""

    def __init__(self, spec: VQVAESpec, info: DataInfo) -> None:
        super().__init__()
        self.spec = spec
        plan = Plan.of(info, spec.width, spec.lowest, spec.patch)
        self.quantiser: Quantiser = FSQ(spec.levels) if spec.quantiser == "fsq" else EMA(spec)
        self.encoder = Encoder(info, plan, spec.blocks, self.quantiser.size)
        self.decoder = Decoder(info, plan, spec.blocks, self.quantiser.size)
        self.variance = Analytic(info)
        self.discriminator = Discriminator(info, spec.width) if spec.adversarial else None
        self.auxiliary = AuxiliaryLosses(spec, self.discriminator)
        self.code = CodeInfo(plan.sizes[-1], self.quantiser.words)

    @property
    def teacher(self) -> str:
        return self.spec.teacher if self.spec.needs_teacher else ""

    def learn_from(self, teacher: Classifier) -> None:
        self.auxiliary.teacher = teacher

    def vectors(self, x: Tensor) -> Tensor:
        """Encode pictures as vectors (N, h, w, D), before quantisation."""
        return as_float32(self.encoder(x)).movedim(1, -1)

    def encode(self, x: Tensor) -> Tensor:
        vectors = self.vectors(x)
        with no_autocast(x.device):
            return self.quantiser.choose(vectors)

    def decode(self, code: Tensor) -> Tensor:
        return self.decode_vectors(self.quantiser.look_up(code))

    def decode_vectors(self, vectors: Tensor) -> Tensor:
        """Decode vectors (N, h, w, D) to pictures."""
        return cast(Tensor, self.decoder(vectors.movedim(-1, 1)))

    def distortion(self, x: Tensor, decoded: Tensor) -> Tensor:
        """Compute -log p(x | code) (N,) in nats, under normal distributions around the decoded pictures."""
        return self.variance.nats(x, decoded)

    def learn(self, batch: Batch) -> tuple[Tensor, Tensor, Losses]:
        vectors = self.vectors(batch.x)
        with no_autocast(batch.x.device):
            found: Quantised = self.quantiser(vectors)
        further = {} if found.loss is None else {"commitment": found.loss}
        decoded = self.decode_vectors(found.vectors)
        return found.words, decoded, further | self.auxiliary.losses(batch, decoded)
