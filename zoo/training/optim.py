"""Optimisers of torch.optim, with rates and weight decay by kind of parameter, and Muon for filters too."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn, optim

from zoo.core.sections import StageSpec

State = dict[str, Tensor]


class Optimizers:
    """One or two torch optimisers used as one, with state as plain tensors."""

    def __init__(self, module: nn.Module, spec: StageSpec, loaded: Collection[nn.Parameter] = ()) -> None:
        self.loaded = {id(parameter) for parameter in loaded} if spec.lr_mult is not None else set[int]()
        parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self.norms = {
            id(parameter) for each in module.modules() if is_norm(each) for parameter in each.parameters(False)
        }
        self.spared = {id(parameter) for parameter in without_decay(module)}
        self.inner = inner_matrices(module)
        self.aliases: list[tuple[nn.Parameter, nn.Parameter]] = []
        self.decays: list[tuple[list[nn.Parameter], float]] = []
        self.all = list(self.make(parameters, spec))
        self.rates = [[group["lr"] for group in each.param_groups] for each in self.all]

    def make(self, parameters: list[nn.Parameter], spec: StageSpec) -> Iterator[optim.Optimizer]:
        """Make the torch optimisers for the parameters."""
        inner = {id(p) for p in self.inner} - self.spared if spec.optimizer == "muon" else set()
        self.aliases = [(p, nn.Parameter(as_matrix(p.detach(), p))) for p in parameters if id(p) in inner]
        rest = [p for p in parameters if id(p) not in inner]
        if self.aliases:
            kept = {id(alias) for p, alias in self.aliases if id(p) in self.loaded}
            yield optim.Muon(
                split_by_rate([{"params": [alias for _, alias in self.aliases]}], kept, spec),
                lr=spec.lr,
                weight_decay=self.decay([p for p, _ in self.aliases], spec.weight_decay, spec),
                momentum=spec.momentum,
                adjust_lr_fn="match_rms_adamw",
            )
        groups = list(self.groups(rest, spec))
        groups = [group for group in split_by_rate(groups, self.loaded, spec) if group["params"]]
        if spec.optimizer == "sgd":
            yield optim.SGD(
                groups, lr=spec.lr, momentum=spec.momentum, nesterov=spec.momentum > 0, fused=supports_fused(rest)
            )
        elif groups:
            yield optim.AdamW(groups, lr=spec.lr, fused=supports_fused(rest))

    def groups(self, parameters: list[nn.Parameter], spec: StageSpec) -> Iterator[dict[str, Any]]:
        """Yield groups of matrices, other biases and parameters of normalisation, each with its rate and decay."""
        vectors, wide = [p for p in parameters if p.ndim < 2], [p for p in parameters if p.ndim >= 2]
        kinds: list[tuple[list[nn.Parameter], float | None, float]] = [
            ([p for p in wide if id(p) not in self.spared], None, spec.weight_decay),
            ([p for p in vectors if id(p) not in self.norms], spec.lr_bias, spec.weight_decay * (spec.decay_bias or 0)),
            ([p for p in vectors if id(p) in self.norms], spec.lr_norm, spec.weight_decay * (spec.decay_norm or 0)),
        ]
        if (spec.lr_bias, spec.lr_norm, spec.decay_bias, spec.decay_norm) == (None,) * 4:
            kinds = [kinds[0], (vectors, None, 0.0)]
        kinds.append(([p for p in wide if id(p) in self.spared], None, 0.0))
        for members, rate, decay in kinds:
            group = {"params": members, "weight_decay": self.decay(members, decay, spec)}
            yield group if rate is None else group | {"lr": spec.lr * rate}

    def decay(self, parameters: list[nn.Parameter], decay: float, spec: StageSpec) -> float:
        """Return the weight decay for torch's optimiser: 0 if it is decoupled, and `step` applies it."""
        if not spec.decoupled:
            return decay
        if decay:
            self.decays.append((parameters, decay))
        return 0.0

    def step(self, factor: float, skip: Tensor | None = None) -> None:
        """Take a step with every learning rate at `factor` of its maximum, but none where `skip` is 1.0."""
        taken = 1.0 if skip is None else 1 - skip
        for parameters, decay in self.decays:
            if moved := [parameter.data for parameter in parameters if parameter.grad is not None]:
                torch._foreach_mul_(moved, 1 - decay * factor * taken)
        for parameter, alias in self.aliases:
            grad = parameter.grad
            alias.grad = None if grad is None else as_matrix(grad, parameter)
        for each, rates in zip(self.all, self.rates, strict=True):
            for group, rate in zip(each.param_groups, rates, strict=True):
                group["lr"] = rate * factor
            if skip is None:
                each.step()
            else:
                step_unless(skip, each)

    def prepare_to_skip(self) -> None:
        """Begin with momentum 0, which a skipped first step of torch's fused SGD would leave undefined."""
        for each in self.all:
            for group in each.param_groups if isinstance(each, optim.SGD) else ():
                for parameter in group["params"] if group["momentum"] else ():
                    each.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)

    def zero_grad(self) -> None:
        """Clear the gradients."""
        for each in self.all:
            each.zero_grad(set_to_none=True)
        for parameter, _ in self.aliases:
            parameter.grad = None

    def state(self) -> State:
        """Return all tensors by name."""
        return {
            f"{position}/{index}/{name}": torch.as_tensor(value)
            for position, each in enumerate(self.all)
            for index, values in each.state_dict()["state"].items()
            for name, value in values.items()
            if value is not None
        }

    def load(self, state: State) -> None:
        """Restore the tensors that `state` returned."""
        for position, each in enumerate(self.all):
            inner: dict[int, dict[str, Any]] = {}
            for key, value in state.items():
                owner, index, name = key.split("/", 2)
                if int(owner) == position:
                    inner.setdefault(int(index), {})[name] = value
            each.load_state_dict({"state": inner, "param_groups": each.state_dict()["param_groups"]})
            for parameter, values in each.state.items():
                # Fused steps work on raw memory, so a state needs the memory layout of its parameter.
                values.update(
                    {k: copy_with_layout_of(v, parameter) for k, v in values.items() if v.shape == parameter.shape}
                )


