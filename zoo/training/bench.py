"""`zoo bench`: compare the speed of the trainer with that of a plain eager PyTorch loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import count as integers
from statistics import median
from typing import TYPE_CHECKING, Any

import torch
from torch import optim

from zoo.core.errors import ZooError
from zoo.core.sections import StageSpec
from zoo.data.dataset import Splits
from zoo.data.loader import Loader
from zoo.models.base import Stage
from zoo.models.device import autocast_type
from zoo.registry.build import build_data, build_for, build_model
from zoo.registry.data_source import Data, with_data
from zoo.registry.entry import Entry
from zoo.registry.listing import load_entry
from zoo.registry.model_size import build_on_meta, count_flops, meta_batch, size_of
from zoo.registry.overrides import refuse_without_effect
from zoo.registry.raw_entry import typed_options
from zoo.registry.stages import check_stages, choose_stage
from zoo.registry.unused import refuse_unused
from zoo.training.device import preserve_random_state, seed_all
from zoo.training.freeze import freeze
from zoo.training.loop import reproducible
from zoo.training.setup import Setup, endless, kept_encoding

if TYPE_CHECKING:
    from zoo.registry.listing import Paths


ROUNDS = 5
PEAK_SHARE, MIN_SHARE = 0.1, 0.25
"""Share of the time for the products of matrices, and least share for the two loops."""
MATMUL_SIZE = 2048
UNMEASURED = {"epochs", "minutes", "keep", "save_seconds", "monitor", "balance", "balance_power"}
UNMEASURED |= {"patience", "min_delta", "cooldown", "init_from", "lr_mult"}
"""Options of `train` that do not change the speed of a step."""
OF_SIZES = {"initial_scale", "finetune_fraction"}
"""Options of `train` for pictures that grow, while those of full size are measured."""
OF_TEACHER = {"teacher", "distill_temperature", "distill_weight"}
"""Options of `train` that do, but are for a teacher."""
Step = Callable[[], None]


@dataclass(frozen=True, repr=False)
class BenchmarkResult:
    """Training speed of an entry, and of a plain eager PyTorch loop for comparison.

    Attributes:
        entry: Name of the entry.
        data: Data kind of its pictures.
        stage: Name of the stage that was measured.
        mode: How the zoo's loop runs the model, such as "torch.compile" or "eager (no compiler)".
        batch: Pictures per training step.
        threads: CPU threads that PyTorch uses.
        pictures_per_second: Speed of the zoo's training loop, the median over the rounds.
        eager_pictures_per_second: Speed of the plain loop, the median over the rounds.
        ratio_to_eager: Median ratio of the two speeds, measured round by round.
        training_flops_per_picture: Floating-point operations of the forward and backward pass; None if unknown.
        achieved_flops: Floating-point operations per second of the zoo's loop; None if unknown.
        matmul_peak_flops: Floating-point operations per second in products of large matrices on the same device.
        share_of_peak: `achieved_flops / matmul_peak_flops`; None if unknown.
    """

    entry: str
    data: str
    stage: str
    mode: str
    batch: int
    threads: int
    pictures_per_second: float
    eager_pictures_per_second: float
    ratio_to_eager: float
    training_flops_per_picture: int | None
    achieved_flops: float | None
    matmul_peak_flops: float
    share_of_peak: float | None

    def __repr__(self) -> str:
        """Describe the speed in one line."""
        speed, ratio = self.pictures_per_second, self.ratio_to_eager
        return f"<Benchmark of {self.entry}: {speed:,.0f} pictures per second, {ratio:.2f} times plain PyTorch>"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that `zoo bench --json` prints, where `mode` is called `how`."""
        return {"how" if name == "mode" else name: value for name, value in asdict(self).items()}

    def _repr_html_(self) -> str:
        """Show the results as a table in a notebook."""
        from zoo.display.html import key_value_table, titled_block

        rows: dict[str, object] = {name.replace("_", " "): value for name, value in asdict(self).items()}
        return titled_block(self.entry, key_value_table(rows))


