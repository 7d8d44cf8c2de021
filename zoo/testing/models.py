"""Rules of using models: evaluation, saving, seeds, single pictures and shapes."""

from __future__ import annotations

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor

from zoo.core.errors import ZooError
from zoo.core.tensor_files import load_into, unshare_memory
from zoo.core.types import Batch
from zoo.models.base import Classifier, Model
from zoo.models.generator import Generator
from zoo.models.metrics import mean_metrics
from zoo.models.prior import Posterior
from zoo.registry.kinds import ModelKind
from zoo.testing import toys
from zoo.testing.building import info_for, model_and_batch, model_of, train_briefly, trained_model_and_batch
from zoo.testing.check import Subject
from zoo.testing.rule import Broken, Inapplicable, broken_on_error, require, rule
from zoo.testing.stages import LEARNERS, backward, first_names
from zoo.training.device import random_state

OTHER_SHAPES = ((1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 20, 28))
"""Channels, height and width of further pictures."""


@rule(*LEARNERS)
def evaluation_changes_nothing(subject: Subject) -> None:
    """Evaluating twice gives the same figures, and leaves weights, mode and random generators unchanged."""
    model, batch = trained_model_and_batch(subject)
    state, random_states = snapshot(model), generator_states()
    first = evaluate_model(model, batch)
    require(
        generator_states() == random_states, "evaluation uses the random generators; wrap it in zoo.models.fixed_seed"
    )
    require(not model.training, "evaluation leaves the model in training mode")
    changed = [name for name, value in model.state_dict().items() if not torch.equal(value, state[name])]
    require(not changed, f"evaluation changes {first_names(changed)}")
    require(evaluate_model(model, batch) == first, "evaluating the same pictures again gives different figures")


def evaluate_model(model: Model, batch: Batch) -> dict[str, float]:
    """Compute the metrics of a model; raise Broken if they are not finite or lack a loss."""
    with broken_on_error("metrics"):
        found = mean_metrics(model, [batch])
    require(
        "loss" in found,
        f"metrics returns {', '.join(found) or 'nothing'}, but no `loss`, which is used to choose the epoch",
    )
    wild = [name for name, value in found.items() if not np.isfinite(value)]
    require(not wild, f"metrics: {first_names(wild)} is not finite")
    return found


def snapshot(model: Model) -> dict[str, Tensor]:
    """Copy the state dict."""
    return {name: value.clone() for name, value in model.state_dict().items()}


def generator_states() -> tuple[object, ...]:
    """Get the states of the random generators of torch, NumPy and Python."""
    tensors, plain = random_state(torch.device("cpu"))
    return tensors["cpu"].tolist(), plain


@rule(*LEARNERS)
def saves(subject: Subject) -> None:
    """A new model loaded with saved weights gives the same results."""
    model, batch = trained_model_and_batch(subject)
    with broken_on_error("saving by safetensors"):
        weights = load(save(unshare_memory(model.state_dict())))
    again = model_of(subject, info_for(subject), seed=1, saved=True).eval()
    with broken_on_error("loading saved weights into a new model"):
        load_into(again, weights, "the saved weights")
    same = evaluate_model(again, batch) == evaluate_model(model, batch)
    require(
        same,
        "with the saved weights loaded it gives different figures; register all it learns as parameters or buffers",
    )
    require(
        torch.equal(model_outputs(again, batch), model_outputs(model, batch)),
        "with the saved weights loaded it gives different outputs",
    )


def model_outputs(model: Model, batch: Batch) -> Tensor:
    """Compute logits, or reconstructions and samples, with a fixed seed."""
    torch.manual_seed(0)
    with torch.inference_mode():
        if isinstance(model, Classifier):
            return torch.as_tensor(model(batch.x))
        if isinstance(model, Generator):
            return torch.cat([model.reconstruct(batch.x), model.sample(len(batch.y), batch.y)])
    return torch.zeros(0)


@rule(*LEARNERS)
def same_seed(subject: Subject) -> None:
    """The same seed gives the same weights, before and after a few training steps."""
    first, second = (model_and_batch(subject, seed=5) for _ in range(2))
    check_equal_weights(first[0], second[0], "built")
    for model, batch in (first, second):
        torch.manual_seed(6)
        train_briefly(model, batch)
    check_equal_weights(first[0], second[0], "trained for three steps")


def check_equal_weights(one: Model, other: Model, when: str) -> None:
    """Raise Broken if the weights of two models differ."""
    theirs = other.state_dict()
    different = [name for name, value in one.state_dict().items() if not torch.equal(value, theirs[name])]
    require(
        not different,
        f"{when} twice from the same seed, {first_names(different)} differs; use only torch's random generator",
    )


@rule(*LEARNERS)
def single_pictures(subject: Subject) -> None:
    """A single picture can be evaluated, and its result does not depend on the rest of the batch."""
    model, batch = trained_model_and_batch(subject)
    one = Batch(batch.x[:1], batch.y[:1])
    evaluate_model(model, one)
    if isinstance(model, Classifier):
        with torch.inference_mode(), broken_on_error("a batch of one"):
            alone, among = model(one.x), model(batch.x)[:1]
        close = torch.allclose(alone, among, rtol=1e-3, atol=1e-3)
        require(
            close,
            "in evaluation the scores of a picture depend on the rest of the batch, e.g. through batch normalisation",
        )


