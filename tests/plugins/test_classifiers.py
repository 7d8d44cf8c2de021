"""The kind `cnn`: its sequences, its options, its determinism, and the agreement of its three implementations."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn import functional as F
from zoo_classifiers import compiling, dispatch, gather, native, pooling, zoo_models
from zoo_classifiers.blocks import Block, block_channels, progression, separable_channels
from zoo_classifiers.model import CNN
from zoo_classifiers.pooling import Pools, Regions, Window, average_pool, max_pool
from zoo_classifiers.spec import CNNSpec

from zoo import DataInfo, ZooError
from zoo.core.spec import options
from zoo.core.types import Batch

Way = Callable[[Block, Tensor, Regions], Tensor]
CPU = torch.device("cpu")
SMALL: dict[str, Any] = {"blocks": 2, "first": 8, "last": 12, "head": 1}
pytestmark = pytest.mark.usefixtures("one_thread")
needs_kernel = pytest.mark.skipif(
    native.load_kernel()[0] is None, reason=f"no native kernel: {native.load_kernel()[1]}"
)


def info(shape: tuple[int, int, int], classes: int = 10) -> DataInfo:
    return DataInfo.of(shape, tuple(str(label) for label in range(classes)))


def network(shape: tuple[int, int, int] = (3, 32, 32), classes: int = 10, **options: Any) -> CNN:
    torch.manual_seed(0)
    return CNN(CNNSpec.model_validate(options), info(shape, classes))


def batch(shape: tuple[int, int, int], size: int = 6, classes: int = 10) -> Batch:
    generator = torch.Generator().manual_seed(1)
    return Batch(torch.rand(size, *shape, generator=generator), torch.randint(classes, (size,), generator=generator))


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def regions(window: Window, *samples: float) -> Regions:
    return Pools([window]).regions(torch.tensor([samples]), CPU)[0]


def close(found: Tensor, expected: Tensor, tolerance: float = 0.01) -> bool:
    return bool((found.float() - expected).norm() <= tolerance * expected.norm())


def test_the_seed_has_its_sequences_and_exactly_875592_parameters() -> None:
    model = network()
    assert parameters(model) == 875_592
    assert [block.outputs for block in model.blocks] == [46, 62, 84, 114, 155, 210]
    assert [window.outputs for window in model.pools.windows] == [(side, side) for side in (20, 13, 8, 5, 3, 2)]
    linear = [layer for layer in model.head if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(840, 277), (277, 92), (92, 30), (30, 10)]
    assert not any(isinstance(layer, nn.BatchNorm1d) for layer in model.head)


def test_progressions() -> None:
    assert progression(32, 2, 6) == [32, 20, 13, 8, 5, 3, 2]
    assert block_channels(46, 210, 6) == [46, 62, 84, 114, 155, 210]
    assert block_channels(46, 210, 1) == [210]
    assert separable_channels(46, 62, 3, None) == 53
    assert progression(1, 1, 3) == [1, 1, 1, 1]


@pytest.mark.parametrize(("inputs", "outputs", "kernel"), [(46, 62, 3), (155, 210, 3), (16, 24, 5)])
def test_a_ratio_sets_the_weights_of_a_separable_pair(inputs: int, outputs: int, kernel: int) -> None:
    full = inputs * outputs * kernel**2
    pair = separable_channels(inputs, outputs, kernel, 0.5) * kernel * (inputs + outputs)
    assert pair == pytest.approx(0.5 * full, rel=0.02)


@pytest.mark.parametrize(
    ("shape", "rows", "columns"),
    [
        ((1, 8, 8), [6, 5, 4, 3, 3, 2], [6, 5, 4, 3, 3, 2]),
        ((1, 28, 28), [18, 12, 7, 5, 3, 2], [18, 12, 7, 5, 3, 2]),
        ((3, 64, 64), [36, 20, 11, 6, 4, 2], [36, 20, 11, 6, 4, 2]),
        ((3, 96, 96), [50, 26, 14, 7, 4, 2], [50, 26, 14, 7, 4, 2]),
        ((3, 24, 32), [16, 10, 7, 5, 3, 2], [20, 13, 8, 5, 3, 2]),
        ((3, 224, 8), [102, 46, 21, 10, 4, 2], [6, 5, 4, 3, 3, 2]),
        ((3, 2, 2), [2] * 6, [2] * 6),
    ],
)
def test_other_shapes_follow_the_same_progressions(
    shape: tuple[int, int, int], rows: list[int], columns: list[int]
) -> None:
    model = network(shape, classes=4)
    assert [window.outputs for window in model.pools.windows] == list(zip(rows, columns, strict=True))
    assert model(batch(shape, 2).x).shape == (2, 4)


@pytest.mark.parametrize(
    ("convolution", "norm", "pooling", "residual"),
    list(itertools.product(["full", "separable"], ["none", "before", "after"], ["fractional", "max"], [False, True])),
)
def test_every_combination_trains(convolution: str, norm: str, pooling: str, residual: bool) -> None:
    options: dict[str, Any] = {"convolution": convolution, "norm": norm, "pooling": pooling, "residual": residual}
    model, pictures = network((1, 8, 8), **SMALL, **options), batch((1, 8, 8))
    optimiser = torch.optim.AdamW(model.parameters(), 1e-2)
    losses = []
    for _ in range(8):
        optimiser.zero_grad()
        loss = model.losses(pictures)["loss"]
        torch.autograd.backward(loss)
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("activation", ["mish", "relu", "silu", "gelu", "leaky-relu", "elu"])
def test_the_other_options_change_the_model(activation: str) -> None:
    model = network((3, 16, 16), **SMALL, activation=activation, bias=False, dropout=0.3, kernel=5)
    convolutions = [part for part in model.modules() if isinstance(part, nn.Conv2d)]
    assert all(part.bias is None and part.kernel_size == (5, 5) for part in convolutions)
    assert model.losses(batch((3, 16, 16)))["loss"].isfinite()


def test_label_smoothing_reaches_the_loss() -> None:
    pictures = batch((3, 8, 8))
    losses = [
        network((3, 8, 8), **SMALL, pooling="max", label_smoothing=share).losses(pictures)["loss"].item()
        for share in (0.0, 0.1)
    ]
    assert losses[0] != losses[1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ratio": 0.5}, "model.ratio needs model.convolution=separable"),
        ({"draws": 4, "pooling": "max"}, "model.draws above 1 needs model.pooling=fractional"),
        ({"blocks": 0}, "greater than or equal to 1"),
        ({"kernel": 4}, "Input should be 1, 3"),
        ({"width": 3}, "Extra inputs"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        CNNSpec.model_validate(options)


def test_pictures_below_the_final_size_are_refused_in_one_line() -> None:
    with pytest.raises(ZooError, match=r"8x4 are smaller than the final map: set model.final to 4 or less"):
        network((1, 8, 4), final=5)


def test_every_option_is_documented() -> None:
    kind, *_ = zoo_models()
    assert kind.name == "cnn"
    assert all(option.help for option in options(kind.spec))


def test_evaluation_is_deterministic_and_training_draws_from_the_global_generator() -> None:
    model, x = network((3, 16, 16), **SMALL), batch((3, 16, 16)).x
    torch.manual_seed(5)
    first, second = model(x), model(x)
    torch.manual_seed(5)
    assert torch.equal(model(x), first)
    assert not torch.equal(first, second)
    model.eval()
    state = torch.get_rng_state()
    assert torch.equal(model(x), model(x))
    assert torch.equal(torch.get_rng_state(), state)


def test_draws_are_named_and_average_probabilities() -> None:
    model, x = network((3, 16, 16), **SMALL, draws=3).eval(), batch((3, 16, 16)).x
    assert model.averaging == "3 region draws"
    assert network((3, 16, 16), **SMALL).averaging == ""
    scores = model(x)
    assert torch.equal(scores, model(x))
    standard = (x - model.mean) / model.std
    single = [
        model.forward_once(standard, model.pools.regions(samples, CPU)).softmax(-1)
        for samples in model.pooling_samples()
    ]
    assert len(single) == 3
    assert torch.allclose(scores.exp(), torch.stack(single).mean(0), atol=1e-6)


@pytest.mark.parametrize("window", [Window((9, 7), (5, 4)), Window((32, 20), (20, 20)), Window((11, 7), (4, 2))])
def test_regions_are_those_of_pytorch(window: Window) -> None:
    x = torch.randn(2, 3, *window.inputs)
    for _ in range(50):
        drawn = regions(window, *torch.rand(2).tolist())
        rows, columns = drawn.rows.tolist(), drawn.columns.tolist()
        height, width = window.kernel
        expected = [[x[:, :, r : r + height, c : c + width].amax((2, 3)) for c in columns] for r in rows]
        assert torch.equal(max_pool(x, window, drawn), torch.stack([torch.stack(line, -1) for line in expected], -2))


WINDOWS = [
    Window((9, 7), (5, 4)),
    Window((8, 8), (8, 8)),
    Window((20, 13), (20, 8)),
    Window((32, 32), (20, 20)),
    Window((3, 3), (2, 2)),
    Window((2, 3), (1, 2)),
]
TAILS = [("before", "mish"), ("none", "mish"), ("before", "silu"), ("before", "relu"), ("none", "relu")]


def results(way: Way, block: Block, x: Tensor, drawn: Regions, weights: Tensor) -> list[Tensor]:
    """A tail's output, its gradients and the statistics that it leaves behind."""
    block = copy.deepcopy(block)
    x = x.clone().requires_grad_()
    y = way(block, x, drawn)
    torch.autograd.backward((y.float() * weights).sum())
    grads = [leaf.grad for leaf in (x, *block.parameters()) if leaf.grad is not None]
    return [y.detach(), *grads, *(buffer.float() for buffer in block.buffers())]


