"""What codecs learn from beside the distortion: a teacher's features, and how much fine detail there is."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from zoo_codecs.beyond import distance, missing_detail

from zoo import DataInfo
from zoo.build import build_model
from zoo.catalog import catalog
from zoo.entry import resolve
from zoo.errors import ZooError
from zoo.features import features
from zoo.latent import Generator
from zoo.model import Batch, Classifier, Model
from zoo.raw import Raw

pytestmark = pytest.mark.usefixtures("home")
KINDS = [
    {"kind": "cnn", "blocks": 3, "first": 4, "last": 8},
    {"kind": "cnn", "blocks": 2, "first": 4, "last": 8, "convolution": "separable", "norm": "none", "head": 0},
    {"kind": "timm", "architecture": "resnet10t"},
]
CODECS = [{"kind": "vae", "latent": 4}, {"kind": "vq-vae", "lowest": 4, "levels": [3, 3]}]


def made(model: dict[str, Any], shape: tuple[int, int, int] = (3, 32, 32)) -> Model:
    torch.manual_seed(0)
    return build_model(resolve(catalog(), Raw("small", {"model": model}, {})), DataInfo.of(shape, ("a", "b", "c")))


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
    found = features(model, x)
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
    near, far = (distance(features(guide, x), features(guide, other)) for other in (shown, torch.rand_like(x)))
    assert distance(features(guide, x), features(guide, x)).item() == pytest.approx(0, abs=1e-6)
    assert 0 < near.item() < far.item() < 4
    near.backward()  # type: ignore[no-untyped-call]
    assert shown.grad is not None
    assert shown.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in guide.parameters())


def test_missing_detail_is_how_much_is_missing_wherever_it_lies() -> None:
    x = pictures(8, 3, 32, 32)
    assert missing_detail(x, x).item() == pytest.approx(0, abs=1e-6)
    assert missing_detail(x, blurred(x)).item() > 0.5
    assert missing_detail(x, x.mean((2, 3), keepdim=True).expand_as(x)).item() == pytest.approx(1, abs=0.05)
    grain = (x - blurred(x)).roll((1, 2), (2, 3))
    assert missing_detail(x, blurred(x) + grain).item() < 0.5 * missing_detail(x, blurred(x)).item()


def test_detail_is_learnt_that_squared_errors_leave_out() -> None:
    x = pictures(8, 1, 16, 16)
    shown = blurred(x).requires_grad_()
    optimizer = torch.optim.SGD([shown], 1.0)
    before = missing_detail(x, shown).item()
    for _ in range(100):
        optimizer.zero_grad()
        missing_detail(x, shown).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert missing_detail(x, shown).item() < 0.7 * before


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec["kind"])
def test_the_losses_are_named_weighted_and_pass_gradients(codec: dict[str, Any]) -> None:
    batch = Batch(pictures(6, 3, 16, 16), torch.arange(6) % 3)
    guide = teacher((3, 16, 16))
    found = []
    for weight in (1.0, 3.0):
        model = generator(**codec, perceptual=weight, detail=weight)
        assert model.teacher == "teacher"
        model.learn_from(guide)
        model.train()
        torch.manual_seed(1)
        losses = model.stages()[0].losses(batch)
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        assert all(p.grad is not None for p in model.codec.parameters() if p.requires_grad)
        found.append({name: losses[name].item() for name in ("perceptual", "detail")})
    assert {name: 3 * value for name, value in found[0].items()} == pytest.approx(found[1], rel=1e-4)
    assert all(value > 0 for value in found[0].values())
    assert not generator(**codec).teacher
    assert not generator(**codec, detail=1.0).teacher


def test_a_training_without_its_teacher_is_refused() -> None:
    model = generator(kind="vae", perceptual=1.0).train()
    with pytest.raises(ZooError, match="needs a teacher"):
        model.losses(Batch(pictures(2, 3, 16, 16), torch.arange(2)))


def test_the_bound_does_not_know_of_them() -> None:
    batch = Batch(pictures(6, 3, 16, 16), torch.arange(6) % 3)
    plain, other = (generator(kind="vae", latent=4, **more).eval() for more in ({}, {"perceptual": 5.0, "detail": 5.0}))
    assert plain.metrics(batch) == other.metrics(batch)
