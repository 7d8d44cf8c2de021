"""Priors: what each one promises, for all that are installed, and figures that were worked out apart from them."""

from __future__ import annotations

import copy
import importlib
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from priors import (
    INFO,
    check_autocast,
    check_far_out,
    check_integral,
    check_kl_gradient,
    check_lengths,
    check_normalised,
    check_samples,
    check_saved,
    check_seed,
    check_shapes,
    check_temperature,
    drawn,
    hill,
    lengths,
    made,
)
from pydantic import ValidationError
from scipy.special import gamma, hyp1f1
from torch import Tensor
from zoo_priors.quadrature import normal_expectation

from zoo.core.errors import ZooError
from zoo.core.types import CodeInfo
from zoo.models.prior import Posterior, Prior
from zoo.registry.catalog import catalog
from zoo.registry.kinds import PriorKind
from zoo.testing.densities import Encoder, check_kl, posteriors

KINDS: dict[str, PriorKind[Any]] = {
    f"{catalog().prefix(plugin)}:{kind.name}": kind
    for plugin in catalog().plugins
    for kind in plugin.kinds
    if isinstance(kind, PriorKind) and not kind.words
}
OWN = {name.partition(":")[2]: kind for name, kind in KINDS.items() if name.startswith("priors:")}
POINTS = [(name, point) for name in KINDS for point in ("default", 1, 2)]
every = pytest.mark.parametrize(("name", "point"), POINTS)
integrated = pytest.mark.parametrize(
    ("name", "point"),
    [pytest.param(*each, marks=[pytest.mark.slow] * (each[0] == "priors:flow")) for each in POINTS],
)
"""The same; test_flow.py integrates small flows, and the large ones of the search space take seconds."""


def prior_at(name: str, point: str | int, *shape: int) -> Prior:
    """The prior with its defaults, or at a random point of its space."""
    kind = KINDS[name]
    return made(kind, drawn(kind.spec, point) if isinstance(point, int) else kind.spec(), *shape)


def own(name: str, *shape: int, **options: Any) -> Prior:
    """A prior of the zoo's own with some options."""
    return made(OWN[name], OWN[name].spec(**options), *shape)


def test_the_zoos_own_are_there() -> None:
    names = {"normal", "laplace", "generalized-normal", "student-t", "power-law", "mixture", "vamp"}
    assert names <= OWN.keys()
    assert all(kind.family == "prior" and kind.summary for kind in OWN.values())
    assert catalog().find("prior", "power-law")[0].distribution == "pixel-zoo"


def test_the_kinds_are_the_same_once_they_were_built() -> None:
    # A module of the package that has the name of a build function would take its place when it is imported.
    for kind in OWN.values():
        kind.build(kind.spec(), CodeInfo((2,)))
    for kind in importlib.import_module("zoo_priors").zoo_priors():
        assert isinstance(kind.build(kind.spec(), CodeInfo((2,), 8 if kind.words else None)), Prior)


@every
@pytest.mark.parametrize("shape", [(1,), (5,), (2, 3, 4)])
def test_shapes(name: str, point: str | int, shape: tuple[int, ...]) -> None:
    check_shapes(prior_at(name, point, *shape))


@every
@pytest.mark.parametrize("shape", [(1,), (2, 2, 1)])
def test_the_divergence_is_what_it_says(name: str, point: str | int, shape: tuple[int, ...]) -> None:
    check_kl(prior_at(name, point, *shape), 10_000 if name.endswith(":flow") else 60_000)  # a flow takes long


@every
def test_its_gradients_are_its_slopes(name: str, point: str | int) -> None:
    check_kl_gradient(prior_at(name, point, 6))


@every
def test_everything_is_finite_far_out(name: str, point: str | int) -> None:
    check_far_out(prior_at(name, point, 6))


@integrated
def test_the_density_integrates_to_one(name: str, point: str | int) -> None:
    check_integral(prior_at(name, point, 1))
    check_normalised(prior_at(name, point, 4))


@integrated
def test_codes_are_drawn_from_the_density(name: str, point: str | int) -> None:
    check_samples(prior_at(name, point, 1))
    check_lengths(prior_at(name, point, 8))


@every
def test_colder_codes_are_likelier(name: str, point: str | int) -> None:
    check_temperature(prior_at(name, point, 6))


