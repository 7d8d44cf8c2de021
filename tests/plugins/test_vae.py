"""The kind `vae`: shapes, an honest bound, every prior, variances that do not collapse, resuming, and the registry."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from interrupting import Interrupt
from torch import Tensor
from zoo_codecs.losses import MIN_PIXEL_STD
from zoo_codecs.vae import VAE

import zoo
from zoo import DataInfo
from zoo.core.errors import InterruptedRun, ZooError
from zoo.core.types import Batch
from zoo.models.generator import Generator
from zoo.models.latent import dequantise, fixed_seed
from zoo.models.prior import Posterior
from zoo.registry.build import build_model
from zoo.registry.catalog import catalog
from zoo.registry.entry import Entry, resolve_entry
from zoo.registry.listing import load_entry
from zoo.registry.model_size import count_size
from zoo.registry.raw_entry import RawEntry

PRIORS = ("normal", "laplace", "generalized-normal", "student-t", "power-law", "mixture", "vamp")
SHAPES = [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 64), (2, 9, 15)]
TINY = ("model.latent=4", "model.width=8", "model.blocks=1", "data.limit=300", "train.batch=50", "train.epochs=3")

pytestmark = pytest.mark.usefixtures("home")


def info(shape: tuple[int, int, int] = (1, 8, 8)) -> DataInfo:
    return DataInfo(shape, ("a", "b"), (0.4,) * shape[0], (0.3,) * shape[0])


def entry(prior: str = "normal", **options: Any) -> Entry:
    model = {"kind": "vae", "latent": 4, "width": 8, "blocks": 1, "warmup": 0} | options
    return resolve_entry(RawEntry("small", {"model": model, "prior": {"kind": prior}}, {}))


def made(shape: tuple[int, int, int] = (1, 8, 8), prior: str = "normal", **options: Any) -> Generator:
    torch.manual_seed(0)
    model = build_model(entry(prior, **options), info(shape))
    assert isinstance(model, Generator)
    return model


def codec(model: Generator) -> VAE:
    assert isinstance(model.codec, VAE)
    return model.codec


def pictures(n: int, shape: tuple[int, int, int] = (1, 8, 8)) -> Batch:
    """Stripes of random phase in whole levels, which a few numbers describe."""
    phase = torch.rand(n, 1, 1, 1, generator=torch.Generator().manual_seed(0)) * 6
    wave = (torch.arange(shape[2]) + phase).sin() / 2 + 0.5
    return Batch((wave.expand(n, *shape) * 255).round() / 255, torch.arange(n) % 2)


def total(model: Generator, batch: Batch) -> Tensor:
    return torch.stack(list(model.losses(batch).values())).sum()


def learn(model: Generator, batch: Batch, steps: int, rate: float = 3e-3) -> list[float]:
    """The losses of some steps."""
    optimizer, found = torch.optim.Adam(model.parameters(), rate), []
    model.train()
    for _ in range(steps):
        loss = total(model, batch)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        found.append(loss.item())
    return found


@pytest.mark.parametrize("form", ["vector", "map"])
@pytest.mark.parametrize("shape", SHAPES)
def test_pictures_of_any_size_become_codes_and_pictures_again(shape: tuple[int, int, int], form: str) -> None:
    model, batch = made(shape, form=form), pictures(3, shape)
    codes = model.codes(batch.x)
    low = codes.shape[2:]
    assert codes.shape[1] == 4
    assert (len(low) == 0) if form == "vector" else 4 <= min(low) < 8
    assert tuple(codes.shape[1:]) == model.codec.code.shape
    assert model.reconstruct(batch.x).shape == batch.x.shape == model.sample(3).shape
    assert count_size(entry(form=form), info(shape)).flops


def test_pictures_cut_into_squares_have_codes_of_the_same_size_for_less_work() -> None:
    shape = (3, 32, 32)
    whole, cut = made(shape, form="map"), made(shape, form="map", patch=4)
    batch = pictures(8, shape)
    assert cut.codec.code.shape == whole.codec.code.shape
    assert cut.reconstruct(batch.x).shape == batch.x.shape
    work = [count_size(entry(form="map", patch=patch), info(shape)).flops or 0 for patch in (1, 4)]
    assert 0 < work[1] < work[0] / 3
    losses = learn(cut, batch, 60)
    assert losses[-1] < losses[0] - 0.5


def test_squares_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ZooError, match=r"28x30 pictures cannot be divided into 4x4 patches.*change model.patch"):
        made((1, 28, 30), patch=4)


def test_one_picture_is_a_batch() -> None:
    model, batch = made(), pictures(1)
    assert math.isfinite(learn(model, batch, 2)[-1])
    assert model.eval().metrics(batch)["loss"].isfinite()


@pytest.mark.parametrize("prior", PRIORS)
def test_every_prior_learns_and_gradients_reach_every_parameter(prior: str) -> None:
    model, batch = made(prior=prior), pictures(16)
    losses = learn(model, batch, 25)
    assert all(math.isfinite(loss) for loss in losses)
    assert losses[-1] < losses[0]
    total(model, batch).backward()  # type: ignore[no-untyped-call]
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("variance", ["analytic", "learnt"])
def test_training_by_the_elbo_lowers_the_bound(variance: str) -> None:
    model, batch = made(objective="elbo", variance=variance), pictures(64)
    before = model.eval().metrics(batch)["bound"].item()
    learn(model, batch, 150)
    after = model.eval().metrics(batch)
    assert after["bound"] < before - 20
    assert after["mse"] < 0.03


def test_bits_of_a_number_agree_with_a_density_of_whole_levels() -> None:
    model, batch = made(objective="elbo").eval(), pictures(8)
    found = model.metrics(batch)
    with fixed_seed(batch.x.device), torch.no_grad():
        x = dequantise(batch.x)
        q = model.posterior(x)
        shown = model.codec.decode(q.sample())
        std = codec(model).variance(x).sqrt()
        likelihood = torch.distributions.Normal(shown, std).log_prob(x).flatten(1).sum(1)  # type: ignore[no-untyped-call]
        one = torch.distributions.Normal(torch.zeros(()), torch.ones(()))
        rate = torch.distributions.kl_divergence(torch.distributions.Normal(q.mean, q.log_std.exp()), one).sum(1)
    # A level is 1/256 wide, so the density in levels is the density in values over 256.
    bits = (rate - likelihood + 64 * math.log(256)).mean() / 64 / math.log(2)
    assert found["rate"].item() == pytest.approx(rate.mean().item(), rel=1e-5)
    assert found["bound"].item() == pytest.approx((rate - likelihood).mean().item(), rel=1e-5)
    assert found["loss"].item() == pytest.approx(bits.item(), rel=1e-5)


@pytest.mark.parametrize("variance", ["analytic", "learnt"])
def test_the_losses_of_the_elbo_sum_to_the_bound(variance: str) -> None:
    model, batch = made(objective="elbo", variance=variance, beta=5, warmup=1000, free_bits=2), pictures(500)
    learn(model, batch, 30)
    model.eval()
    draws = []
    with torch.no_grad():
        for seed in range(30):
            with fixed_seed(batch.x.device, seed):
                draws.append(total(model, batch).item() * 64)
        bound = model.metrics(batch)["bound"].item()
    mean, spread = torch.tensor(draws).mean().item(), torch.tensor(draws).std().item()
    assert abs(bound - mean) < 5 * spread


def test_beta_warmup_and_free_bits_weigh_the_rate_of_the_losses_alone() -> None:
    rate = torch.tensor(3.0)
    assert codec(made(beta=0.5)).rate(rate) == 1.5
    assert codec(made(free_bits=2.0)).rate(rate) == 8
    warm = codec(made(warmup=4))
    assert [step(warm, rate).item() for _ in range(5)] == [0.75, 1.5, 2.25, 3, 3]
    plain, heavy = made(), made(beta=7, warmup=1000, free_bits=3.0)
    assert plain.eval().metrics(pictures(8)) == heavy.eval().metrics(pictures(8))


def step(model: VAE, rate: Tensor) -> Tensor:
    model.train().learn(pictures(2))
    return model.rate(rate)


def test_free_bits_do_not_push_a_rate_that_is_below_them() -> None:
    rate = torch.tensor(3.0, requires_grad=True)
    codec(made(free_bits=2.0)).rate(rate).backward()  # type: ignore[no-untyped-call]
    assert rate.grad == 0


@pytest.mark.parametrize("variance", ["analytic", "learnt"])
def test_a_perfect_reconstruction_has_a_finite_distortion(variance: str) -> None:
    model = codec(made(variance=variance)).train()
    x = pictures(2).x
    if variance == "learnt":
        torch.nn.init.constant_(model.variance.get_parameter("log_std"), -100.0)
    for _ in range(1000):
        found = model.distortion(x, x)
    least = 32 * math.log(2 * math.pi * MIN_PIXEL_STD**2)
    assert found.tolist() == pytest.approx([least] * 2, rel=1e-3)
    assert model.eval().distortion(x, x).tolist() == pytest.approx([least] * 2, rel=2e-2)


def test_the_analytic_variance_is_the_likeliest_and_evaluation_uses_its_average() -> None:
    model = codec(made()).train()
    x = torch.zeros(2, 1, 8, 8)
    shown = x + 0.1
    assert model.distortion(x, shown).tolist() == pytest.approx([32 * (1 + math.log(2 * math.pi * 0.01))] * 2)
    model.distortion(x, x + 0.3)
    assert model.variance.get_buffer("average").item() == pytest.approx((0.01 + 0.09) / 2)
    model.eval()
    assert model.distortion(x, x).tolist() == pytest.approx([32 * math.log(2 * math.pi * 0.05)] * 2)


@pytest.mark.parametrize("prior", PRIORS)
def test_evaluation_changes_neither_the_model_nor_the_random_numbers(prior: str) -> None:
    model, batch = made(prior=prior).eval(), pictures(8)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    with torch.inference_mode():
        first, second = model.metrics(batch), model.metrics(batch)
        model.reconstruct(batch.x)
    assert first == second
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("form", ["vector", "map"])
def test_half_precision_gives_losses_in_full(form: str) -> None:
    model, batch = made(form=form), pictures(8)
    with torch.autocast("cpu", torch.bfloat16):
        losses, metrics = model.losses(batch), model.eval().metrics(batch)
    for value in (*losses.values(), *metrics.values()):
        assert value.dtype == torch.float32
        assert value.isfinite()


@pytest.mark.parametrize("options", [(), ("prior.kind=mixture", "model.variance=learnt", "model.form=map")])
def test_a_run_that_was_interrupted_goes_on_bit_for_bit(options: tuple[str, ...]) -> None:
    train = (*TINY, "model.warmup=9", *options)
    whole = zoo.train("vae", *train, out="whole")
    with pytest.raises(InterruptedRun):
        zoo.train("vae", *train, out="broken", callback=Interrupt(7))
    assert zoo.train("vae", *train, out="broken").weights_sha256 == whole.weights_sha256
    assert zoo.load("broken").log() == zoo.load("whole").log()


@pytest.mark.slow
def test_a_run_gives_the_generator_back() -> None:
    run = zoo.load(zoo.train("vae", *TINY, "prior.kind=power-law", "prior.alpha=2").run)
    assert run.path == Path("runs/vae-1")
    one, two = run.model(), run.model()
    assert isinstance(one, Generator)
    assert isinstance(two, Generator)
    x = pictures(5).x
    assert torch.equal(one.reconstruct(x), two.reconstruct(x))
    rows = run.log()
    assert rows[-1]["valid"]["bound"] < rows[0]["valid"]["bound"]
    found = zoo.evaluate(run.path, split="valid").metrics
    best = min(rows, key=lambda row: row["valid"]["loss"])["valid"]
    assert found["bound"] == pytest.approx(best["bound"], rel=0.02)


@pytest.mark.parametrize("form", ["vector", "map"])
def test_noise_gives_codes_of_one_scale_and_posteriors_of_one_width(form: str) -> None:
    model, batch = made((3, 32, 32), form=form, lowest=8, noise=0.25), pictures(64, (3, 32, 32))
    learn(model, batch, 20, rate=1e-6)
    found = model.train().codec.learn(batch)[0]
    assert isinstance(found, Posterior)
    channels = found.mean.transpose(0, 1).flatten(1)
    assert channels.mean(1).tolist() == pytest.approx([0] * 4, abs=1e-4)
    assert channels.var(1, correction=0).tolist() == pytest.approx([1] * 4, rel=0.01)
    assert found.log_std.exp().flatten().tolist() == pytest.approx([0.25] * found.mean.numel())
    assert tuple(found.mean.shape[1:]) == ((4, 8, 8) if form == "map" else (4,))
    later = model.eval().codes(batch.x)  # by the averages of the training
    assert torch.allclose(later, found.mean, atol=0.05)
    assert torch.allclose(model.codes(batch.x[:1]), later[:1], atol=1e-3)


def test_pseudo_pictures_of_a_prior_do_not_change_the_scale_of_codes() -> None:
    model, batch = made((3, 32, 32), form="map", lowest=8, noise=0.25), pictures(8, (3, 32, 32))
    learn(model, batch, 3)
    before = {name: value.clone() for name, value in model.codec.named_buffers()}
    model.train().posterior(torch.rand(5, 3, 32, 32))
    assert all(torch.equal(value, before[name]) for name, value in model.codec.named_buffers())


def test_lowest_sets_the_size_of_a_map() -> None:
    sizes = [made((3, 32, 32), form="map", lowest=lowest).codec.code.shape for lowest in (4, 8, 16)]
    assert sizes == [(4, 4, 4), (4, 8, 8), (4, 16, 16)]


def test_options_that_are_not_used_leave_hashes_as_they_were() -> None:
    assert {"lowest", "noise", "scores"}.isdisjoint(entry().model.dump())
    assert entry(noise=0.2).hash() != entry().hash() != entry(lowest=8).hash()


def test_a_training_with_noise_goes_on_bit_for_bit() -> None:
    train = (*TINY, "model.form=map", "model.noise=0.2")
    whole = zoo.train("vae", *train, out="whole")
    with pytest.raises(InterruptedRun):
        zoo.train("vae", *train, out="broken", callback=Interrupt(7))
    assert zoo.train("vae", *train, out="broken").weights_sha256 == whole.weights_sha256


def test_the_codec_of_flow_matching_has_a_sixth_of_the_numbers_and_a_teacher_that_ships() -> None:
    found = load_entry("vae-nf-cifar10")
    model = build_model(found, info((3, 32, 32)))
    assert isinstance(model, Generator) and model.prior.matching
    assert 6 * model.codec.code.size == 3 * 32 * 32
    assert [(stage.name, stage.encoding is not None) for stage in model.stages()] == [("codec", False), ("prior", True)]
    assert found.train.stage("prior").cache and not found.train.stage("codec").cache
    assert "cifar10" in {each.weights.data for each in catalog().weights(model.teacher)}
