"""The prior `flow` with `architecture: matching`: a continuous flow whose steps are inverted, measured and learnt."""

from __future__ import annotations

import copy
import math
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from priors import check_integral, check_samples, check_saved, check_seed, check_shapes, check_temperature
from pydantic import ValidationError
from scipy.integrate import solve_ivp
from torch import Tensor
from zoo_priors.matching import Matching
from zoo_priors.spec import FlowSpec
from zoo_priors.velocity import MapVelocity, VectorVelocity, place_features

import zoo
from zoo import CodeInfo, ZooError
from zoo.core.types import Batch, DataInfo
from zoo.models import Generator, why_not_compiled
from zoo.models.prior import Term, single_term
from zoo.registry.build import build_model
from zoo.registry.catalog import catalog
from zoo.registry.listing import load_entry
from zoo.testing.densities import check_kl

SHAPES = [(1,), (5,), (3, 2, 2)]
shaped = pytest.mark.parametrize("shape", SHAPES)


def make(*shape: int, wild: float = 0.15, conditions: int = 3, **options: Any) -> Matching:
    """A small one whose weights are random throughout, and whose codes are neither centred nor of deviation 1."""
    torch.manual_seed(0)
    spec = FlowSpec(**{"architecture": "matching", "width": 16, "layers": 2, "heads": 2, "steps": 6} | options)
    flow = catalog().find("prior", "flow")[1].build(spec, CodeInfo(shape, condition=conditions))
    assert isinstance(flow, Matching)
    with torch.no_grad():
        for name, parameter in flow.named_parameters():
            parameter.add_(torch.randn_like(parameter), alpha=3 * wild if "last" in name else wild)
        flow.centre.add_(0.5)
        flow.square.fill_(2.5)
    return flow.eval()


def classes(count: int) -> Tensor:
    """Classes in turn as one-hot vectors."""
    return torch.eye(3)[torch.arange(count) % 3]


def jacobian(flow: Matching, u: Tensor, t: Tensor) -> Tensor:
    """The logarithm of the determinant of the sampler at one vector (1, D), by autograd."""
    found = torch.autograd.functional.jacobian(  # type: ignore[no-untyped-call]
        lambda base: flow.from_base(base, single_term(t)).flatten(), u
    )
    log_det: Tensor = found[:, 0].slogdet().logabsdet
    return log_det


@pytest.mark.parametrize("shape", [(5,), (3, 4, 4)])
def test_the_network_may_be_trained_in_bfloat16(shape: tuple[int, ...]) -> None:
    flow, code = make(*shape).train(), torch.randn(64, *shape)
    losses = []
    for autocast in (False, True):
        torch.manual_seed(1)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            losses.append(flow.matching_loss(code, classes(64)))
    assert losses[1].dtype == torch.float32
    assert not torch.equal(*losses), "the network runs in the lower precision"
    assert losses[1].mean().item() == pytest.approx(losses[0].mean().item(), rel=0.02)


@shaped
def test_encoding_inverts_the_steps_of_sampling(shape: tuple[int, ...]) -> None:
    flow, z, t = make(*shape), 0.5 + 2 * torch.randn(20, *shape), classes(20)
    with torch.inference_mode():
        u = flow.base(z, t)
        assert (flow.from_base(u, single_term(t)) - z).abs().max() < 1e-4
        assert (u - flow.standardise(z.flatten(1))).abs().max() > 0.1, "it does something"
        assert torch.equal(flow.to_base(z, t)[0], u)
    flow.double()
    with torch.no_grad():
        assert (flow.from_base(flow.base(z.double(), t), single_term(t)) - z).abs().max() < 1e-9


@shaped
def test_log_determinants_of_small_codes_are_autograds(shape: tuple[int, ...]) -> None:
    flow, z, t = make(*shape).double(), torch.randn(4, *shape, dtype=torch.float64), classes(4)
    u, found = flow.to_base(z, t)
    expected = [-jacobian(flow, u[row : row + 1], t[row : row + 1]).item() for row in range(4)]
    assert flow.exact and found.tolist() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("shape", [(17,), (5, 2, 2)])
def test_log_determinants_of_larger_codes_are_estimated_without_bias(shape: tuple[int, ...]) -> None:
    flow = make(*shape, wild=0.1, steps=12).double()
    z, t = torch.randn(1, *shape, dtype=torch.float64), classes(1)
    many = z.expand(200, *shape), t.expand(200, -1)
    u, found = flow.to_base(*many)
    expected, error = -jacobian(flow, u[:1], t).item(), found.std().item() / math.sqrt(200)
    assert not flow.exact and error > 0
    assert found.mean().item() == pytest.approx(expected, abs=4 * error + 0.01)


