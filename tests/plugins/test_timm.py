"""The kind `timm`: adapted stems and patches, budgets before weights, and errors of one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import timm
import torch
import zoo_timm
from pydantic import ValidationError
from torch import nn
from zoo_timm.model import Timm, build_model
from zoo_timm.spec import TimmSpec
from zoo_timm.strides import inspect_network

from zoo import DataInfo
from zoo.core.errors import MissingError, ZooError
from zoo.core.sections import StageSpec
from zoo.core.types import Batch
from zoo.models.base import saved_weights_follow
from zoo.training.optim import Optimizers

INFO = DataInfo.of((3, 32, 32), tuple("0123456789"))
GREY = DataInfo.of((1, 28, 28), tuple("0123456789"))
DIGITS = DataInfo.of((1, 8, 8), tuple("0123456789"))


def made(architecture: str, info: DataInfo = INFO, **options: Any) -> Timm:
    return build_model(TimmSpec(architecture=architecture, **options), info)


def on_meta(architecture: str, info: DataInfo = INFO, **options: Any) -> Timm:
    with torch.device("meta"):
        return made(architecture, info, **options)


def count(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


def refused(architecture: str, info: DataInfo = INFO, **options: Any) -> str:
    with pytest.raises(ZooError) as error:
        made(architecture, info, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_hook_module_imports_neither_torch_nor_timm() -> None:
    code = "import sys, zoo_timm; assert not {'torch', 'timm'} & set(sys.modules), 'heavy'"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_tokens_and_positions_have_no_weight_decay() -> None:
    net = on_meta("vit_tiny_patch16_224")
    decays = {
        id(parameter): group["weight_decay"]
        for each in Optimizers(net, StageSpec(weight_decay=0.1)).all
        for group in each.param_groups
        for parameter in group["params"]
    }
    found = {name: decays[id(parameter)] for name, parameter in net.named_parameters()}
    spared = {name for name, decay in found.items() if not decay and not name.endswith((".bias", ".weight"))}
    assert {name.rpartition(".")[2] for name in spared} == {"cls_token", "pos_embed"}
    assert {decay for name, decay in found.items() if name.endswith("qkv.weight")} == {0.1}


def test_the_hook_yields_the_kind() -> None:
    (kind,) = zoo_timm.zoo_models()
    assert (kind.name, kind.spec) == ("timm", TimmSpec)
    with torch.device("meta"):
        assert isinstance(kind.build(TimmSpec(architecture="resnet10t"), DIGITS), Timm)


@pytest.mark.parametrize(
    ("architecture", "side"),
    [
        ("resnet10t", 4),
        ("mobilenetv3_small_050", 4),
        ("vit_tiny_patch16_224", 8),
        ("convnext_atto", 4),
        ("efficientnet_b0", 4),
        ("tf_efficientnet_b0", 4),
        ("regnetx_002", 4),
        ("mixer_s16_224", 8),
        ("densenet121", 4),
        ("swin_tiny_patch4_window7_224", 4),
        ("coatnet_nano_rw_224", 4),
        ("levit_128s", 4),
        ("tresnet_m", 4),
    ],
)
def test_the_last_map_of_small_pictures_is_large_enough(architecture: str, side: int) -> None:
    model = on_meta(architecture)
    with torch.device("meta"):
        seen = inspect_network(model.net, torch.empty(2, 3, 32, 32))
        scores = model.train()(torch.empty(2, 3, 32, 32))
    assert model.size == (32, 32)
    assert side <= seen.side < side + 1
    assert scores.shape == (2, 10)
    assert all(tensor.is_meta for tensor in model.state_dict().values())


@pytest.mark.parametrize(("info", "side"), [(GREY, 4), (DIGITS, 4), (DataInfo.of((3, 24, 40), ("a", "b")), 7)])
def test_other_channels_classes_and_sizes(info: DataInfo, side: int) -> None:
    model = on_meta("resnet10t", info)
    with torch.device("meta"):
        seen = inspect_network(model.net, torch.empty(2, *info.shape))
    assert seen.scores == (2, len(info.classes))
    assert side <= seen.side < side + 1


def test_a_resnet_gets_the_stem_known_from_cifar() -> None:
    net: Any = made("resnet18").net
    assert (net.conv1.kernel_size, net.conv1.stride, net.conv1.padding) == ((3, 3), (1, 1), (1, 1))
    assert isinstance(net.maxpool, nn.Identity)
    assert count(net) == 11_173_962


def test_a_kept_stem_is_timms_own() -> None:
    net: Any = on_meta("resnet18", stem="keep").net
    with torch.device("meta"):
        own = timm.create_model("resnet18", num_classes=10)
    assert count(net) == count(own)
    assert net.conv1.stride == (2, 2)


def test_large_pictures_keep_the_stem() -> None:
    net: Any = on_meta("resnet18", DataInfo.of((3, 96, 96), ("a", "b"))).net
    assert net.conv1.stride == (2, 2)


@pytest.mark.parametrize(
    ("architecture", "module"),
    [("vit_tiny_patch16_224", "patch_embed"), ("mixer_s16_224", "stem")],  # by constructor, and by hand
)
def test_patches_shrink_to_four_pixels(architecture: str, module: str) -> None:
    projection: Any = on_meta(architecture).net.get_submodule(f"{module}.proj")
    assert (projection.kernel_size, projection.stride) == ((4, 4), (4, 4))


def test_a_smaller_patch_sees_what_the_whole_one_saw_of_enlarged_pictures() -> None:
    torch.manual_seed(0)
    plain = timm.create_model("mixer_s16_224", num_classes=10, img_size=128).eval()
    torch.manual_seed(0)
    model = made("mixer_s16_224").eval()
    x = torch.rand(2, 3, 32, 32)
    enlarged = x.repeat_interleave(4, 2).repeat_interleave(4, 3)
    with torch.no_grad():
        torch.testing.assert_close(model.net(x), plain(enlarged), rtol=1e-3, atol=1e-4)


def test_a_training_step_moves_every_weight_that_counts() -> None:
    torch.manual_seed(0)
    model = made("mobilenetv3_small_050", DIGITS, label_smoothing=0.1)
    batch = Batch(torch.rand(8, 1, 8, 8), torch.arange(8))
    torch.stack(list(model.losses(batch).values())).sum().backward()  # type: ignore[no-untyped-call]
    gradients = [weight.grad for weight in model.parameters()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
    assert all(gradient.any() for gradient in gradients if gradient is not None and gradient.ndim > 1)
    assert model.eval().metrics(batch).keys() == {"loss", "accuracy"}


def test_the_same_seed_gives_the_same_weights_and_planning_draws_nothing() -> None:
    torch.manual_seed(3)
    first = made("resnet10t", DIGITS)
    after = torch.rand(1)
    torch.manual_seed(3)
    second = made("resnet10t", DIGITS)
    assert torch.equal(after, torch.rand(1))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    before = torch.get_rng_state()
    on_meta("resnet10t", DIGITS)
    assert torch.equal(before, torch.get_rng_state())


def test_size_resizes_within_the_model() -> None:
    model = made("resnet10t", DIGITS, size=16).eval()
    seen: list[torch.Size] = []
    model.net.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    assert model(torch.rand(2, 1, 8, 8)).shape == (2, 10)
    assert seen == [torch.Size([2, 1, 16, 16])]
    smaller = on_meta("resnet10t", DataInfo.of((3, 100, 120), ("a", "b")), size=32)
    with torch.device("meta"):
        assert smaller(torch.empty(2, 3, 100, 120)).shape == (2, 2)


def test_size_is_raised_only_where_the_architecture_cannot_take_less() -> None:
    assert on_meta("efficientformer_l1").size == (56, 56)
    assert on_meta("resnet10t").size == (32, 32)
    assert refused("efficientformer_l1", size=48).endswith("size=56 would work")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnet19", "resnet18"),
        ("vit_tiny", "did you mean"),
        ("resnet18.nothing", "resnet18.a1_in1k"),
        ("hf-hub:somebody/net", "no architecture"),
        ("local-dir:/somewhere", "no architecture"),
    ],
)
def test_unknown_names_get_one_line(name: str, said: str) -> None:
    assert said in refused(name)


def test_the_budget_is_checked_before_anything_is_allocated(monkeypatch: pytest.MonkeyPatch) -> None:
    devices: set[str] = set()
    original = nn.Module.register_parameter

    def watched(self: nn.Module, name: str, param: nn.Parameter | None) -> None:
        if param is not None:
            devices.add(param.device.type)
        original(self, name, param)

    monkeypatch.setattr(nn.Module, "register_parameter", watched)
    said = refused("vit_base_patch16_224", max_parameters=6_000_000)
    assert devices == {"meta"}
    assert "max_parameters=6,000,000" in said
    assert f"{count(on_meta('vit_base_patch16_224')):,}" in said
    devices.clear()
    made("resnet10t", DIGITS, max_parameters=5_000_000)
    assert devices == {"meta", "cpu"}


def test_a_refusal_names_relatives_within_the_budget() -> None:
    budget = 12_000_000
    said = refused("resnet34", max_parameters=budget)
    names = [part.split(" ")[0] for part in said.partition("these fit: ")[2].split("), ")]
    assert names
    assert all(count(on_meta(name)) <= budget for name in names)


def test_the_budget_counts_the_adapted_network() -> None:
    own = count(on_meta("resnet18"))
    assert count(on_meta("resnet18", max_parameters=own)) == own
    refused("resnet18", max_parameters=own - 1)


@pytest.mark.parametrize(
    ("architecture", "options", "said"),
    [
        ("resnet18", {"options": {"wings": 2}}, "wings"),
        ("densenet121", {"drop_path_rate": 0.1}, "no option drop_path_rate"),
        ("deepseek_vit_412m_enc", {}, "not a classifier"),
        ("resnet18", {"options": {"act_layer": "nonsense"}}, "cannot be built"),
    ],
)
def test_what_timm_refuses_is_one_line(architecture: str, options: dict[str, Any], said: str) -> None:
    assert said in refused(architecture, **options)


def test_options_reach_the_constructor() -> None:
    patched: Any = on_meta("vit_tiny_patch16_224", options={"patch_size": 2}).net
    assert patched.patch_embed.patch_size == (2, 2)
    changed: Any = on_meta("resnet10t", options={"act_layer": "silu"}, drop_rate=0.25).net
    assert isinstance(changed.layer1[0].act1, nn.SiLU)
    assert changed.drop_rate == 0.25


@pytest.mark.parametrize("name", ["checkpoint_path", "in_chans", "img_size", "pretrained_cfg", "features_only"])
def test_options_cannot_reach_around_the_spec(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        TimmSpec(options={name: 1})


def test_pretrained_weights_that_are_not_there_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingError, match="weights of resnet10t are not in the cache") as error:
        made("resnet10t", pretrained=True)
    assert "\n" not in str(error.value)
    with pytest.raises(MissingError, match="no weights for resnetblur18"):
        made("resnetblur18", pretrained=True)


@pytest.mark.parametrize("name", ["resnet10t.c3_in1k", "convnext_atto", "vit_tiny_patch16_224"])
def test_pretrained_weights_come_from_safetensors(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = timm.create_model(name.partition(".")[0])
    path = tmp_path / "model.safetensors"
    safetensors.torch.save_file(source.state_dict(), path)
    asked: list[str] = []

    def download(repository: str, filename: str, revision: str | None) -> str:
        asked.append(filename)
        return str(path)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    model = made(name, pretrained=True)
    assert asked == ["model.safetensors"]
    kept = [key for key, value in source.state_dict().items() if key in model.net.state_dict()]
    same = [key for key in kept if torch.equal(source.state_dict()[key], model.net.state_dict()[key])]
    assert len(same) >= len(kept) - 4  # the first convolution, the head's weight and bias, positions
    assert model(torch.rand(2, 3, 32, 32)).shape == (2, 10)
    with torch.device("meta"):
        made(name, pretrained=True)
    assert len(asked) == 1


def test_pretrained_weights_that_do_not_fit_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"not weights")
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_, **__: str(path))
    assert "cannot be built" in refused("resnet10t", pretrained=True)


def test_a_model_that_saved_weights_follow_asks_for_no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_, **__: pytest.fail("it asked for a download"))
    with saved_weights_follow():
        made("resnet10t", pretrained=True)
