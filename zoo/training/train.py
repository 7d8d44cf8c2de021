"""`zoo.train`: train an entry, or resume its unfinished run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zoo.core.errors import DataError, JobError
from zoo.core.files import expand_user
from zoo.core.notes import Tell
from zoo.registry.data_source import Data, with_data
from zoo.registry.entry import Entry
from zoo.registry.overrides import refuse_without_effect, with_option
from zoo.registry.raw_entry import typed_options
from zoo.registry.unused import refuse_unused
from zoo.runs.choose_folder import choose_folder
from zoo.runs.find import resume_command
from zoo.runs.lock import lock_folder
from zoo.runs.run import Run
from zoo.training.start import choose_entry

if TYPE_CHECKING:
    from zoo.registry.listing import Paths
    from zoo.training.callbacks import Callback
    from zoo.training.events import Events, GivenCallbacks


class Trained(NamedTuple):
    """Result of a training: run folder, number of epochs, validation metrics and SHA-256 of the weights."""

    run: Path
    epochs: int
    metrics: dict[str, float]
    """Metrics of the kept weights over the validation pictures."""
    weights_sha256: str

    def _repr_html_(self) -> str:
        """Show the results as a table in a notebook."""
        from zoo.display.html import key_value_table, titled_block

        about = {"epochs": self.epochs, **self.metrics, "weights sha256": self.weights_sha256[:12]}
        return titled_block(str(self.run), key_value_table(about))


def train(
    name: str,
    *overrides: str,
    data: Data | None = None,
    init_from: Run | str | Path | None = None,
    seed: int | None = None,
    out: str | Path | None = None,
    device: str = "auto",
    fresh: bool = False,
    registries: Paths = (),
    callback: Callback | None = None,
    callbacks: GivenCallbacks = (),
) -> Trained:
    """Train an entry, or resume its unfinished run.

    An unfinished run of exactly this entry resumes where it stopped; with the same seed on the same machine its weights
    are bit for bit those of an uninterrupted run.

    Args:
        name: Name of the entry.
        *overrides: `key=value` texts, as on the command line.
        data: A data kind, a folder with one subfolder per class, or Parquet files; by default the entry's own data. Or
            arrays of NumPy or torch, `(x, y)`: pictures, uint8 or floats of 0 to 1, with the channels first or last,
            and a label for each, an integer or text; those of splits as `{"train": (x, y), "test": (x, y)}`.
        init_from: A run, its folder, an entry, a study, or a published run as `zoo.pull` takes it, whose weights to
            start from instead of random ones. With `train.epochs=+10` that run goes on in a new folder, with its own
            options; by default the newest of `name`.
        seed: Seed of the training, in place of `train.seed`.
        out: The run folder; by default the next free one below `runs`.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto" for the fastest of this machine.
        fresh: Whether to start a new run even if there is an unfinished one.
        registries: Registry files to read in addition.
        callback: Called at every step and epoch; by default a progress display in a notebook, and nothing elsewhere.
        callbacks: Callback kinds with their options, such as "mlflow experiment=digits", or objects of
            `zoo.registry.EventCallback`, which are told what happens. They cannot change the result.

    Returns:
        The run folder, its number of epochs, the metrics of the kept weights and their SHA-256.

    Raises:
        ZooError: If the entry is unknown, cannot be used, or an override is wrong.
        JobError: If the training diverges.
        DataError: If the pictures are missing or do not fit.
        LockedError: If another process trains in the same folder.

    Example:
        >>> import zoo
        >>> trained = zoo.train("cnn", "train.epochs=3", seed=1)  # doctest: +SKIP
        >>> trained.metrics["accuracy"]  # doctest: +SKIP
        0.97
    """
    words = with_data(data, overrides)
    refuse_without_effect(words, ["tune"], "a training", "it is for zoo tune")
    chosen = choose_entry(name, with_option("seed", seed, "train.seed", words), init_from, registries)
    refuse_unused(chosen, typed_options(words))
    source = str(init_from.path) if isinstance(init_from, Run) else init_from
    from zoo.training.events import named_callbacks, open_events

    options = {"init_from": source, "seed": seed, "out": out, "device": device}
    command = resume_command("train", name, words, options | {"callbacks": named_callbacks(callbacks)}, registries)
    callback = callback or default_callback(chosen.name)
    with open_events(callbacks, callback.note) as events:
        folder = None if out is None else expand_user(out)
        return train_entry(chosen, command, folder, device, callback, events, fresh=fresh)


def default_callback(name: str) -> Callback:
    """Make the callback of a training if none is given: a progress display in a notebook, and nothing elsewhere."""
    from zoo.display.html import in_notebook
    from zoo.training.callbacks import Callback
    from zoo.training.notebook import NotebookCallback

    return NotebookCallback(name) if in_notebook() else Callback()


def train_entry(
    chosen: Entry,
    command: str,
    out: Path | None,
    device: str,
    callback: Callback,
    events: Events,
    *,
    fresh: bool = False,
) -> Trained:
    """Train an entry that is resolved, or resume its unfinished run; `command` is the one that resumes it."""
    from zoo.models.device import choose_device
    from zoo.registry.blame import model_errors
    from zoo.training.curves import try_curves
    from zoo.training.device import preserve_random_state
    from zoo.training.session import Session

    torch_device = choose_device(device)
    path, before = choose_folder(chosen, out, fresh, callback.note)
    with lock_folder(path):
        # Another process may have finished the run before this one had the lock.
        before = Run.open(path) if (path / "run.json").exists() else before
        again = "choose another --out" if out else "start a new run with --fresh"
        if before is not None and before.state == "diverged":
            raise JobError(f"{path} diverged", f"change its options, or {again}")
        if before is None or before.state != "done":
            session = Session(chosen, path, torch_device, callback, command, again, events=events)
            try:
                with preserve_random_state(torch_device), model_errors(chosen, "training"):
                    before = session.train(before)
            finally:
                try_curves(path, callback.note)
        else:
            check_finished(before, callback.note, again)
        return trained(before)


def check_finished(run: Run, tell: Tell, again: str) -> None:
    """Tell that a run was finished before; DataError if its pictures have changed since."""
    from zoo.training.prepared import prepare

    try:
        fingerprints = prepare(run.entry.data).fingerprints
    except DataError as error:
        tell(f"the pictures of {run.path} cannot be read now: {error}")
    else:
        if fingerprints != run.record.get("fingerprints"):
            raise DataError(f"the pictures have changed since {run.path} was trained", again)
    when = str(run.record.get("finished", "before"))[:10]
    tell(f"{run.path} is already finished ({when}), so this is its result; to train once more, {again}")


def trained(run: Run) -> Trained:
    """Make the result of a finished run."""
    epochs = sum({row["stage"]: row["epoch"] for row in run.log()}.values())
    return Trained(run.path, epochs, run.kept_epoch()["valid"], str(run.record["weights_sha256"]))
