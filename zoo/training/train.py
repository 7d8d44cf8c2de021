"""`zoo.train`: train an entry, or resume its unfinished run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from zoo.core.errors import JobError
from zoo.registry.catalog import catalog
from zoo.registry.entry import with_train
from zoo.registry.listing import load_entry
from zoo.runs.choose_folder import choose_folder
from zoo.runs.find import resume_command
from zoo.runs.lock import lock_folder
from zoo.runs.run import Run

if TYPE_CHECKING:
    from zoo.registry.listing import Paths
    from zoo.training.callbacks import Callback


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
    seed: int | None = None,
    out: str | Path | None = None,
    device: str = "auto",
    fresh: bool = False,
    registries: Paths = (),
    callback: Callback | None = None,
) -> Trained:
    """Train an entry, or resume its unfinished run.

    An unfinished run of exactly this entry resumes where it stopped; with the same seed on the same machine its weights
    are bit for bit those of an uninterrupted run.

    Args:
        name: Name of the entry.
        *overrides: `key=value` texts, as on the command line.
        seed: Seed of the training, in place of `train.seed`.
        out: The run folder; by default the next free one below `runs`.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto" for the fastest of this machine.
        fresh: Whether to start a new run even if there is an unfinished one.
        registries: Registry files to read in addition.
        callback: Called at every step and epoch; by default a progress display in a notebook, and nothing elsewhere.

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
    chosen = load_entry(name, overrides, registries)
    if seed is not None:
        chosen = with_train(chosen, seed=seed)
    from zoo.display.html import in_notebook
    from zoo.registry.blame import model_errors
    from zoo.training.callbacks import Callback
    from zoo.training.device import choose_device, preserve_random_state
    from zoo.training.notebook import NotebookCallback
    from zoo.training.session import Session

    torch_device = choose_device(device)
    path, before = choose_folder(chosen, catalog(), None if out is None else Path(out), fresh)
    with lock_folder(path):
        # Another process may have finished the run before this one had the lock.
        before = Run.open(path, catalog()) if (path / "run.json").exists() else before
        again = "choose another --out" if out else "start a new run with --fresh"
        if before is not None and before.state == "diverged":
            raise JobError(f"{path} diverged", f"change its options, or {again}")
        if before is None or before.state != "done":
            command = resume_command("train", name, overrides, {"seed": seed, "out": out, "device": device}, registries)
            callback = callback or (NotebookCallback(name) if in_notebook() else Callback())
            session = Session(chosen, path, torch_device, callback, command, again)
            with preserve_random_state(torch_device), model_errors(chosen, "training"):
                before = session.train(before)
        return trained(before)


def trained(run: Run) -> Trained:
    """Make the result of a finished run."""
    epochs = sum({row["stage"]: row["epoch"] for row in run.log()}.values())
    return Trained(run.path, epochs, run.kept_epoch()["valid"], str(run.record["weights_sha256"]))