def split_by_rate(groups: list[dict[str, Any]], loaded: Collection[int], spec: StageSpec) -> list[dict[str, Any]]:
    """Split groups of parameters so that those that were `loaded` have a learning rate of their own."""
    if spec.lr_mult is None:
        return groups
    old = [group | {"params": [p for p in group["params"] if id(p) in loaded]} for group in groups]
    new = [group | {"params": [p for p in group["params"] if id(p) not in loaded]} for group in groups]
    both = [*(group | {"lr": group.get("lr", spec.lr) * spec.lr_mult} for group in old), *new]
    return [group for group in both if group["params"]]


def is_norm(module: nn.Module) -> bool:
    """Whether a module normalises, such as BatchNorm2d, LayerNorm or a plugin's own RMSNorm."""
    return any("Norm" in each.__name__ for each in type(module).__mro__)


def without_decay(module: nn.Module) -> Iterator[nn.Parameter]:
    """Yield the parameters that modules exempt from weight decay by a method `no_weight_decay`, as those of timm do.

    It returns names, or patterns of names, within the module.
    """
    for each in module.modules():
        method = getattr(each, "no_weight_decay", None)
        patterns = tuple(method()) if callable(method) else ()
        for name, parameter in each.named_parameters():
            if any(fnmatchcase(name, pattern) for pattern in patterns):
                yield parameter


def inner_matrices(module: nn.Module) -> list[nn.Parameter]:
    """List the matrices and filters between the first and the last layer, which Muon trains, frozen ones included.

    A submodule with `own_network = True`, such as a discriminator, has a first and a last layer of its own.
    """
    owned = [each for each in module.modules() if each is not module and getattr(each, "own_network", False)]
    apart = {id(parameter) for each in owned for parameter in each.parameters()}
    common = [parameter for parameter in matrices(module) if id(parameter) not in apart]
    return [parameter for found in (common, *map(matrices, owned)) for parameter in found[1:-1]]


def matrices(module: nn.Module) -> list[nn.Parameter]:
    """List the matrices and filters of layers in order, from the input to the output layer.

    Embeddings and learnt positions are not among them, since Muon is for maps between features.
    """
    layers = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.MultiheadAttention)
    found = [each.parameters(recurse=False) for each in module.modules() if isinstance(each, layers)]
    return list(dict.fromkeys(parameter for each in found for parameter in each if parameter.ndim >= 2))


def copy_with_layout_of(value: Tensor, parameter: Tensor) -> Tensor:
    """Copy a value to the memory layout of a parameter of the same shape."""
    return torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def as_matrix(value: Tensor, like: Tensor) -> Tensor:
    """View a filter (O, I, h, w) as a matrix (O, I*h*w) without a copy, in the memory layout of `like`."""
    if like.ndim == 4 and like.is_contiguous(memory_format=torch.channels_last) and not like.is_contiguous():
        return value.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1).flatten(1)
    return value.contiguous().flatten(1)


def supports_fused(parameters: list[nn.Parameter]) -> bool:
    """Whether torch has a fused step for these parameters."""
    kinds = {"cpu", "cuda", "mps"}
    return all(p.device.type in kinds and p.is_floating_point() and p.device.type != "meta" for p in parameters)


@torch.no_grad()
def step_unless(skip: Tensor, each: optim.Optimizer) -> None:
    """Take a step, but none where `skip` is 1.0, without waiting for the device."""
    if all(group.get("fused") for group in each.param_groups):
        each.grad_scale, each.found_inf = None, skip  # type: ignore[attr-defined]
        each.step()
        return
    moved = [p for group in each.param_groups for p in group["params"] if p.grad is not None]
    weights = [p.clone() for p in moved]
    state = [{name: value.clone() for name, value in each.state[p].items()} for p in moved]
    each.step()
    for p, weight, before in zip(moved, weights, state, strict=True):
        p.copy_(torch.where(skip > 0, weight, p))
        for name, value in each.state[p].items():
            value.copy_(torch.where(skip > 0, before.get(name, 0.0), value))
