"""What codecs learn from beside the distortion: a teacher's features, and the energy at each frequency."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from zoo_codecs.adversarial import Discriminator, adversarial_loss
from zoo_codecs.losses import perceptual_distance, score_divergence, spectrum_error
from zoo_codecs.vae import VAE
from zoo_codecs.vqvae import VQVAE

from zoo import DataInfo
from zoo.core.errors import ZooError
from zoo.core.types import Batch
from zoo.models.base import Classifier, Model
from zoo.models.generator import Generator
from zoo.models.judge import Features, extract_features
from zoo.registry.build import build_model
from zoo.registry.entry import resolve_entry
from zoo.registry.raw_entry import RawEntry

pytestmark = pytest.mark.usefixtures("home")
KINDS: list[dict[str, Any]] = [
    {"kind": "cnn", "blocks": 3, "first": 4, "last": 8},
    {"kind": "cnn", "blocks": 2, "first": 4, "last": 8, "convolution": "separable", "norm": "none", "head": 0},
    {"kind": "timm", "architecture": "resnet10t"},
]
CODECS: list[dict[str, Any]] = [{"kind": "vae", "latent": 4}, {"kind": "vq-vae", "lowest": 4, "levels": [3, 3]}]


def made(model: dict[str, Any], shape: tuple[int, int, int] = (3, 32, 32)) -> Model:
    torch.manual_seed(0)
    return build_model(resolve_entry(RawEntry("small", {"model": model}, {})), DataInfo.of(shape, ("a", "b", "c")))


def teacher(shape: tuple[int, int, int] = (3, 32, 32)) -> Classifier:
    found = made(KINDS[0], shape)
    assert isinstance(found, Classifier)
    return found.eval().requires_grad_(False)


def generator(**options: Any) -> Generator:
    found = made({"width": 8, "blocks": 1, **options}, (3, 16, 16))
    assert isinstance(found, Generator)
    return found


def pictures(n: int, *shape: int) -> Tensor:
    """Smooth shapes with some grain."""
    draw = torch.Generator().manual_seed(0)
    coarse = torch.rand(n, shape[0], 4, 4, generator=draw)
    grain = torch.rand(n, *shape, generator=draw)
    return 0.8 * F.interpolate(coarse, shape[1:], mode="bilinear") + 0.2 * grain


def blurred(x: Tensor) -> Tensor:
    return F.avg_pool2d(F.pad(x, (1, 1, 1, 1), "reflect"), 3, 1)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(str(value) for value in kind.values()))
def test_features_of_any_classifier_lead_to_its_scores(kind: dict[str, Any]) -> None:
    model = made(kind).eval()
    assert isinstance(model, Classifier)
    x = pictures(2, 3, 32, 32)
    found = extract_features(model, x)
    sizes = [tuple(part.shape[2:]) for part in found.maps]
    assert len(sizes) > 1
    assert sizes == sorted(set(sizes), reverse=True)
    assert torch.equal(found.scores, model(x))
    last = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    assert torch.allclose(last(found.vector), found.scores, atol=1e-5)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_the_distance_is_seen_by_the_decoded_picture_alone() -> None:
    guide, x = teacher(), pictures(4, 3, 32, 32)
    shown = blurred(x).requires_grad_()
    near, far = (
        perceptual_distance(extract_features(guide, x), extract_features(guide, other))
        for other in (shown, torch.rand_like(x))
    )
    assert perceptual_distance(extract_features(guide, x), extract_features(guide, x)).item() == pytest.approx(
        0, abs=1e-6
    )
    assert 0 < near.item() < far.item() < 4
    near.backward()  # type: ignore[no-untyped-call]
    assert shown.grad is not None
    assert shown.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in guide.parameters())


def test_scores_differ_by_the_divergence_of_their_probabilities() -> None:
    scores = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    wanted, seen = (Features((), each, each) for each in scores)
    p, q = scores.softmax(2)
    assert score_divergence(wanted, seen).item() == pytest.approx((p * (p / q).log()).sum(1).mean().item(), rel=1e-4)
    assert score_divergence(wanted, wanted).item() == pytest.approx(0, abs=1e-6)


def test_scores_alone_ask_for_a_teacher() -> None:
    model = generator(kind="vae", latent=4, scores=1.0).train()
    with pytest.raises(
        ZooError, match=r"model.scores needs a teacher, which only exists in training.*drop model.scores"
    ):
        model.losses(Batch(pictures(2, 3, 16, 16), torch.zeros(2, dtype=torch.int64)))


def test_spectra_are_alike_where_the_energy_is_whatever_is_shown() -> None:
    x = pictures(8, 3, 32, 32)
    mean = x.mean((2, 3), keepdim=True)
    energy = F.mse_loss(mean.expand_as(x), x).item()
    assert spectrum_error(x, x).item() == pytest.approx(0, abs=1e-9)
    assert spectrum_error(x, x.flip(3).roll(1, 0)).item() == pytest.approx(0, abs=1e-9)
    assert spectrum_error(x, x + 0.1).item() == pytest.approx(0, abs=1e-9), "brightness is not sharpness"
    assert spectrum_error(x[..., :9, :15], x[..., :9, :15]).item() == pytest.approx(0, abs=1e-9)
    assert spectrum_error(x, mean + 2 * (x - mean)).item() == pytest.approx(energy, rel=0.02)
    error = F.mse_loss(blurred(x), x).item()
    assert 0.3 * error < spectrum_error(x, blurred(x)).item() < error


def test_what_is_known_is_shown_more_strongly_which_costs_less_than_noise() -> None:
    known, unknown = torch.randn(2, 256, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    x, strength = known + unknown, torch.ones((), requires_grad=True)
    optimizer = torch.optim.Adam([strength], 0.02)
    for _ in range(100):
        optimizer.zero_grad()
        (F.mse_loss(strength * known, x) + 9 * spectrum_error(x, strength * known)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    # The least of (1 - s)^2 + 1 + 9 (2^0.5 - s)^2.
    assert strength.item() == pytest.approx((1 + 9 * 2**0.5) / 10, rel=0.01)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    assert F.mse_loss(strength * known, x).item() < 0.7 * F.mse_loss(known + noise, x).item()


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec["kind"])
def test_the_losses_are_named_weighted_and_pass_gradients(codec: dict[str, Any]) -> None:
    batch = Batch(pictures(6, 3, 16, 16), torch.arange(6) % 3)
    guide = teacher((3, 16, 16))
    found = []
    for weight in (1.0, 3.0):
        model = generator(**codec, perceptual=weight, scores=weight, spectrum=weight)
        assert model.teacher == "teacher"
        model.learn_from(guide)
        model.train()
        torch.manual_seed(1)
        losses = model.stages()[0].losses(batch)
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        assert all(p.grad is not None for p in model.codec.parameters() if p.requires_grad)
        found.append({name: losses[name].item() for name in ("perceptual", "scores", "spectrum")})
    assert {name: 3 * value for name, value in found[0].items()} == pytest.approx(found[1], rel=1e-4)
    assert all(value > 0 for value in found[0].values())
    assert not generator(**codec).teacher
    assert not generator(**codec, spectrum=1.0).teacher
    assert generator(**codec, scores=1.0, teacher="cnn").teacher == "cnn"


def test_the_teacher_looks_at_every_nth_picture() -> None:
    batch, guide, found = Batch(pictures(6, 3, 16, 16), torch.arange(6) % 3), teacher((3, 16, 16)), []
    for every, rows in ((1, slice(0, None, 3)), (3, slice(None)), (100, slice(None))):
        model = generator(kind="vae", perceptual=2.0, perceptual_every=every)
        model.learn_from(guide)
        codec = model.codec
        assert isinstance(codec, VAE)
        losses = codec.auxiliary.losses(batch._replace(x=batch.x[rows]), blurred(batch.x)[rows])
        found.append(losses["perceptual"].item())
    assert found[0] == pytest.approx(found[1])
    assert found[1] != pytest.approx(found[2])


def test_a_training_without_its_teacher_is_refused() -> None:
    model = generator(kind="vae", perceptual=1.0).train()
    with pytest.raises(ZooError, match="needs a teacher"):
        model.losses(Batch(pictures(2, 3, 16, 16), torch.arange(2)))


def test_the_bound_does_not_know_of_them() -> None:
    batch = Batch(pictures(6, 3, 16, 16), torch.arange(6) % 3)
    plain, other = (
        generator(kind="vae", latent=4, **more).eval() for more in ({}, {"perceptual": 5.0, "spectrum": 5.0})
    )
    assert plain.metrics(batch) == other.metrics(batch)


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec["kind"])
def test_spectra_count_in_the_second_half_of_the_training(codec: dict[str, Any]) -> None:
    model = generator(**codec, spectrum=9.0).train()
    batch = Batch(pictures(6, 3, 16, 16), torch.arange(6) % 3)
    found = [model.stages()[0].losses(batch._replace(done=done))["spectrum"].item() for done in (0.2, 0.5, 0.6, 1.0)]
    assert found[:2] == [0, 0]
    assert 0 < found[2] < found[3]


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec["kind"])
def test_the_adversary_sets_in_late_and_has_the_gradient_that_is_asked_for(codec: dict[str, Any]) -> None:
    batch = Batch(pictures(6, 3, 16, 16), torch.arange(6) % 3)
    norms = []
    for weight in (0.5, 1.5):
        model = generator(**codec, adversarial=weight).train()
        assert isinstance(model.codec, VAE | VQVAE) and model.codec.discriminator is not None
        assert model.stages()[0].losses(batch._replace(done=0.4))["adversarial"].item() == 0
        decoded = blurred(batch.x).requires_grad_()
        loss = model.codec.auxiliary.losses(batch, decoded)["adversarial"]
        assert loss.item() == pytest.approx(2, abs=0.5), "the discriminator does not tell them apart yet"
        (norm,) = torch.autograd.grad(loss, decoded, retain_graph=True)
        loss.backward()  # type: ignore[no-untyped-call]
        assert all(p.grad is not None for p in model.codec.discriminator.parameters())
        squared = torch.autograd.grad(F.mse_loss(decoded, batch.x) / 2, decoded)[0] / F.mse_loss(decoded, batch.x)
        norms.append((norm.norm() / squared.norm()).item())
    assert norms == pytest.approx([0.5, 1.5], rel=1e-4)


def test_the_decoder_learns_to_deceive_and_the_discriminator_to_tell() -> None:
    x, info = pictures(16, 3, 16, 16), DataInfo.of((3, 16, 16), ("cat", "dog"))
    torch.manual_seed(0)
    judge = Discriminator(info, 8)
    optimizer = torch.optim.Adam(judge.parameters(), 1e-2)
    for _ in range(30):
        optimizer.zero_grad()
        adversarial_loss(judge, x, blurred(x), 1.0).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert judge(x).mean() > judge(blurred(x)).mean() + 1
    decoded = blurred(x).requires_grad_()
    adversarial_loss(judge, x, decoded, 1.0).backward()  # type: ignore[no-untyped-call]
    assert decoded.grad is not None
    better = decoded.detach() - 0.3 * decoded.grad
    assert judge(better).mean() > judge(decoded).mean()


def test_the_bound_alone_has_no_adversary() -> None:
    codec = generator(kind="vae", adversarial=1.0, objective="elbo").codec
    assert isinstance(codec, VAE) and codec.discriminator is None