@every
def test_seeds_and_saved_weights_give_the_same_codes(name: str, point: str | int) -> None:
    check_seed(prior_at(name, point, 3, 2, 2))
    fresh = prior_at(name, point, 3, 2, 2)
    with torch.no_grad():
        for parameter in fresh.parameters():
            parameter.zero_()
    check_saved(prior_at(name, point, 3, 2, 2), fresh)


@every
def test_autocast_changes_nothing(name: str, point: str | int) -> None:
    check_autocast(prior_at(name, point, 4))


def golden() -> Posterior:
    """The posterior of the figures below, in float64."""
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(8, generator=generator, dtype=torch.float64) * 1.5
    std = torch.rand(8, generator=generator, dtype=torch.float64) * 0.8 + 0.2
    return Posterior(mean[None], std.log()[None])


FIGURES: list[tuple[str, dict[str, Any], str, float]] = [
    ("normal", {}, "exact", 15.29870839),
    ("laplace", {"scale": 0.7}, "exact", 14.49190587),
    ("generalized-normal", {"beta": 0.6, "scale": 0.5}, "quadrature", 12.05086189),
    ("student-t", {"df": 2.5, "form": "factorised"}, "quadrature", 11.76932602),
    ("student-t", {"df": 2.5, "form": "multivariate"}, "upper bound", 11.54306363),
    ("power-law", {"alpha": 1.5, "scale": 1.0}, "upper bound", 11.48306156),
]


@pytest.mark.parametrize(("name", "options", "exactness", "value"), FIGURES)
def test_divergences_worked_out_apart(name: str, options: dict[str, Any], exactness: str, value: float) -> None:
    q = golden()
    assert q.entropy().item() == pytest.approx(6.2369137367, abs=1e-9)
    prior = own(name, 8, **options)
    for precise, tolerance in ((False, 2e-5), (True, 2e-6)):
        found = (prior.double() if precise else prior).kl(q if precise else Posterior(*(part.float() for part in q)))
        assert found.kind == exactness
        assert found.value.item() == pytest.approx(value, abs=tolerance)


@pytest.mark.parametrize("d", [2, 16, 256])
@pytest.mark.parametrize(("name", "options"), [("student-t", {"df": 2.5}), ("power-law", {"alpha": 1.5})])
def test_bounds_are_close(name: str, options: dict[str, float], d: int) -> None:
    prior = own(name, d, **options)
    torch.manual_seed(0)
    q = posteriors(prior, 1)
    bound = prior.kl(q)
    drawn = Prior.kl(prior, Posterior(q.mean.repeat(20_000, *[1]), q.log_std.repeat(20_000, 1)))
    assert bound.kind == "upper bound" and drawn.kind == "monte carlo"
    assert 0 < bound.value.item() - drawn.value.mean().item() < 0.5


@pytest.mark.parametrize("beta", [0.3, 0.6, 1.0, 2.0, 4.0])
def test_the_quadrature_agrees_with_the_closed_form(beta: float) -> None:
    # Winkelbauer 2012, arXiv:1209.4340, equation 17
    x = torch.cat([torch.zeros(1), torch.logspace(-4, 1.2, 200)])
    found = normal_expectation(lambda z: z.abs().pow(beta), -x, torch.zeros_like(x)).double().numpy()
    squares = x.double().numpy() ** 2
    closed = 2 ** (beta / 2) * gamma((1 + beta) / 2) / math.sqrt(math.pi) * hyp1f1(-beta / 2, 0.5, -squares / 2)
    np.testing.assert_allclose(found, closed, rtol=2e-6)


@pytest.mark.parametrize("log_std", [-13.0, 0.0, 6.0])
def test_the_quadrature_keeps_its_digits_far_out(log_std: float) -> None:
    mean = torch.tensor([1e4, -1e4]).requires_grad_()
    found = normal_expectation(lambda z: z, mean, torch.full((2,), log_std))
    torch.testing.assert_close(found, mean, rtol=1e-5, atol=0)
    torch.testing.assert_close(torch.autograd.grad(found.sum(), mean)[0], torch.ones(2), rtol=1e-5, atol=0)


def alike(one: Prior, other: Prior) -> bool:
    """Whether two priors have the same density and divergence."""
    torch.manual_seed(0)
    q = posteriors(one, 50)
    z = q.sample()
    pairs = [(one.log_prob(z), other.log_prob(z)), (one.kl(q).value, other.kl(q).value)]
    return all(torch.allclose(a, b, rtol=1e-4, atol=1e-4) for a, b in pairs)


