"""Run one trial in a worker of Ray: train, report epochs to the driver, and end a process that hangs."""

from __future__ import annotations

import faulthandler
import json
import shutil
import time
import traceback
import warnings
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

from zoo.core.errors import (
    BudgetError,
    DataError,
    InterruptedRun,
    JobError,
    LockedError,
    ResourceError,
    ZooError,
    as_out_of_memory,
    did_you_mean,
    one_line,
)
from zoo.core.files import DISK_FULL_ERRNOS, write_text
from zoo.core.trust import open_regular
from zoo.core.types import DataInfo
from zoo.registry.entry import Entry, restore_entry
from zoo.runs.choose_folder import open_or_clear
from zoo.runs.lock import wait_and_lock
from zoo.runs.run import read_json
from zoo.training.callbacks import Callback, StageInfo
from zoo.training.signals import Stop
from zoo.tuning.compile_cache import private_cache

if TYPE_CHECKING:
    from zoo.registry.search.space import Space
    from zoo.training.prepared import Prepared


HANG_TRACE = "hung.txt"
"""File to which the watchdog writes the stacks of all threads before it ends the process."""
RESET_INTERVAL = 1.0
"""Smallest number of seconds between two restarts of the countdown, since each starts a thread."""
STOP_FILE = "stop"
"""The file by which a driver asks its workers to stop."""
FOLDER_TIMEOUT = 20.0
"""Seconds to wait for a worker of a killed driver to unlock its folder."""
STOP_POLL = 0.3
"""Seconds between two checks for the stop file."""
SAVE_INTERVAL = 2.0
"""Seconds between two checkpoints, the most that a killed trial loses."""
Report = Callable[[dict[str, Any]], None]
Verdict = dict[str, Any]


class MissingMetricError(ZooError):
    """Raised when the model does not report the objective's metric, which affects all trials."""

    def __init__(self, metric: str, known: Iterable[str]) -> None:
        super().__init__(f"the model reports no validation figure {metric!r}", did_you_mean(metric, known))


STATE_OF_ERROR: dict[type[ZooError], str] = {
    InterruptedRun: "waiting",
    MissingMetricError: "useless",
    JobError: "diverged",
    ResourceError: "resources",
}


class Watchdog:
    """End the process if `reset` is not called within the block for `timeout` seconds.

    It runs in a thread of faulthandler, which does not need the interpreter lock, so it also works if a plugin hangs in
    native code.
    """

    def __init__(self, folder: Path, timeout: float) -> None:
        self.path, self.timeout = folder / HANG_TRACE, timeout
        self.last_reset = 0.0
        self.file: IO[str]

    def __enter__(self) -> Self:
        self.file = open_regular(self.path, "w")
        self.reset()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        faulthandler.cancel_dump_traceback_later()
        self.file.close()
        self.path.unlink(missing_ok=True)

    def reset(self) -> None:
        """Restart the countdown: the training has taken a step."""
        now = time.monotonic()
        if now - self.last_reset >= min(RESET_INTERVAL, self.timeout / 4):
            self.last_reset = now
            faulthandler.dump_traceback_later(self.timeout, exit=True, file=self.file)

    def rest(self) -> None:
        """Pause the countdown while the training waits for the driver."""
        faulthandler.cancel_dump_traceback_later()
        self.last_reset = 0.0


def was_hung(folder: Path) -> bool:
    """Whether the last process that worked in the folder was ended by its watchdog."""
    try:
        return (folder / HANG_TRACE).stat().st_size > 0
    except OSError:
        return False


@dataclass(frozen=True)
class TrialOrder:
    """A request to a worker to train a trial, as plain data."""

    number: int
    entry: dict[str, Any]
    """The trial's entry as JSON."""
    folder: str
    """The study's folder."""
    run: str
    """The trial's run folder."""
    reported: int
    """Number of epochs that are already in the study."""
    metric: str
    """The validation metric by which trials are compared."""
    device: str
    hang_timeout: float
    command: str
    max_params: int | None = None
    max_flops: int | None = None
    max_latency: float | None = None
    """Milliseconds of a forward pass for one picture."""


def run_trial(config: dict[str, Any], pictures: dict[str, Any]) -> None:
    """Run one trial; Ray Tune calls this in a thread of a worker that may have run others before."""
    from ray import tune

    order = TrialOrder(**config)
    report = tune.report
    report({"verdict": json.dumps(try_trial(order, pictures, report))})