@rule("model")
def smaller_pictures(subject: Subject) -> None:
    """A model that says that it takes smaller pictures learns from some of three quarters of the height and width."""
    model, batch = model_and_batch(subject)
    if not model.takes_smaller_pictures:
        raise Inapplicable("it takes pictures of one size only")
    height, width = (side * 3 // 4 for side in batch.x.shape[2:])
    with broken_on_error(f"training on pictures of {height}x{width}"):
        train_briefly(model, batch._replace(x=batch.x[:, :, :height, :width]), steps=1)


@rule("model")
def shapes(subject: Subject) -> None:
    """Scores have shape (N, classes); codes and decoded pictures have the declared shapes."""
    model, batch = model_and_batch(subject)
    model.eval()
    n = len(batch.y)
    with torch.inference_mode():
        if isinstance(model, Classifier):
            scores = model(batch.x)
            expected = (n, len(toys.CLASSES))
            require(scores.shape == expected, f"scores are {tuple(scores.shape)}, not (pictures, classes) = {expected}")
        if isinstance(model, Generator):
            check_codes(model, batch)


def check_codes(model: Generator, batch: Batch) -> None:
    """Raise Broken if codes or decoded pictures do not have the shapes and types that `code` declares."""
    codec, n = model.codec, len(batch.y)
    found, expected = codec.encode(batch.x), (n, *codec.code.shape)
    parts = found._asdict() if isinstance(found, Posterior) else {"words": found}
    for name, part in parts.items():
        require(part.shape == expected, f"encode: {name} is {tuple(part.shape)}, not {expected} as `code` declares")
    words = codec.code.words
    if (words is None) != isinstance(found, Posterior):
        raise Broken(f"code.words is {words}, but encode returns a {type(found).__name__}")
    if isinstance(found, Tensor) and words is not None:
        require(found.dtype == torch.int64, f"code words are {found.dtype}, not int64")
        require(int(found.min()) >= 0 and int(found.max()) < words, f"a code word lies outside 0..{words - 1}")
    decoded = codec.decode(model.codes(batch.x))
    require(decoded.shape == batch.x.shape, f"decode returns {tuple(decoded.shape)}, not {tuple(batch.x.shape)}")
    nats = codec.distortion(batch.x, decoded)
    require(nats.shape == (n,), f"distortion is {tuple(nats.shape)}, not one number for each of {n} pictures")


@rule("model")
def other_pictures(subject: Subject) -> None:
    """Pictures of other sizes, and data with two classes, can be trained on or are refused in one line."""
    for shape in OTHER_SHAPES:
        for classes in (2, len(toys.CLASSES)):
            info = toys.info_of(shape, classes)
            what = f"{'x'.join(map(str, shape))} pictures of {classes} classes"
            try:
                model = model_of(subject, info)
            except ZooError as error:
                if type(error) is not ZooError:
                    raise Broken(f"{what}: {error}; raise zoo.ZooError for pictures it cannot take") from error
                continue
            check_backward(model, toys.batch_of(info, 2), what)


def check_backward(model: Model, batch: Batch, what: str) -> None:
    """Run one backward pass of the first stage; raise Broken if it fails."""
    stage = model.stages()[0]
    stage.module.train()
    with broken_on_error(what):
        losses = stage.losses(batch)
        backward(losses)
    require(all(bool(torch.isfinite(value)) for value in losses.values()), f"{what}: a loss is not finite")


@rule(*LEARNERS)
def samples(subject: Subject) -> None:
    """Samples are finite pictures with values 0..1 at any number and temperature; the same seed gives the same ones."""
    if isinstance(subject.kind, ModelKind) and not subject.kind.prior:
        raise Inapplicable("it generates no pictures")
    model, batch = trained_model_and_batch(subject)
    require(isinstance(model, Generator), f"it builds a {type(model).__name__}, not a zoo.models.LatentModel")
    assert isinstance(model, Generator)
    for n, temperature in ((1, 1.0), (len(batch.y), 1.0), (len(batch.y), 0.5)):
        x = sample_pictures(model, batch.y[:n], temperature)
        what = f"{n} samples at temperature {temperature:g}"
        require(x.shape == (n, *model.info.shape), f"{what} are {tuple(x.shape)}, not {(n, *model.info.shape)}")
        require(bool(torch.isfinite(x).all()), f"{what} are not finite")
        require(float(x.min()) >= 0 and float(x.max()) <= 1, f"{what} have values outside 0..1")
        require(
            torch.equal(x, sample_pictures(model, batch.y[:n], temperature)),
            f"{what} differ when sampled again with the same seed",
        )
    torch.manual_seed(1)
    before = generator_states()
    model.sample(2, batch.y[:2])
    require(generator_states() != before, "samples do not use torch's random generator, so every seed gives the same")


def sample_pictures(model: Generator, y: Tensor, temperature: float) -> Tensor:
    """Sample pictures of these classes with a fixed seed."""
    torch.manual_seed(0)
    with torch.inference_mode(), broken_on_error("sampling"):
        return model.sample(len(y), y, temperature)