def test_families_meet_where_they_should() -> None:
    assert alike(own("generalized-normal", 6, beta=1.0, scale=0.7), own("laplace", 6, scale=0.7))
    assert alike(own("generalized-normal", 6, beta=2.0, scale=math.sqrt(2)), own("normal", 6))
    factorised, multivariate = (own("student-t", 1, form=form, df=3) for form in ("factorised", "multivariate"))
    z, q = torch.randn(50, 1), posteriors(factorised, 50)
    torch.testing.assert_close(factorised.log_prob(z), multivariate.log_prob(z))
    assert bool((factorised.kl(q).value < multivariate.kl(q).value).all())
    z = torch.randn(50, 6)
    wide = own("student-t", 6, df=1000).log_prob(z)
    torch.testing.assert_close(wide, own("normal", 6).log_prob(z), rtol=0, atol=0.05)


HEAVY: list[tuple[str, dict[str, Any], float]] = [
    ("student-t", {"df": 1.5}, 1.5),
    ("student-t", {"df": 2.5}, 2.5),
    ("student-t", {"df": 2.5, "form": "factorised"}, 2.5),
    ("power-law", {"alpha": 0.7}, 0.7),
    ("power-law", {"alpha": 1.5}, 1.5),
    ("power-law", {"alpha": 3.0}, 3.0),
]


@pytest.mark.parametrize(("name", "options", "index"), HEAVY)
@pytest.mark.parametrize("d", [1, 8])
def test_tails_have_their_index(name: str, options: dict[str, Any], index: float, d: int) -> None:
    torch.manual_seed(0)
    sizes = lengths(own(name, d, **options).sample(1_000_000))
    assert hill(sizes, 500) == pytest.approx(index, rel=0.15)


@pytest.mark.parametrize(("name", "options", "index"), HEAVY)
def test_densities_have_the_index_too(name: str, options: dict[str, Any], index: float) -> None:
    d, prior = 8, own(name, 8, **options)
    # Along an axis a factorised density falls as in one dimension.
    power = 1 if options.get("form") == "factorised" else d
    near, far = (prior.log_prob(size * torch.eye(8)[:1]).item() for size in (1e5, 1e7))
    assert (near - far) / math.log(100) == pytest.approx(index + power, rel=1e-3)


@pytest.mark.parametrize("d", [1, 16, 256])
@pytest.mark.parametrize("alpha", [1.0, 2.0, 5.0])
def test_without_a_scale_a_power_laws_codes_are_as_long_as_normal_ones(alpha: float, d: int) -> None:
    torch.manual_seed(0)
    typical = lengths(own("power-law", d, alpha=alpha).sample(20_000)).median().item()
    assert typical == pytest.approx(math.sqrt(d), rel=0.1)


@pytest.mark.parametrize("name", ["normal", "laplace", "generalized-normal", "student-t", "power-law"])
def test_a_scale_is_learnt_only_if_wished_and_within_bounds(name: str) -> None:
    code = CodeInfo((4,))
    assert list(OWN[name].build(OWN[name].spec(scale=2.0), code).parameters()) == []
    prior = OWN[name].build(OWN[name].spec(scale=2.0, learn_scale=True), code)
    (shift,) = prior.parameters()
    plain = OWN[name].build(OWN[name].spec(scale=2.0), code)
    assert alike(prior, plain)
    torch.manual_seed(0)
    z = 0.05 * plain.sample(200)
    learn(prior, lambda: -prior.log_prob(z).mean(), 300)
    torch.manual_seed(0)
    assert lengths(prior.sample(200)).median().item() == pytest.approx(lengths(z).median().item(), rel=0.5)
    with torch.no_grad():
        shift.fill_(-1e9)
    check_far_out(prior)
    assert 0 < lengths(prior.sample(200)).median().item() < 1


def learn(prior: Prior, loss: Callable[[], Tensor], steps: int, rate: float = 0.05) -> float:
    """Train a prior; returns the loss at the end."""
    adam = torch.optim.Adam(prior.parameters(), rate)
    for _ in range(steps):
        adam.zero_grad()
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        adam.step()
    return value.item()


