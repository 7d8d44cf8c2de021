"""Attention of transformers: what trains fast in bfloat16 on the CPU has the values and gradients of PyTorch's own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from zoo_priors import attention
from zoo_priors.attention import attend


def parts(queries: int, keys: int) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values in bfloat16 that take gradients."""
    torch.manual_seed(0)
    query, key, value = (torch.randn(3, 2, count, 8).bfloat16() for count in (queries, keys, keys))
    return query.requires_grad_(), key.requires_grad_(), value.requires_grad_()


@pytest.mark.parametrize(("queries", "keys", "causal"), [(9, 9, True), (9, 9, False), (6, 11, False)])
@pytest.mark.parametrize("autocast", [False, True])
def test_short_sequences_have_the_values_and_gradients_of_pytorch(
    queries: int, keys: int, causal: bool, autocast: bool
) -> None:
    query, key, value = given = parts(queries, keys)
    q, k, v = exact = [part.detach().float().requires_grad_() for part in given]
    weights = torch.randn(3, 2, queries, 8)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        found = attend(query, key, value, causal)
    assert found.dtype == torch.bfloat16
    expected = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    assert (found - expected).norm() < 0.01 * expected.norm()
    gradients = torch.autograd.grad((found * weights).sum(), given)
    for ours, theirs in zip(gradients, torch.autograd.grad((expected * weights).sum(), exact), strict=True):
        assert (ours - theirs).norm() < 0.02 * theirs.norm()


def test_longer_sequences_are_left_to_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    query, key, value = parts(9, 9)
    monkeypatch.setattr(attention, "SHORT", 8)
    expected = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    assert torch.equal(attend(query, key, value, True), expected)