def try_trial(order: TrialOrder, pictures: dict[str, Any], report: Report) -> Verdict:
    """Train, and return how it ended, as plain data."""
    run = Path(order.run)
    try:
        import_training()
        with ExitStack() as stack:
            wait_for_folder(stack, run)
            stack.enter_context(private_cache())
            watchdog = stack.enter_context(Watchdog(run, order.hang_timeout))
            return train_trial(order, pictures, report, watchdog)
    except TrialStopped:
        raise SystemExit(0) from None
    except BaseException as error:  # a plugin may even call sys.exit
        return verdict_of(error, run)


class TrialStopped(BaseException):
    """Raised from within a report when Ray Tune stops the trial."""


def import_training() -> None:
    """Import what every trial needs before the watchdog starts, since it may take a while."""
    import torch._dynamo  # noqa: F401 - the first step of an optimizer would import it

    import zoo.training.session  # noqa: F401


def verdict_of(error: BaseException, run: Path) -> Verdict:
    """Classify the error that ended a trial."""
    if refusal := refusal_of(error):
        shutil.rmtree(run, ignore_errors=True)
        return {"state": "refused", "reason": str(error), **refusal}
    if memory_error := as_out_of_memory(error):
        return {"state": "oom", "reason": str(memory_error.args[0])}
    if isinstance(error, OSError) and error.errno in DISK_FULL_ERRNOS:
        return {"state": "resources", "reason": one_line(str(error))}
    for kind, state in STATE_OF_ERROR.items():
        if isinstance(error, kind):
            return {"state": state, "reason": str(error)}
    with suppress(OSError, ZooError):
        write_text(run / "error.txt", "".join(traceback.format_exception(error)))
    name = "" if isinstance(error, ZooError) else f"{type(error).__name__}: "
    return {"state": "failed", "reason": one_line(f"{name}{error}")[:400]}


def refusal_of(error: BaseException) -> dict[str, Any] | None:
    """Return which limit a model exceeds and by which share of it; None for another error."""
    if isinstance(error, BudgetError):
        return {"parameters": error.parameters, "over": {"parameters": error.parameters / error.limit - 1}}
    from zoo.training.limits import NOISY, LimitError

    if isinstance(error, LimitError):
        return {"over": {error.what: error.excess}, "noisy": error.noise > NOISY}
    return None


def wait_for_folder(stack: ExitStack, run: Path) -> None:
    """Lock the run folder; wait if a worker of a killed driver still uses it for some seconds."""
    deadline = time.monotonic() + FOLDER_TIMEOUT

    def wait(error: LockedError) -> None:
        if time.monotonic() > deadline:
            raise error
        time.sleep(STOP_POLL)

    stack.enter_context(wait_and_lock(run, wait))


def train_trial(order: TrialOrder, pictures: dict[str, Any], report: Report, watchdog: Watchdog) -> Verdict:
    """Start the run of the trial, or resume it."""
    from zoo.models.device import choose_device
    from zoo.training.limits import NOISY, Limits
    from zoo.training.session import Session

    before = open_or_clear(Path(order.run))
    if before is None or before.state in ("running", "interrupted"):
        callback = TrialCallback(order, report, watchdog)
        session = Session(
            entry=restore_entry(order.entry),
            path=Path(order.run),
            device=choose_device(order.device),
            callback=callback,
            command=order.command,
            restart_hint="start another study with --fresh",
            limits=Limits(order.max_params, order.max_flops, order.max_latency),
            save_seconds=SAVE_INTERVAL,
            stop=FileStop(Path(order.folder)),
            prepared=unpack_pictures(pictures),
        )
        before = session.train(before)
    if before.state == "done":
        about = {"metrics": before.kept_epoch()["valid"], "epochs": len(before.log())}
    else:
        about = {"reason": str(before.record.get("reason", ""))}
    about |= {"parameters": before.record["parameters"], "seconds": before.record["seconds"]}
    if latency := before.record.get("latency"):
        about |= {"latency": latency["milliseconds"], "noisy": latency["noise"] > NOISY}
    return {"state": before.state, **about}


