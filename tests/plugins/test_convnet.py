"""The kind `convnet`: its whitening layer, its sizes, its kernels and shortcuts, and its native kernel."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from interrupting import Interrupt
from torch import Tensor, nn
from torch.nn import functional as F
from zoo_classifiers import native as cnn_native
from zoo_classifiers.convnet import native
from zoo_classifiers.convnet.layers import Residual, Unit, convolution
from zoo_classifiers.convnet.model import ConvNet
from zoo_classifiers.convnet.spec import ConvNetSpec

import zoo
from zoo import DataInfo, ZooError
from zoo.cli import main
from zoo.core.types import Batch

pytestmark = pytest.mark.usefixtures("one_thread")
needs_kernel = pytest.mark.skipif(cnn_native.load_kernel()[0] is None, reason="there is no native kernel")
SMALL: dict[str, Any] = {"first": 8, "widest": 16}


def network(shape: tuple[int, int, int] = (3, 32, 32), **options: Any) -> ConvNet:
    torch.manual_seed(0)
    return ConvNet(ConvNetSpec.model_validate(options), DataInfo.of(shape, tuple("0123456789")))


def pictures(shape: tuple[int, int, int], count: int = 40) -> Batch:
    """Smooth random pictures, whose neighbouring pixels are alike as in photographs."""
    draw = torch.Generator().manual_seed(1)
    x = F.avg_pool2d(torch.rand(count, shape[0], shape[1] + 2, shape[2] + 2, generator=draw), 3, 1)
    return Batch(x, torch.randint(10, (count,), generator=draw))


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def error(found: Tensor, expected: Tensor) -> float:
    """How far a result is from the expected one, as a share of it."""
    return float((found.detach().float() - expected.detach().float()).norm() / expected.detach().float().norm())


@pytest.mark.parametrize(("shape", "patch"), [((3, 32, 32), 2), ((3, 20, 28), 3), ((1, 8, 8), 2)])
def test_the_first_layer_whitens_the_pictures_it_was_given(shape: tuple[int, int, int], patch: int) -> None:
    model, batch = network(shape, patch=patch, **SMALL), pictures(shape)
    model.initialise(batch)
    size = shape[0] * patch**2
    values = F.conv2d((batch.x - model.mean) / model.std, model.whitening.weight)
    assert torch.equal(values[:, :size], -values[:, size:]), "each filter comes with both signs"
    covariance = values[:, :size].transpose(0, 1).flatten(1).cov()
    assert (covariance - torch.eye(size)).abs().max() < 0.1
    assert model.whitening.outputs == 2 * size


def test_only_the_bias_of_the_first_layer_learns_and_only_at_first() -> None:
    model, batch = network(bias_share=0.3, **SMALL), pictures((3, 32, 32), 8)
    before = model.whitening.weight.clone()
    for done, learns in ((0.2, True), (0.4, False), (1.0, True)):
        model.zero_grad()
        model.losses(batch._replace(done=done))["loss"].backward()  # type: ignore[no-untyped-call]
        assert (model.whitening.bias.grad is not None) is learns
    assert model.whitening.weight.grad is None
    assert torch.equal(model.whitening.weight, before)


def test_widths_depths_and_parameters() -> None:
    model = network()
    units = [each for each in model.modules() if isinstance(each, Unit)]
    assert [unit.norm.num_features for unit in units] == [64, 64, 160, 160, 160, 160]
    assert [unit.pool for unit in units] == [True, False] * 3
    weights = 24 * 64 + 64 * 64 + 64 * 160 + 3 * 160 * 160
    assert parameters(model) == 24 * 12 + 24 + 9 * weights + 2 * (64 + 160 + 160) + 160 * 10 == 836_728
    late = network(pool="last", depth=3)
    assert [each.pool for each in late.modules() if isinstance(each, Unit)] == [False, False, True] * 3
    residual = network(pool="last", depth=3, shortcut="residual")
    assert sum(isinstance(each, nn.MaxPool2d) for each in residual.modules()) == 3
    deeper = network(depth=4, groups=2, growth=2.0)
    assert [unit.norm.num_features for unit in deeper.modules() if isinstance(unit, Unit)] == [64] * 4 + [128] * 4


def test_a_plain_network_has_no_shortcuts_and_a_residual_one_adds_its_input() -> None:
    assert not [each for each in network(depth=4, **SMALL).modules() if isinstance(each, Residual)]
    blocks = [each for each in network(depth=4, shortcut="residual", **SMALL).modules() if isinstance(each, Residual)]
    assert [len(block.units) for block in blocks] == [2, 1] * 3
    block = blocks[0].eval()
    for unit in block.units:
        nn.init.zeros_(next(unit.parameters()))
    x = torch.randn(2, 8, 5, 5)
    assert torch.equal(block(x), F.gelu(x, approximate="tanh"))


@pytest.mark.parametrize("kind", ["full", "separable", "depthwise"])
def test_a_convolution_begins_as_the_identity(kind: str) -> None:
    layers = convolution(ConvNetSpec.model_validate({"convolution": kind}), 12, 12)
    x = torch.randn(2, 12, 6, 5)
    assert torch.equal(layers(x), x)
    assert (
        parameters(layers) == {"full": 12 * 12 * 9, "separable": 2 * 12 * 12 * 3, "depthwise": 12 * 9 + 12 * 12}[kind]
    )


@needs_kernel
@pytest.mark.parametrize("options", [{}, {"shortcut": "residual", "depth": 3, "activation": "silu", "pool": "last"}])
def test_the_native_kernel_is_as_exact_as_pytorch_in_bfloat16(options: dict[str, Any]) -> None:
    batch, results = pictures((3, 24, 20), 16), []
    for way in ("float32", "bfloat16", "native"):
        model = network((3, 24, 20), first=16, widest=40, **options).to(memory_format=torch.channels_last)
        model.initialise(batch)
        if way == "native":
            assert model.accelerate(torch.bfloat16) == "native kernel"
        with torch.autocast("cpu", torch.bfloat16, enabled=way != "float32"):
            model.losses(batch)["loss"].backward()  # type: ignore[no-untyped-call]
            scores = model.eval()(batch.x)
        results.append([scores, *(each.grad for each in model.parameters() if each.grad is not None)])
    for exact, plain, kernel in zip(*results, strict=True):
        assert error(kernel, exact) < 1.5 * error(plain, exact) + 0.02 < 0.7


@needs_kernel
@pytest.mark.parametrize("activation", native.ACTIVATIONS)
@pytest.mark.parametrize("channels", [8, 32])
def test_each_activation_of_the_kernel_is_that_of_pytorch(activation: str, channels: int) -> None:
    assert native.matches_pytorch(activation, channels)


def test_a_kernel_that_is_missing_or_wrong_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network(**SMALL)
    assert "bfloat16" in model.accelerate(None)
    monkeypatch.setattr(native, "verify", lambda narrow: "its results for gelu differ from PyTorch's")
    assert (
        model.accelerate(torch.bfloat16)
        == "plain PyTorch (no native kernel: its results for gelu differ from PyTorch's)"
    )
    assert not any(unit.native for unit in model.modules() if isinstance(unit, Unit))


def test_pictures_that_are_too_small_are_refused_with_advice(home: Any) -> None:
    x, y = torch.zeros(60, 6, 9, dtype=torch.uint8), torch.arange(60) % 3
    with pytest.raises(ZooError, match=r"6x9 are too small for convnet; .*8x8 or more, or choose cnn"):
        zoo.train("plain-100k", data=(x.numpy(), y.numpy()))


@pytest.mark.parametrize("option", ["model.shortcut=residual", "model.pool=last"])
def test_some_options_need_a_second_convolution(option: str, home: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "plain-875k", option, "model.depth=1"]) == 2
    assert "model.depth" in capsys.readouterr().err


def test_a_resumed_training_whitens_as_the_first_did(home: Any) -> None:
    from zoo.core.errors import InterruptedRun

    options = (
        "data.kind=digits",
        "model.first=8",
        "model.widest=8",
        "train.epochs=3",
        "train.batch=100",
        "data.limit=300",
    )
    whole = zoo.train("plain-100k", *options, out="whole")
    with pytest.raises(InterruptedRun):
        zoo.train("plain-100k", *options, out="broken", callback=Interrupt(4))
    again = zoo.train("plain-100k", *options, out="broken")
    assert again.weights_sha256 == whole.weights_sha256
    weights = zoo.load("whole").weights()["whitening.weight"]
    assert torch.equal(weights[:4], -weights[4:])
    assert weights.flatten(1).norm(dim=1).max() > 1.5, "the filters follow the pictures, and are not those of the start"
