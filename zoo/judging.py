"""Who judges a generator, and the gallery that is shown to the judge."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from zoo.augment import batches
from zoo.build import calling
from zoo.catalog import catalog
from zoo.data import Pictures, Splits
from zoo.entry import Chosen, Entry
from zoo.errors import ZooError, nearest
from zoo.gallery import Gallery, Seen
from zoo.generation import AT_ONCE, plain
from zoo.judge import ByClassifier, Judge
from zoo.latent import Generator, fixed_draws
from zoo.model import Classifier
from zoo.registry import read_registry
from zoo.runs import Run, find_run
from zoo.training.session import Session, kept_classifier, known
from zoo.training.watch import Notes

Tell = Callable[[str], object]
MOST = 10_000
"""Pictures of each kind that a judge is shown at most."""


class Appointed(NamedTuple):
    """A judge and who it is."""

    judge: Judge
    name: str


def appoint(name: str, run: Run, entry: Entry, splits: Splits, place: torch.device, tell: Tell) -> Appointed:
    """The judge of that name for a run: a kind of judge, an entry to train on the pictures once, or a trained run.

    ZooError where it is the network that the run learnt from.
    """
    info = splits.info
    refuse_teacher(run, name)
    if name in catalog().names("judge"):
        plugin, kind = catalog().find("judge", name)
        chosen = Chosen(kind, plugin, kind.spec(), name)
        with calling(chosen, "build"):
            return Appointed(kind.build(chosen.spec, info).to(place).eval(), name)
    if name in read_registry(catalog())[0].entries:
        command = f"zoo evaluate {run.path}"
        judge = kept_classifier(name, Session(entry, run.path, place, Notes(tell), command, "", prepared=known(splits)))
    else:
        judge = found(name)
    refuse_teacher(run, name, judge.record.get("weights_sha256"))
    model = judge.model(place)
    if not isinstance(model, Classifier):
        raise ZooError(f"{judge.path} is no classifier, so it cannot judge", "name a run of one, as --judge runs/cnn-1")
    if judge.info.shape != info.shape:
        raise ZooError(f"{judge.path} takes pictures of {judge.info.shape}, not {info.shape}", "choose another --judge")
    what = f"{judge.entry.model.name} of {judge.record['parameters']:,} parameters, trained on {judge.entry.data.name}"
    return Appointed(ByClassifier(model, knows=judge.info.classes == info.classes), f"{name} ({what})")


def found(name: str) -> Run:
    """The run of that name; ZooError that names what else may judge."""
    try:
        return find_run(name, catalog())
    except ZooError as error:
        if Path(name).exists():
            raise
        names = [*catalog().names("judge"), *read_registry(catalog())[0].entries]
        raise ZooError(f"no judge {name[:80]!r}", nearest(name, names) or "name an entry or a run") from error


def refuse_teacher(run: Run, name: str, weights: str | None = None) -> None:
    """ZooError where a run learnt from the judge, by its name or its weights: the figures would then mean nothing.

    Trained anew on another machine, the teacher has other weights, and is still the teacher.
    """
    teacher = run.record.get("teacher", {})
    if teacher.get("entry") == name or (weights and teacher.get("weights_sha256") == weights):
        raise ZooError(f"{name} was the teacher of {run.path}, so it cannot judge it", "choose another --judge")


def hang(
    model: Generator, appointed: Appointed, split: Pictures, train: Pictures, place: torch.device, most: int = MOST
) -> Gallery:
    """A gallery of `split` and as many training pictures, reconstructions and samples; the same draws each time."""
    count = min(len(split), len(train), most)
    real, other = some(split, count), some(train, count)
    looking = Looking(appointed.judge, place)
    with torch.inference_mode(), fixed_draws(place):
        shown = torch.cat([plain(model.reconstruct(batch.x)) for batch in batches(real, AT_ONCE, place)])
        labels = real.y if model.prior.conditional else None
        drawn = torch.cat([plain(draw(model, count, labels, start, place)) for start in range(0, count, AT_ONCE)])
        return Gallery(
            appointed.name,
            looking.at(whole(real), real.y),
            looking.at(whole(other), other.y),
            looking.at(shown, real.y),
            looking.at(drawn, labels),
            train.x,
        )


def some(pictures: Pictures, count: int) -> Pictures:
    """So many of the pictures, the same ones each time."""
    return pictures if count == len(pictures) else pictures.subset(rows(len(pictures), count))


def rows(total: int, count: int) -> Tensor:
    """So many of all rows, int64 (count,), in their order and the same ones each time."""
    return torch.randperm(total, generator=torch.Generator().manual_seed(0))[:count].sort().values


def whole(pictures: Pictures) -> Tensor:
    """All of them, float32 (N, C, H, W) with values 0..1."""
    return (pictures.x.float() / 255).contiguous()


def draw(model: Generator, count: int, labels: Tensor | None, start: int, place: torch.device) -> Tensor:
    """The next samples of so many."""
    y = None if labels is None else labels[start : start + AT_ONCE].to(place)
    return model.sample(min(AT_ONCE, count - start), y)


class Looking(NamedTuple):
    """A judge at work."""

    judge: Judge
    place: torch.device

    def at(self, x: Tensor, y: Tensor | None) -> Seen:
        """Pictures float32 (N, C, H, W), and what the judge sees in them."""
        looks = [self.judge(part.to(self.place)) for part in torch.split(x, AT_ONCE)]
        scores = [look.scores for look in looks if look.scores is not None]
        features = torch.cat([look.features.float().cpu() for look in looks])
        return Seen(x, None if y is None else y.cpu(), features, torch.cat(scores).float().cpu() if scores else None)