def heaps(count: int) -> Tensor:
    """Codes (count, 2) in four narrow heaps."""
    corners = torch.tensor([[2.0, 2.0], [2.0, -2.0], [-2.0, 2.0], [-2.0, -2.0]])
    return corners[torch.randint(4, (count,))] + 0.1 * torch.randn(count, 2)


def test_a_mixture_learns_where_codes_are_heaped() -> None:
    torch.manual_seed(0)
    kind = OWN["mixture"]
    prior, codes, other = kind.build(kind.spec(components=8), CodeInfo((2,))), heaps(2000), heaps(2000)
    best = math.log(4) + math.log(2 * math.pi * math.e * 0.01)  # the heaps' entropy
    before = -prior.log_prob(other).mean().item()
    assert learn(prior, lambda: -prior.log_prob(codes).mean(), 400) < min(before, best + 1)
    assert -prior.log_prob(other).mean().item() == pytest.approx(best, abs=1)


def test_a_mixture_cannot_collapse_onto_a_point() -> None:
    prior = own("mixture", 4, components=3)
    with torch.no_grad():
        for name, parameter in prior.named_parameters():
            parameter.fill_(-1e9 if "std" in name else 0.0)
    check_far_out(prior)
    assert prior.log_prob(torch.zeros(1, 4)).item() < 4 * 8


def test_vamp_follows_the_encoder_and_leaves_it_to_the_model() -> None:
    torch.manual_seed(0)
    kind, toy = OWN["vamp"], Encoder(CodeInfo((3,)), INFO)
    prior = kind.build(kind.spec(components=5), toy.code)
    with pytest.raises(ZooError, match="call `attach` first"):
        prior.sample(1)
    prior.attach(toy.encode, INFO)
    assert [tuple(parameter.shape) for parameter in prior.parameters()] == [(5, 1, 4, 4)]
    pictures = torch.rand(5, 1, 4, 4) * 0.9 + 0.05
    prior.load_state_dict({"logit": pictures.logit()})
    q, z = toy.encode(pictures), torch.randn(7, 3)
    normal = torch.distributions.Normal(q.mean, q.log_std.exp())
    each = normal.log_prob(z[:, None]).sum(2)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(prior.log_prob(z), each.logsumexp(1) - math.log(5))
    gradients = torch.autograd.grad(prior.log_prob(z).sum(), [*prior.parameters(), *toy.parameters()])
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


def test_a_copy_of_model_and_vamp_has_an_encoder_of_its_own() -> None:
    torch.manual_seed(0)
    kind, toy = OWN["vamp"], Encoder(CodeInfo((3,)), INFO)
    prior = kind.build(kind.spec(components=5), toy.code)
    prior.attach(toy.encode, INFO)
    pair = copy.deepcopy(torch.nn.ModuleList([toy, prior]))
    z = torch.randn(7, 3)
    before = prior.log_prob(z)
    with torch.no_grad():
        toy.linear.weight.zero_()
    assert torch.equal(pair[1].log_prob(z), before)  # type: ignore[operator]
    assert not torch.equal(prior.log_prob(z), before)


@pytest.mark.parametrize("name", OWN)
def test_code_words_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(ZooError, match=r"is a prior over continuous codes, but this model has 512 code words; choose"):
        OWN[name].build(OWN[name].spec(), CodeInfo((8, 8), 512))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("normal", {"scale": 0}),
        ("generalized-normal", {"beta": 0.1}),
        ("student-t", {"df": 0.5}),
        ("student-t", {"form": "radial"}),
        ("power-law", {"alpha": 0}),
        ("mixture", {"components": 1}),
        ("vamp", {"k": 5}),
    ],
)
def test_options_have_bounds(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OWN[name].spec(**options)


def test_priors_are_built_without_weights_on_the_meta_device() -> None:
    for kind in OWN.values():
        code = CodeInfo((4, 2, 2), condition=2)
        with torch.device("meta"):
            prior = kind.build(kind.spec(), code)
            prior.attach(Encoder(code, INFO).encode, INFO)
            q = Posterior(torch.zeros(3, 4, 2, 2), torch.zeros(3, 4, 2, 2))
            assert prior.kl(q).value.shape == (3,)


def test_the_hook_module_imports_no_torch() -> None:
    code = (
        "import sys, zoo_priors; list(zoo_priors.zoo_priors()); sys.exit(bool({'torch', 'sklearn'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