def test_the_sampler_approaches_a_finer_solution_with_the_square_of_its_steps() -> None:
    flow, t = make(3).double(), classes(1).double()
    u = torch.randn(1, 3, dtype=torch.float64)
    with torch.no_grad():
        field = flow.field(single_term(t), u)
        fine = solve_ivp(
            lambda at, x: field(torch.from_numpy(x)[None], at)[0].numpy(), (0, 1), u[0].numpy(), rtol=1e-9, atol=1e-9
        )
        exact = torch.from_numpy(fine.y[:, -1])
        errors = []
        for steps in (10, 20):
            flow.spec = flow.spec.model_copy(update={"steps": steps})
            errors.append((flow.standardise(flow.from_base(u, single_term(t))) - exact).abs().max().item())
    assert errors[0] < 0.1 and errors[1] < errors[0] / 3


def test_untrained_it_is_a_normal_distribution() -> None:
    spec = FlowSpec(architecture="matching", width=8, layers=1)
    flow, u = Matching(spec, CodeInfo((3,), condition=2)).eval(), torch.randn(50, 3)
    torch.testing.assert_close(flow.from_base(u, single_term(None)), u, rtol=0.01, atol=0.01)
    assert flow.steps == 10


def test_a_product_of_densities_adds_their_weighted_velocities() -> None:
    flow, x = make(4), torch.randn(5, 4)
    a, b = (torch.eye(3)[[place] * 5] for place in (0, 1))
    with torch.no_grad():
        product = flow.field([Term(2.0, a), Term(0.5, b), Term(-1.5, None)], x)(x, 0.3)
        one, two, none = (flow.field(single_term(condition), x)(x, 0.3) for condition in (a, b, None))
    torch.testing.assert_close(product, 2 * one + 0.5 * two - 1.5 * none, rtol=1e-4, atol=1e-4)
    assert flow.multiplies and not torch.allclose(one, two, atol=0.01)


def test_the_network_fits_the_codes() -> None:
    assert isinstance(make(4).net, VectorVelocity) and isinstance(make(4, 1, 1).net, VectorVelocity)
    assert isinstance(make(4, 2, 3).net, MapVelocity)
    assert make(4, 2, 3).sample(2).shape == (2, 4, 2, 3)


def test_patches_of_a_map_are_tokens() -> None:
    flow = make(3, 4, 6, patch=2)
    assert isinstance(flow.net, MapVelocity) and flow.net.positions.shape == (6, 16)
    code = flow.sample(2)
    torch.testing.assert_close(flow.from_base(flow.base(code), single_term(None)), code, rtol=1e-3, atol=1e-3)
    # a patch keeps its place: a change in one corner moves that corner most
    x = torch.zeros(1, 3, 4, 6)
    x[..., :2, :2] = 1
    with torch.no_grad():
        still, moved = (flow.velocity(each.flatten(1), torch.zeros(1, 1), torch.zeros(1, 32)) for each in (0 * x, x))
    change = (moved - still).view(3, 4, 6).square().sum(0)
    assert change[:2, :2].mean() > 4 * change[2:, 2:].mean()


def attending(**options: Any) -> Matching:
    """A flow over a map that attends to three tokens of two numbers."""
    code = CodeInfo((2, 4, 4), condition=6, tokens=3)
    torch.manual_seed(0)
    flow = Matching(FlowSpec(architecture="matching", width=16, layers=2, heads=2, steps=6, **options), code)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.15)
    return flow.eval()


def test_a_map_attends_to_each_token_of_a_text() -> None:
    """Each token matters beside the mean of all; zeros are no text; encoding is inverse, products are sums."""
    flow, x = attending(patch=2), torch.randn(3, 32)
    text = torch.randn(1, 3, 2).expand(3, -1, -1)
    apart = text.clone()
    apart[:, 0], apart[:, 1] = text[:, 0] + 1, text[:, 1] - 1
    with torch.no_grad():
        found, other = (flow.field(single_term(each.flatten(1)), x)(x, 0.3) for each in (text, apart))
        assert (found - other).abs().max() > 0.01, "of the same mean"
        nothing, none = (flow.field(single_term(each), x)(x, 0.3) for each in (torch.zeros(3, 6), None))
        assert torch.equal(nothing, none)
        product = flow.field([Term(3.0, text.flatten(1)), Term(-2.0, None)], x)(x, 0.3)
        torch.testing.assert_close(product, 3 * found - 2 * none, rtol=1e-4, atol=1e-4)
    code = flow.from_base(x, single_term(text.flatten(1)))
    torch.testing.assert_close(flow.base(code, text.flatten(1)), x, rtol=1e-3, atol=1e-3)