def measure(
    entry: Entry, device: torch.device, seconds: float, typed: Sequence[str] = (), stage: str | None = None
) -> BenchmarkResult:
    """Measure the speed of both loops, the FLOPs of a training step and this machine's matrix-product peak.

    Both loops augment, train on the same pictures and update the weights. The plain one is typical PyTorch code:
    float32, eager, AdamW with its defaults. All of that takes about `seconds`, or longer if a compiler does. Raises
    ZooError for `typed` options that change nothing of that.
    """
    start = time.perf_counter()
    splits, _ = build_data(entry.data)
    model, on_meta = build_on_meta(entry, splits.info)
    check_stages(entry.train, model)
    name = choose_stage(model, stage).name
    refuse_unmeasured(typed, name)
    size_of(entry, model, splits.info, on_meta)  # refuses a model that does not fit the classes
    autocast = autocast_type(device, entry.train.precision)
    fast, mode, loader = trainer_loop(entry, splits, device, name)
    plain = plain_loop(entry, splits, device, name, loader)
    flops = step_flops(entry, splits, name)
    peak = matmul_peak(device, autocast, PEAK_SHARE * seconds)
    for step in (plain, fast):  # the first steps allocate memory, and may compile
        step()
    synchronize(device)
    left = max(start + seconds - time.perf_counter(), MIN_SHARE * seconds)
    rounds = measure_rounds(plain, fast, loader.batch, device, left)
    slow_rate, fast_rate = (median(column) for column in zip(*rounds, strict=True))
    achieved = None if flops is None else flops * fast_rate
    return BenchmarkResult(
        entry=entry.name,
        data=entry.data.name,
        stage=name,
        mode=mode,
        batch=loader.batch,
        threads=torch.get_num_threads(),
        pictures_per_second=round(fast_rate, 1),
        eager_pictures_per_second=round(slow_rate, 1),
        ratio_to_eager=round(median(quick / slow for slow, quick in rounds), 2),
        training_flops_per_picture=flops,
        achieved_flops=achieved,
        matmul_peak_flops=peak,
        share_of_peak=None if achieved is None else round(achieved / peak, 3),
    )


def refuse_unmeasured(typed: Iterable[str], stage: str) -> None:
    """Raise ZooError for a typed option of a stage that is not measured, or of how long a training lasts."""
    for key in typed:
        section, *names = key.split(".")
        if section == "train" and names[0] == "stages" and len(names) > 1 and names[1] != stage:
            what = f"the speed of the stage {stage!r}, which is what is measured"
            raise ZooError(f"{key} has no effect on {what}", f"measure it with --stage {names[1]}, or set train.NAME")
        if section == "train" and names[-1] in OF_TEACHER:
            raise ZooError(f"{key} has no effect on zoo bench, which measures without a teacher", "leave it out")
        if section == "train" and names[-1] in OF_SIZES:
            raise ZooError(f"{key} has no effect on zoo bench, which measures pictures of full size", "leave it out")
        if section == "train" and names[-1] in UNMEASURED:
            raise ZooError(f"{key} has no effect on the speed of a training", "leave it out")


def measure_rounds(
    plain: Step, fast: Step, batch: int, device: torch.device, seconds: float
) -> list[tuple[float, float]]:
    """Measure the speeds of both loops in turns, at most 5 times each, until `seconds` have passed."""
    deadline, rounds = time.perf_counter() + seconds, list[tuple[float, float]]()
    while len(rounds) < ROUNDS and (not rounds or time.perf_counter() < deadline):
        share = max(0.0, deadline - time.perf_counter()) / (ROUNDS - len(rounds)) / 2
        rounds.append((measure_speed(plain, batch, device, share), measure_speed(fast, batch, device, share)))
    return rounds


def measure_speed(step: Step, batch: int, device: torch.device, seconds: float) -> float:
    """Measure the pictures per second of a loop for about `seconds`.

    The first step only warms up if there is time.
    """
    begin = time.perf_counter()
    step()
    synchronize(device)
    start = time.perf_counter()
    if start - begin >= seconds:
        return batch / (start - begin)
    for steps in integers(1):
        step()
        if steps % 2 == 0 or device.type == "cpu":
            synchronize(device)
            now = time.perf_counter()
            if now - begin >= seconds:
                return steps * batch / (now - start)
    raise AssertionError("unreachable")


