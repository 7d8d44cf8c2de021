"""The protocol's defaults: classifiers standardise, smooth labels in training only, and count what they learn."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from zoo.core.types import Batch, DataInfo
from zoo.data.dataset import Pictures
from zoo.evaluation.evaluate import compute_outputs
from zoo.models.base import Classifier, Model, why_not_compiled
from zoo.models.metrics import mean_metrics
from zoo.registry.model_size import forward_flops

INFO = DataInfo((3, 4, 4), ("a", "b", "c"), (0.2, 0.5, 0.8), (0.1, 0.2, 0.0))


class Linear(Classifier):
    """One linear layer that remembers what it was shown."""

    def __init__(self, label_smoothing: float = 0.0) -> None:
        super().__init__(INFO, label_smoothing)
        self.layer = nn.Linear(48, 3)
        self.shown = torch.zeros(0)

    def logits(self, x: Tensor) -> Tensor:
        self.shown = x.detach()
        scores: Tensor = self.layer(x.flatten(1))
        return scores


def some(count: int) -> Pictures:
    generator = torch.Generator().manual_seed(1)
    x = torch.randint(0, 256, (count, 3, 4, 4), dtype=torch.uint8, generator=generator)
    return Pictures(x, torch.arange(count) % 3)


def batch(count: int = 6) -> Batch:
    pictures = some(count)
    return Batch(pictures.x / 255, pictures.y)


def test_pictures_are_standardised_by_channel() -> None:
    model, given = Linear(), batch()
    model(given.x)
    assert torch.allclose(model.shown[:, 0], (given.x[:, 0] - 0.2) / 0.1, atol=1e-5)
    assert torch.isfinite(model.shown).all(), "a channel without any variation stays finite"


def test_label_smoothing_raises_the_loss_to_learn_from_but_not_the_metric() -> None:
    torch.manual_seed(0)
    plain, smooth = Linear(), Linear(0.2)
    smooth.load_state_dict(plain.state_dict())
    given = batch()
    assert smooth.losses(given)["loss"] != plain.losses(given)["loss"]
    assert smooth.metrics(given)["loss"] == plain.metrics(given)["loss"]


def test_statistics_are_no_parameters_but_are_saved() -> None:
    model = Linear()
    assert {name for name, _ in model.named_parameters()} == {"layer.weight", "layer.bias"}
    assert {"mean", "std"} <= model.state_dict().keys()


def test_means_weigh_the_last_short_batch_by_its_size() -> None:
    torch.manual_seed(0)
    model = Linear().eval()
    whole = batch(7)
    parts = [Batch(whole.x[:5], whole.y[:5]), Batch(whole.x[5:], whole.y[5:])]
    with torch.no_grad():
        expected = {name: value.item() for name, value in model.metrics(whole).items()}
    assert mean_metrics(model, parts) == pytest.approx(expected, rel=1e-5)


def test_outputs_of_a_classifier_agree_with_its_metrics() -> None:
    torch.manual_seed(0)
    model = Linear()
    found = compute_outputs(model, some(11), INFO, torch.device("cpu"))
    with torch.no_grad():
        expected = {name: value.item() for name, value in model.metrics(batch(11)).items()}
    assert found.means == pytest.approx(expected, rel=1e-5)
    assert found.scores is not None
    assert torch.allclose(found.scores.exp().sum(1), torch.ones(11), atol=1e-5)


def test_a_classifiers_own_metrics_are_asked() -> None:
    class Own(Linear):
        def metrics(self, batch: Batch) -> dict[str, Tensor]:
            return super().metrics(batch) | {"brightness": batch.x.mean()}

    torch.manual_seed(0)
    pictures = some(11)
    found = compute_outputs(Own(), pictures, INFO, torch.device("cpu"))
    assert found.means["brightness"] == pytest.approx(pictures.x.double().mean().item() / 255, rel=1e-5)
    assert found.means.keys() == {"loss", "accuracy", "brightness"}
    assert found.scores is not None


def test_flops_are_counted_on_the_meta_device() -> None:
    with torch.device("meta"):
        model = Linear()
    assert forward_flops(model, INFO) == 2 * 48 * 3


def test_acceleration_gives_way_where_no_compiler_works(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(function: object) -> object:
        raise RuntimeError("no compiler\nfound")

    why_not_compiled.cache_clear()
    monkeypatch.setattr(torch, "compile", broken)
    assert Linear().accelerate(None) == "eager (no compiler found)"
    why_not_compiled.cache_clear()


def test_the_default_metrics_of_a_model_are_its_losses_and_their_sum() -> None:
    class Two(Model):
        def losses(self, batch: Batch) -> dict[str, Tensor]:
            return {"rate": batch.x.mean(), "distortion": batch.x.mean() * 2}

    found = Two().metrics(Batch(torch.ones(2, 1, 1, 1), torch.zeros(2, dtype=torch.int64)))
    assert {name: value.item() for name, value in found.items()} == {"loss": 3, "rate": 1, "distortion": 2}