def make(window: Window, channels: int, norm: str = "before", activation: str = "mish") -> Block:
    torch.manual_seed(3)
    return Block(CNNSpec.model_validate({"norm": norm, "activation": activation}), 1, channels, window)


def compare(way: Way, reference: Way, block: Block, ties: bool = False) -> None:
    torch.manual_seed(4)
    window, channels = block.window, block.outputs
    x = torch.randn(5, channels, *window.inputs) * 2
    x = (x.round() if ties else x).bfloat16().float()
    weights = torch.randn(5, channels, *window.outputs).bfloat16().float()
    drawn = regions(window, *torch.rand(2).tolist())
    expected, found = (results(kind, block, x, drawn, weights) for kind in (reference, way))
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.equal(ours.float(), theirs) if ties else close(ours, theirs)


@needs_kernel
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("channels", [8, 31, 46, 155])
@pytest.mark.parametrize(("norm", "activation"), TAILS)
def test_the_native_kernel_agrees_with_pytorch(window: Window, channels: int, norm: str, activation: str) -> None:
    compare(native.native_tail, native.reference_tail, make(window, channels, norm, activation))
    compare(native.native_tail, native.reference_tail, make(window, channels, norm, activation).eval())


@needs_kernel
@pytest.mark.parametrize(
    "block", [make(Window((11, 7), (4, 2)), 46), make(WINDOWS[0], 7), make(WINDOWS[0], 46, "after")]
)
def test_the_native_kernel_refuses_what_it_does_not_cover(block: Block) -> None:
    assert not native.is_supported(block)
    with pytest.raises(ValueError, match="cannot compute this block"):
        native.native_tail(block, torch.zeros(2, block.outputs, *block.window.inputs), regions(block.window, 0.5, 0.5))