def synchronize(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def build_setup(
    entry: Entry, splits: Splits, device: torch.device, name: str | None = None
) -> tuple[Setup, Stage, StageSpec]:
    """Build the model on its device; also return a stage, by default the first, and its options."""
    seed_all(entry.train.seed)
    model = build_for(entry, splits)
    freeze(model, entry.train.frozen)
    stage = choose_stage(model, name)
    return Setup(model, entry.train, splits, device), stage, entry.train.stage(stage.name)


def trainer_loop(
    entry: Entry, splits: Splits, device: torch.device, name: str | None = None
) -> tuple[Step, str, Loader]:
    """Prepare the zoo's training step at its fastest; also return how the model runs, and the loader."""
    off = entry.train.compile == "off"
    with reproducible(device):
        setup, stage, spec = build_setup(entry, splits, device, name)
        how = setup.accelerate(wanted=not off)
        stage, loader = setup.stage_and_loader(stage, spec)
        stepper = setup.stepper(stage, spec, spec.epochs * loader.steps)
        # All that sets in late is there, as for the plain loop, and pictures have their full size.
        stepper.schedule.share, stepper.schedule.at = 1.0, 1.0
        setup.set_train_mode(stage)
    source = enumerate(endless(loader, stage))

    def step() -> None:
        number, batch = next(source)
        with reproducible(device):
            stepper.step(batch, number)

    return step, "eager (train.compile=off)" if off else how, loader


def plain_loop(
    entry: Entry, splits: Splits, device: torch.device, name: str | None = None, loader: Loader | None = None
) -> Step:
    """Prepare the training step that PyTorch's tutorials show; a loader may be shared, as that of encoded pictures."""
    setup, stage, spec = build_setup(entry, splits, device, name)
    stage, own = setup.stage_and_loader(stage, spec)
    optimizer = optim.AdamW([each for each in stage.module.parameters() if each.requires_grad], lr=entry.train.lr)
    source = endless(own if loader is None else loader, stage)
    setup.set_train_mode(stage)

    def step() -> None:
        batch = next(source)
        losses = stage.losses(batch._replace(x=batch.x.contiguous()))
        optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def step_flops(entry: Entry, splits: Splits, name: str | None = None) -> int | None:
    """Count the floating-point operations of the forward and backward pass for one picture."""
    with torch.device("meta"):
        model = build_model(entry, splits.info).train()
    freeze(model, entry.train.frozen)
    batch, stage = meta_batch(splits.info, 2), choose_stage(model, name)
    losses = stage.losses
    if encoding := kept_encoding(stage, entry.train.stage(stage.name)):
        batch, losses = batch._replace(x=encoding.encode(batch.x)), encoding.losses
    total = count_flops(lambda: torch.stack(list(losses(batch).values())).sum().backward())  # type: ignore[no-untyped-call]
    return None if total is None else total // 2


def matmul_peak(device: torch.device, autocast: torch.dtype | None, seconds: float) -> float:
    """Measure the peak floating-point operations per second for about `seconds`, with products of large matrices."""
    a, b = (torch.randn(MATMUL_SIZE, MATMUL_SIZE, device=device, dtype=autocast or torch.float32) for _ in range(2))
    best, deadline = 0.0, time.perf_counter() + seconds
    for number in range(8):
        if number > 1 and time.perf_counter() > deadline:
            break
        synchronize(device)
        start = time.perf_counter()
        torch.mm(a, b)
        synchronize(device)
        best = max(best, 2 * MATMUL_SIZE**3 / (time.perf_counter() - start))
    return best


def bench(
    name: str,
    *overrides: str,
    data: Data | None = None,
    device: str = "auto",
    seconds: float = 20.0,
    stage: str | None = None,
    registries: Paths = (),
) -> BenchmarkResult:
    """Compare the training speed of an entry with that of a plain PyTorch loop.

    The plain loop trains the same model eagerly. The two alternate, so that other load on the machine affects both.

    Args:
        name: Name of the entry.
        *overrides: `key=value` texts, as on the command line.
        data: A data kind, a folder with one subfolder per class, Parquet files, or arrays `(x, y)` as `zoo.train` takes
            them; by default the entry's own data.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto" for the fastest of this machine.
        seconds: How long it may take, the compilation of the model and the encoding of the pictures apart.
        stage: The stage of the training to measure; by default the first.
        registries: Registry files to read in addition.

    Returns:
        Pictures per second of both loops, FLOPs, and the share of the peak of this machine.

    Raises:
        ZooError: If the entry is unknown, cannot be used, has no such stage, or an override is wrong.

    Example:
        >>> import zoo
        >>> zoo.bench("cnn", seconds=10).pictures_per_second  # doctest: +SKIP
        5120.4
    """
    from zoo.models.device import choose_device

    words = with_data(data, overrides)
    refuse_without_effect(words, ["tune"], "the speed of a training", "it is for zoo tune")
    entry, place, typed = load_entry(name, words, registries), choose_device(device), typed_options(words)
    refuse_unused(entry, typed)
    with preserve_random_state(place):
        return measure(entry, place, seconds, typed, stage)
