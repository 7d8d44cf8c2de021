"""Fetch a published run from a folder, a .zip file or the Hugging Face hub, and verify it before it can be used."""

from __future__ import annotations

from pathlib import Path

from zoo.core.errors import RunError, ZooError, describe_error
from zoo.core.files import check_name, expand_user
from zoo.core.temporary import scratch
from zoo.runs.bundle import errors_about, refuse_existing, unpack_bundle
from zoo.runs.bundle_source import WEIGHTS
from zoo.runs.names import ROOT
from zoo.runs.pulled_name import pulled_name
from zoo.runs.run import Run


def pull(source: str | Path, out: str | Path | None = None) -> Run:
    """Fetch a published run, and verify it before it can be used.

    Names, sizes and SHA-256 of all files are checked, and that the weights fit the model. Nothing in them is executed.

    Args:
        source: A folder or a .zip file that `push` wrote, or `hf:user/name`, or `hf:user/name@revision`.
        out: The run folder to create; by default one in `runs` with the name of the source.

    Returns:
        The run; `record["origin"]` says where it came from.

    Raises:
        ZooError: If there is no such bundle, or the run folder exists.
        RunError: If the bundle is damaged, or its files do not belong together.
        MissingError: If a package that the model needs is not installed.
        JobError: If the hub cannot be reached.

    Example:
        >>> import zoo
        >>> zoo.pull("hf:ann/cnn-cifar10").model()  # doctest: +SKIP
    """
    text = str(source)
    if text.startswith("hf:"):
        from zoo.runs.hub import Address

        Address.read(text)
    folder = default_folder(text) if out is None else expand_user(out)
    refuse_existing(folder)
    fetch_bundle(text, folder)
    return Run.open(folder)


def default_folder(source: str) -> Path:
    """Return the run folder for a source: its name below `runs`."""
    try:
        return ROOT / check_name(pulled_name(source if source.startswith("hf:") else str(Path(source).absolute())))
    except ZooError:
        raise ZooError(f"{source[:80]!r} gives no name for a run folder", "name one with --out") from None


def fetch_bundle(source: str, folder: Path) -> None:
    """Make a run folder of a published run, or nothing if it cannot be used here."""
    if not source.startswith("hf:"):
        path = expand_user(source)
        return unpack_bundle(path, folder, path.name, check_model)
    from zoo.runs.hub import download

    with scratch("pull") as here:
        origin = download(source, here)
        with errors_about(origin, here):
            return unpack_bundle(here, folder, origin, check_model)


def check_model(folder: Path) -> None:
    """Raise RunError unless the weights in a run folder fit its entry; large models are not built in vain."""
    run = Run.open(folder)
    try:
        compare_shapes(run)
        run.model("cpu")
    except ZooError:
        raise
    except Exception as error:  # a model of any plugin, with options and classes that somebody else wrote
        raise RunError(f"its model cannot be built: {describe_error(error)}") from None


def compare_shapes(run: Run) -> None:
    """Raise RunError unless the names and shapes of the saved tensors are those of the model."""
    from safetensors import safe_open

    from zoo.core.tensor_files import current_names
    from zoo.registry.model_size import build_on_meta

    model, _ = build_on_meta(run.entry, run.info)
    own = {name: list(value.shape) for name, value in model.state_dict().items()}
    with safe_open(run.path / WEIGHTS, framework="pt") as file:
        saved = {name: list(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    saved = current_names(model, saved)
    if wrong := sorted(name for name in own.keys() | saved.keys() if own.get(name) != saved.get(name)):
        raise RunError(f"{WEIGHTS} has the weights of another model: {wrong[0]!r} does not fit")