class TrialCallback(Callback):
    """Callback of a trial, which reports each epoch to the driver and waits for its decision."""

    def __init__(self, order: TrialOrder, report: Report, watchdog: Watchdog) -> None:
        self.order, self.report, self.watchdog, self.reported = order, report, watchdog, order.reported
        self.parameters = 0

    def stage(self, info: StageInfo) -> None:
        """Tell the watchdog that a stage starts."""
        self.watchdog.reset()

    def step(self) -> None:
        """Tell the watchdog that a step was taken."""
        self.watchdog.reset()

    def epoch(self, row: dict[str, Any]) -> None:
        """Report the epoch, and first those that a killed driver missed."""
        from zoo.runs.metrics_log import read_rows

        run = Path(self.order.run)
        rows = read_rows(run / "metrics.jsonl") if row["number"] > self.reported + 1 else []
        self.parameters = self.parameters or read_json(run / "run.json")["parameters"]
        for number in range(self.reported + 1, row["number"] + 1):
            valid = row["valid"] if number == row["number"] else rows[number - 1]["valid"]
            if missing := {"loss", self.order.metric} - valid.keys():
                raise MissingMetricError(min(missing), valid)
            loss = valid["loss"]
            about = {"epochs": row["of"], "parameters": self.parameters}
            self.watchdog.rest()
            try:
                self.report({"epoch": number, "loss": loss, **about})
            except SystemExit:
                raise TrialStopped from None
            self.watchdog.reset()
        self.reported = max(self.reported, row["number"])

    def note(self, text: str) -> None:
        """Append a message to `notes.txt` in the run folder."""
        self.watchdog.reset()
        with open_regular(Path(self.order.run) / "notes.txt", "a") as file:
            file.write(f"{text}\n")


class FileStop(Stop):
    """Stop on a file in the study's folder, since a signal reaches neither a thread nor another machine."""

    def __init__(self, folder: Path) -> None:
        self.file, self.last_check = folder / STOP_FILE, 0.0

    @property
    def code(self) -> int:
        """Exit code of the requested stop; 0 without a request."""
        now = time.monotonic()
        if not self.asked and now - self.last_check > STOP_POLL:
            self.last_check = now
            self.asked = 130 if self.file.exists() else 0
        return self.asked


def read_pictures(entry: Entry) -> dict[str, Any]:
    """Read the pictures once for all trials, as arrays that Ray's workers share.

    Each split has pictures as NHWC bytes, and labels. Raises an error where no model of the entry fits the classes.
    """
    from zoo.core.splits import SPLITS
    from zoo.training.prepared import prepare
    from zoo.tuning.trial_build import trial_build

    found = prepare(entry.data)
    if len(found.splits.info.classes) < 2:
        build = trial_build(entry, found.splits.info)
        if build.stages is not None:  # the options of the trials may fit the pictures where those of the entry do not
            build.size()
    if not len(found.splits.valid):
        raise DataError("there are no validation pictures to compare trials by", "set data.valid, e.g. data.valid=0.1")
    parts = {name: getattr(found.splits, name) for name in SPLITS}
    arrays = {name: (part.nhwc.numpy(), part.y.numpy()) for name, part in parts.items()}
    texts = {
        name: (part.texts.table, part.texts.index.numpy()) for name, part in parts.items() if part.texts is not None
    }
    about = {"texts": texts, "info": found.splits.info._asdict(), "notes": found.splits.notes}
    return {"splits": arrays, **about, "skipped": found.skipped, "fingerprints": found.fingerprints}


def smallest_model(
    entry: dict[str, Any], space: Space, info: dict[str, Any], what: str = "parameters"
) -> tuple[int, dict[str, Any]] | None:
    """Find number of parameters, or of FLOPs, and options of the smallest model of a space.

    Returns None if none can be built.
    """
    from zoo.registry.model_size import count_parameters, count_size
    from zoo.registry.search.space import smallest_entry

    def size(each: Entry) -> int:
        if what == "parameters":
            return count_parameters(each, DataInfo(**info))
        if (flops := count_size(each, DataInfo(**info)).flops) is None:
            raise ZooError("the FLOPs cannot be counted")
        return flops

    try:
        return smallest_entry(space, restore_entry(entry), size)
    except ZooError:
        return None


def unpack_pictures(pictures: dict[str, Any]) -> Prepared:
    """Rebuild the pictures from `read_pictures`, without copying the shared memory."""
    import torch

    from zoo.data.dataset import Pictures, Splits
    from zoo.data.texts import Texts
    from zoo.training.prepared import Prepared

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about read-only arrays, but nothing writes to pictures
        parts = {name: Pictures.of(*pair) for name, pair in pictures["splits"].items()}
        for name, (table, index) in pictures.get("texts", {}).items():
            parts[name] = replace(parts[name], texts=Texts(table, torch.as_tensor(index)))
    splits = Splits(**parts, info=DataInfo(**pictures["info"]), notes=pictures.get("notes", ()))
    return Prepared(splits, pictures["skipped"], pictures["fingerprints"])