def test_vectors_take_the_mean_of_tokens() -> None:
    """Zeros behind a text do not count."""
    spec = FlowSpec(architecture="matching", width=16, layers=2, context=5)
    flow = Matching(spec, CodeInfo((4,), condition=6, tokens=3)).eval()
    text = torch.tensor([[1.0, 3.0, 2.0, 5.0, 0.0, 0.0]])
    mean = torch.tensor([[1.5, 4.0, 1.5, 4.0, 1.5, 4.0]])
    like = torch.zeros(1, 4)
    torch.testing.assert_close(flow.context(like, text), flow.context(like, mean))
    assert flow.context(like, text).shape == (1, 5)


def test_patches_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ZooError, match="patch=2 does not divide the sides of a map of 3x4; choose a divisor of both"):
        make(2, 3, 4, patch=2)
    with pytest.raises(ZooError, match="patch is for maps; these codes are vectors"):
        make(4, patch=2)


def test_heads_divide_the_width_of_maps_alone() -> None:
    with pytest.raises(ZooError, match=r"prior\.width=10 is not a multiple of prior\.heads=4, as maps need"):
        make(2, 4, 4, width=10, heads=4)
    assert make(4, width=10, heads=4).sample(2).shape == (2, 4)


@pytest.mark.parametrize("side", [(1, 5), (4, 4), (8, 8), (3, 7)])
def test_places_differ_from_the_first_step_on(side: tuple[int, int]) -> None:
    places = place_features(side, 18)
    assert places.shape == (side[0] * side[1], 18)
    assert torch.pdist(places).min() > 1


@pytest.mark.slow
def test_it_keeps_what_every_prior_promises() -> None:
    flow = make(5, conditions=2)
    check_kl(flow, 200)
    for check in (check_shapes, check_seed, check_temperature):
        check(flow)
    check_saved(flow, make(5, conditions=2, wild=0.1))
    small = make(1, conditions=2, steps=3)
    check_integral(small, 1e-3)
    check_samples(small, 3000)


def test_it_learns_what_each_class_looks_like_at_any_scale() -> None:
    torch.manual_seed(0)
    spec = FlowSpec(architecture="matching", width=32, layers=2)
    flow, y = Matching(spec, CodeInfo((2,), condition=3)), torch.arange(3).repeat(200)
    centres = 100 + 50 * torch.tensor([[2.0, 2.0], [2.0, -2.0], [-2.0, 0.0]])
    z, t = centres[y] + 20 * torch.randn(600, 2), torch.eye(3)[y]
    adam = torch.optim.Adam(flow.parameters(), 0.005)
    for _ in range(300):
        adam.zero_grad()
        flow.matching_loss(z, t).mean().backward()  # type: ignore[no-untyped-call]
        adam.step()
    flow.eval()
    entropy = math.log(2 * math.pi * math.e * 400)
    assert entropy - 0.2 < -flow.log_prob(z, t).mean().item() < entropy + 0.3
    normal = math.log(2 * math.pi * math.e) + z.T.cov().logdet().item() / 2
    assert entropy + 0.5 < -flow.log_prob(z).mean().item() < normal - 0.2
    assert (flow.sample(300, t[:300]) - centres[y[:300]]).norm(dim=1).quantile(0.95) < 70


@pytest.mark.parametrize("times", ["uniform", "logit-normal"])
def test_times_have_their_distribution(times: str) -> None:
    found = make(1, times=times).times(torch.zeros(2000, 1)).flatten()
    expected = torch.rand(2000) if times == "uniform" else torch.randn(2000).sigmoid()
    assert found.min() > 0 and found.max() < 1
    assert found[:200].max() - found[:200].min() > 0.8, "the first rows, which mixup mixes, see all times"
    assert found.std().item() == pytest.approx(expected.std().item(), abs=0.02)


def test_several_draws_make_the_loss_less_noisy_and_leave_its_mean() -> None:
    z, t, found = torch.randn(300, 4), classes(300), {}
    for draws in (1, 16):
        flow = make(4, draws=draws)
        losses = flow.matching_loss(z, t)
        assert losses.shape == (300,)
        found[draws] = losses.mean().item(), losses.std().item()
    assert found[16][0] == pytest.approx(found[1][0], rel=0.15)
    assert found[16][1] < 0.7 * found[1][1]
    assert make(4).draws == 4 and make(4, 2, 2).draws == 1


