"""Train the judge of `shapes` on newly drawn pictures: `python -m zoo_data.shapes.training` writes its weights."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from zoo.core import atomic_write
from zoo.models import fixed_seed
from zoo_data.shapes.draw import BACKGROUNDS, draw
from zoo_data.shapes.judge import HEADS, WEIGHTS, AttributeReader
from zoo_data.shapes.scenes import attributes, random_scenes

PART, SEED = 3, 20261127
"""Pictures of another part and seed than those of any data set."""
ROUNDS, PICTURES, BATCH, LR, WEIGHT_DECAY = 6, 24_000, 200, 4e-3, 0.02
"""Each round draws new pictures."""
TWO, HELD_OUT = 0.7, 0.3
"""Shares of pictures with two objects, and with an object in a colour that data sets hold out of training."""


class TrainingBatch(NamedTuple):
    """Pictures float32 (N, 3, 32, 32) and their attributes int64 (N,), -1 where there is none."""

    x: Tensor
    attributes: dict[str, Tensor]


def training_batch(count: int, turn: int) -> TrainingBatch:
    """Draw pictures that no data set has, of all backgrounds and combinations."""
    scenes = random_scenes(SEED + turn, PART, count, TWO, HELD_OUT)
    x = torch.from_numpy(draw(scenes, BACKGROUNDS)).permute(0, 3, 1, 2).float().div_(255)
    return TrainingBatch(x, {key: torch.from_numpy(value) for key, value in attributes(scenes).items()})


def reading_loss(read: dict[str, Tensor], wanted: dict[str, Tensor]) -> Tensor:
    """Sum the cross-entropies of all attributes that the pictures have."""
    return torch.stack([F.cross_entropy(read[key], wanted[key], ignore_index=-1) for key in HEADS]).sum()


def train_reader(rounds: int = ROUNDS, pictures: int = PICTURES) -> AttributeReader:
    """Train the network for some rounds on pictures that are drawn anew in each; a minute of one core in 2026."""
    with fixed_seed(torch.device("cpu")):
        model = AttributeReader().to(memory_format=torch.channels_last).train()
        optimizer = torch.optim.AdamW(model.parameters(), LR, weight_decay=WEIGHT_DECAY)
        steps = rounds * math.ceil(pictures / BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, steps, pct_start=0.2)
        for turn in range(rounds):
            batch = training_batch(pictures, turn)
            for rows in torch.split(torch.randperm(pictures), BATCH):
                x = batch.x[rows].contiguous(memory_format=torch.channels_last)
                loss = reading_loss(model.read(x), {key: value[rows] for key, value in batch.attributes.items()})
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
        return model.eval()


def save(model: AttributeReader, path: Path) -> None:
    """Save the weights in half precision, which costs no accuracy; counters of batches stay integers."""
    state = {key: value.half() if value.is_floating_point() else value for key, value in model.state_dict().items()}
    with atomic_write(path) as temporary:
        save_file({key: value.contiguous() for key, value in state.items()}, temporary)


if __name__ == "__main__":
    save(train_reader(), Path(__file__).with_name(WEIGHTS))
