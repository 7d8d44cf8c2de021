"""Rules of augmentations: pictures stay pictures, and the draws that are given decide everything."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from zoo.core.errors import MissingError, ZooError
from zoo.core.types import DataInfo
from zoo.data.augment import Augment, Mix
from zoo.data.augmenter import Numbers, apply_to
from zoo.testing import toys
from zoo.testing.building import random_specs, spec_of
from zoo.testing.check import Subject
from zoo.testing.models import generator_states
from zoo.testing.rule import Broken, broken_on_error, require, rule

SHAPES = ((3, 32, 32), (1, 8, 8), (3, 20, 28))
"""Channels, height and width of the pictures that are augmented."""
COUNT = 24
TOLERANCE = 1e-4


def examples(subject: Subject) -> Iterator[tuple[Augment | Mix, DataInfo]]:
    """Build the augmentation for pictures of several shapes, at its options and at random ones."""
    refused: ZooError | None = None
    built = 0
    for shape in SHAPES:
        info = toys.info_of(shape)
        for spec in (spec_of(subject), *random_specs(subject)):
            try:
                with broken_on_error("build"):
                    augment = subject.kind.build(spec, info)
            except MissingError:
                raise
            except ZooError as error:
                refused = error
                continue
            wanted = Mix if subject.kind.mixes else Augment
            require(
                isinstance(augment, wanted), f"build returns a {type(augment).__name__}, no zoo.data.{wanted.__name__}"
            )
            built += 1
            yield augment, info
    if not built:
        raise Broken(f"it rejects pictures of every size tried: {refused}")


def numbers_of(augment: Augment | Mix, count: int = COUNT) -> Numbers:
    """Draw random numbers for some pictures."""
    draws = torch.rand(count, augment.draws, generator=torch.Generator().manual_seed(1))
    return Numbers(draws, draws)


def augmented(augment: Augment | Mix, x: Tensor, numbers: Numbers) -> tuple[Tensor, Tensor]:
    """Augment a copy of pictures; also return the shares of the labels, which are 1 where nothing is mixed."""
    with broken_on_error("the augmentation"):
        if isinstance(augment, Mix):
            return augment.mix(x.clone(), x.roll(1, 0), numbers.host)
        return apply_to(augment, x.clone(), numbers), torch.ones(len(x))


@rule("augment")
def keeps_pictures(subject: Subject) -> None:
    """Augmented pictures have the shape and type they had, and values 0..1; shares of labels likewise."""
    for augment, info in examples(subject):
        x = toys.pictures_of(info, COUNT).floats[:COUNT]
        found, share = augmented(augment, x, numbers_of(augment))
        require(found.shape == x.shape, f"{tuple(x.shape)} becomes {tuple(found.shape)}")
        require(found.dtype == x.dtype, f"{x.dtype} becomes {found.dtype}")
        for name, values in (("pictures", found), ("shares of labels", share)):
            inside = bool(((values >= -TOLERANCE) & (values <= 1 + TOLERANCE)).all())
            require(inside, f"{name} have values outside of 0..1")
        require(share.shape == (len(x),), f"shares of labels are {tuple(share.shape)}, not ({len(x)},)")


@rule("augment")
def draws_decide(subject: Subject) -> None:
    """The same draws give the same pictures, and the random generators are left alone."""
    for augment, info in examples(subject):
        x = toys.pictures_of(info, COUNT).floats[:COUNT]
        torch.manual_seed(1)
        states = generator_states()
        first = augmented(augment, x, numbers_of(augment))
        require(generator_states() == states, "it uses the global random generators; use only the draws it is given")
        torch.manual_seed(2)
        again = augmented(augment, x, numbers_of(augment))
        require(all(map(torch.equal, first, again)), "the same draws give different pictures")


@rule("augment")
def one_by_one(subject: Subject) -> None:
    """A picture is augmented in the same way alone as in a batch."""
    for augment, info in examples(subject):
        if augment.on_cpu:
            continue  # such an augmentation may draw for the whole batch
        x, numbers = toys.pictures_of(info, COUNT).floats[:COUNT], numbers_of(augment)
        together, _ = augmented(augment, x, numbers)
        for at in range(3):
            row = torch.tensor([at])
            if isinstance(augment, Mix):
                alone, _ = augment.mix(x[row].clone(), x.roll(1, 0)[row], numbers.host[row])
            else:
                alone, _ = augmented(augment, x[row], numbers.rows(row))
            require(
                torch.allclose(alone, together[row], atol=TOLERANCE),
                "its output for a picture depends on the rest of the batch",
            )