@needs_kernel
@pytest.mark.parametrize("window", WINDOWS)
def test_the_native_kernel_breaks_ties_as_pytorch_does(window: Window) -> None:
    compare(native.native_tail, native.reference_tail, make(window, 46, "none", "relu"), ties=True)


@pytest.mark.parametrize("window", [*WINDOWS, Window((11, 7), (4, 2))])
@pytest.mark.parametrize(("norm", "activation"), [*TAILS, ("after", "gelu")])
def test_gathers_agree_with_pytorch(
    window: Window, norm: str, activation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "compile_dynamic", lambda function, *_: function)
    compare(gather.compiled_tail, Block.tail, make(window, 5, norm, activation))
    compare(gather.compiled_tail, Block.tail, make(window, 5, norm, activation).eval())
    compare(gather.compiled_tail, Block.tail, make(window, 5, "none", "relu"), ties=True)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pooling as on other devices than the CPU."""
    monkeypatch.setattr(pooling, "has_native_pooling", lambda _: False)
    monkeypatch.setattr(F, "fractional_max_pool2d", None)
    monkeypatch.setattr(F, "adaptive_avg_pool2d", None)


@pytest.mark.parametrize(("kind", "expected"), [("cpu", True), ("meta", True), ("mps", False), ("cuda", False)])
def test_pytorch_pools_only_where_it_can_and_repeats_itself(kind: str, expected: bool) -> None:
    assert pooling.has_native_pooling(torch.device(kind)) is expected


@pytest.mark.parametrize("window", [*WINDOWS, Window((11, 7), (4, 2))])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_pooling_elsewhere_is_the_same(window: Window, kind: torch.dtype, request: pytest.FixtureRequest) -> None:
    torch.manual_seed(6)
    x = torch.randn(3, 5, *window.inputs).to(kind).requires_grad_()
    weights = torch.randn(3, 5, *window.outputs).to(kind)
    drawn, found = regions(window, *torch.rand(2).tolist()), []
    for _ in range(2):
        outputs = [max_pool(x, window, drawn), average_pool(x, window)]
        found.append([*outputs, *(torch.autograd.grad((y * weights).sum(), x)[0] for y in outputs)])
        request.getfixturevalue("elsewhere")
    assert torch.equal(found[0][0], found[1][0])
    assert all(one.dtype == other.dtype == kind for one, other in zip(*found, strict=True))
    tolerance = {torch.float32: 1e-6, torch.bfloat16: 1e-2}[kind]
    assert all(close(other, one.float(), tolerance) for one, other in zip(*found, strict=True))


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("norm", ["none", "before"])
def test_a_network_trains_elsewhere_and_repeats_itself(norm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "compile_dynamic", None)
    found = []
    for _ in range(2):
        model = network((1, 8, 8), **SMALL, norm=norm, residual=True)
        torch.autograd.backward(model.losses(batch((1, 8, 8)))["loss"])
        found.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    assert torch.equal(*found)
    monkeypatch.undo()
    model = network((1, 8, 8), **SMALL, norm=norm, residual=True)
    torch.autograd.backward(model.losses(batch((1, 8, 8)))["loss"])
    assert close(found[0], torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]), 1e-4)


@needs_kernel
def test_the_native_kernel_does_not_depend_on_the_number_of_threads() -> None:
    found, window = [], Window((9, 7), (5, 4))
    for count in (1, 3):
        torch.set_num_threads(count)
        x = torch.randn(33, 46, *window.inputs, generator=torch.Generator().manual_seed(0))
        weights = torch.ones(33, 46, *window.outputs)
        found.append(results(native.native_tail, make(window, 46), x, regions(window, 0.3, 0.7), weights))
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@needs_kernel
@pytest.mark.parametrize("options", [{}, {"convolution": "separable"}, {"residual": True}, {"norm": "none"}])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 24, 32)])
def test_an_accelerated_network_is_the_same_model(shape: tuple[int, int, int], options: dict[str, Any]) -> None:
    plain = network(shape, **options)
    quick = copy.deepcopy(plain)
    assert quick.accelerate(torch.bfloat16) in ("native kernel", "native kernel (baseline)")
    assert copy.deepcopy(quick).state_dict().keys() == plain.state_dict().keys()
    pictures, found = batch(shape, 7), []
    for model in (plain, quick):
        torch.manual_seed(9)
        loss = model.losses(pictures)["loss"]
        torch.autograd.backward(loss)
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
        found.append((loss.item(), model.eval()(pictures.x).float()))
    assert found[1][0] == pytest.approx(found[0][0], rel=0.02)
    assert close(found[1][1], found[0][1], 0.05)


@pytest.mark.parametrize(("shape", "final"), [((1, 1, 1), 1), ((3, 8, 8), 1)])
@pytest.mark.parametrize("way", ["", "plain", "compiled", "native", "whole"])
def test_batch_norm_of_one_value_is_refused_in_one_line(shape: tuple[int, int, int], final: int, way: str) -> None:
    model, words = network(shape, final=final), "one pixel; increase train.batch or set model.norm=none"
    model.backends = [way] * 6 if way else []
    model.chain = dispatch.compile_blocks(model.backends)
    with pytest.raises(ZooError, match=words):
        model.losses(batch(shape, 1))


def test_one_picture_is_enough_without_batch_norm_and_in_evaluation() -> None:
    assert network((1, 1, 1), final=1, norm="none").losses(batch((1, 1, 1), 1))["loss"].isfinite()
    assert network((1, 1, 1), final=1).eval().losses(batch((1, 1, 1), 1))["loss"].isfinite()
    assert network((1, 8, 8), final=2).losses(batch((1, 8, 8), 1))["loss"].isfinite()


@pytest.mark.parametrize(("kind", "tolerance"), [(torch.float16, 2e-3), (torch.bfloat16, 2e-2), (torch.float64, 1e-12)])
def test_mish_and_its_gradient_are_those_of_pytorch(kind: torch.dtype, tolerance: float) -> None:
    x = torch.cat([torch.linspace(-20, 30, 501), torch.tensor([100.0, 6e4])]).to(kind)
    found, expected = x.clone().requires_grad_(), x.double().requires_grad_()
    ours, theirs = gather.mish(found), nn.functional.mish(expected)
    torch.autograd.backward([ours.sum(), theirs.sum()])
    assert ours.dtype == kind and found.grad is not None and expected.grad is not None
    torch.testing.assert_close(ours.detach().double(), theirs.detach(), rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(found.grad.double(), expected.grad, rtol=tolerance, atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["before", "after"])
def test_compiled_tails_agree_with_pytorch(norm: str) -> None:
    assert gather.why_compile_fails(norm, "mish", torch.float32) == ""
    for window, channels in ((Window((9, 7), (5, 4)), 31), (Window((11, 7), (4, 2)), 46)):
        compare(gather.compiled_tail, Block.tail, make(window, channels, norm, "mish"))
    compare(gather.compiled_tail, Block.tail, make(Window((9, 7), (5, 4)), 19, norm, "mish").eval())


@pytest.mark.slow
def test_a_network_compiled_in_one_piece_is_the_same_model() -> None:
    plain = network((1, 8, 8), **SMALL)
    whole = copy.deepcopy(plain)
    whole.backends = ["whole"] * 2
    whole.chain = dispatch.compile_blocks(whole.backends)
    for size in (6, 5):
        found = []
        for model in (plain, whole):
            torch.manual_seed(9)
            model.zero_grad()
            loss = model.losses(batch((1, 8, 8), size))["loss"]
            torch.autograd.backward(loss)
            found.append((loss.item(), torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])))
        assert found[1][0] == pytest.approx(found[0][0], rel=1e-4)
        assert close(found[1][1], found[0][1], 1e-3)


def test_what_the_kernel_does_not_cover_is_compiled_or_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "why_compile_fails", lambda *_: "")
    ways, note = dispatch.choose_backends(network(**SMALL, norm="after").blocks, "cpu", torch.bfloat16)
    assert ways == ["compiled"] * 2
    assert note == "compiled (the native kernel does not support these options)"
    assert dispatch.choose_backends(network(**SMALL).blocks, "cpu", None)[0] == ["compiled"] * 2
    for reason, expected in (("", (["whole"] * 2, "compiled")), ("no Triton", ([], "plain PyTorch (no Triton)"))):
        monkeypatch.setattr(dispatch, "why_not_compiled", lambda _, reason=reason: reason)
        assert dispatch.choose_backends(network(**SMALL).blocks, "cuda", torch.bfloat16) == expected
    assert dispatch.choose_backends(network(**SMALL).blocks, "mps", None) == ([], "plain PyTorch")