def test_conditions_are_dropped_in_training_alone() -> None:
    z, t, losses = torch.randn(8, 4), classes(8), []
    for training in (False, True):
        for condition in (None, t):
            flow = make(4, label_dropout=1.0).train(training)
            torch.manual_seed(1)
            losses.append(flow.matching_loss(z, condition).tolist())
    assert losses[0] != losses[1] and losses[2] == pytest.approx(losses[3])


def test_it_is_built_without_weights_on_the_meta_device() -> None:
    with torch.device("meta"):
        for shape in ((4,), (4, 2, 2), (20,)):
            flow = Matching(FlowSpec(architecture="matching", width=8, layers=1), CodeInfo(shape, condition=2))
            code, condition = torch.zeros(3, *shape), torch.zeros(3, 2)
            assert flow.log_prob(code, condition).shape == flow.matching_loss(code, condition).shape == (3,)


@pytest.mark.parametrize("joint", [True, False])
def test_it_trains_beside_the_codec_without_changing_its_codes(joint: bool, home: Path) -> None:
    words = ["data.limit=60", "model.width=8", "model.latent=4", "train.batch=30"]
    flow = ["prior.architecture=matching", "prior.width=8", "prior.layers=1", f"prior.joint={str(joint).lower()}"]
    run = zoo.load(zoo.train("vae-nf", *words, *flow, "train.epochs=1", device="cpu").run)
    model = run.model()
    assert isinstance(model, Generator) and isinstance(model.prior, Matching)
    losses = [stage.losses for stage in model.stages()]
    batch = Batch(torch.rand(6, *model.info.shape), torch.arange(6))
    found = losses[-1](batch)
    assert found.keys() == ({"distortion", "normal_rate", "matching"} if joint else {"matching"})
    found["matching"].backward()  # type: ignore[no-untyped-call]
    assert not any(each.grad is not None for each in model.codec.parameters())
    assert all(each.grad is not None for each in model.prior.parameters())
    assert model.prior.seen == 2
    same = zoo.edit(run, ["test:0", "test:1"], to="3", source="3", device="cpu").pictures
    torch.testing.assert_close(same, zoo.reconstruct(run, n=2, device="cpu").pictures, rtol=0, atol=1e-3)
    # after two steps a product and a sum differ by rounding
    longer = zoo.train("vae-nf", *words, *flow, "train.epochs=20", "train.lr=0.03", device="cpu").run
    product, total = (zoo.sample(longer, "3 + 8", n=4, mix=mix, device="cpu").pictures for mix in ("product", "sum"))
    assert product.shape == total.shape and not torch.equal(product, total)
    assert (product - total).abs().max() > 1e-4


def test_options_without_effect_are_refused_and_left_out() -> None:
    with pytest.raises(ValidationError, match="steps has no effect without the architecture matching"):
        FlowSpec(steps=5)
    with pytest.raises(ValidationError, match="tails has no effect on the architecture matching"):
        FlowSpec(architecture="matching", tails=True)
    assert not {"steps", "times", "draws"} & FlowSpec().model_dump().keys()
    assert FlowSpec(architecture="matching", steps=5).model_dump()["steps"] == 5


def test_a_long_training_compiles_the_blocks_over_a_map() -> None:
    if reason := why_not_compiled("cpu"):
        pytest.skip(f"torch.compile does not work: {reason}")
    sizes = ("model.latent=2", "model.width=4", "prior.width=8", "prior.heads=2", "prior.layers=2")
    entry = load_entry("vae-nf", ["model.form=map", "prior.architecture=matching", "prior.joint=false", *sizes])
    torch.manual_seed(0)
    plain = build_model(entry, DataInfo.of((3, 8, 8), ("a", "b"))).train()
    assert isinstance(plain, Generator) and isinstance(plain.prior, Matching)
    assert isinstance(plain.prior.net, MapVelocity)
    torch.nn.init.normal_(plain.prior.net.last.weight)
    quick = copy.deepcopy(plain)
    assert quick.accelerate(None) == "torch.compile of the prior"
    batch = Batch(torch.rand(6, 3, 8, 8), torch.arange(6) % 2)
    with torch.random.fork_rng():
        expected = plain.stages()[1].losses(batch)["matching"]
    torch.testing.assert_close(quick.stages()[1].losses(batch)["matching"], expected)
    quick.eval()
    with torch.compiler.set_stance("fail_on_recompile"), torch.random.fork_rng():
        assert len(quick.sample(5)) == 5, "only the batches of training are compiled"
    copied = pickle.loads(pickle.dumps(quick))
    assert torch.equal(copied.reconstruct(batch.x), quick.reconstruct(batch.x))
