"""Calibrate a run: fit a temperature to its validation pictures, and keep it with the run."""

from __future__ import annotations

import torch

from zoo.core.errors import DataError, ZooError
from zoo.evaluation.evaluate import compute_outputs
from zoo.evaluation.metric_results import compute_metrics
from zoo.models.base import Classifier
from zoo.models.calibration import fit_temperature
from zoo.models.device import autocast_type, choose_device
from zoo.registry.blame import model_errors
from zoo.registry.build import build_data
from zoo.registry.data_source import Data
from zoo.registry.kinds import Outputs
from zoo.runs.calibration import Calibration, write_calibration
from zoo.runs.ensemble import Runs, load_runs
from zoo.runs.inputs import check_pictures, run_overrides

METRIC = "calibration"
"""The metric kind that computes the calibration error."""


def calibrate(run: Runs, *overrides: str, data: Data | None = None, device: str = "auto") -> Calibration:
    """Fit a temperature to a run's validation pictures, and keep it with the run.

    From then on evaluations, predictions and exports of the run divide its scores by the temperature (Guo et al. 2017,
    arXiv:1706.04599), which changes probabilities, but not the order of the classes. Delete `calibration.json` in the
    folder of the run to undo it.

    Args:
        run: A run folder of a classifier, a name below `runs`, an entry or a study.
        *overrides: `key=value` texts for the data, and for options that do not affect the weights.
        data: Other data whose validation pictures to take, as in `zoo.evaluate`.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto" for the fastest of this machine.

    Returns:
        The temperature, and loss and calibration error before and after.

    Raises:
        ZooError: If the run is unknown, is not a classifier, or no temperature fits.
        DataError: If the validation pictures are missing or do not fit.

    Example:
        >>> import zoo
        >>> zoo.calibrate("cnn").temperature  # doctest: +SKIP
        0.61
    """
    named = data if isinstance(data, str) else None
    (opened, *others), torch_device = load_runs(run, named), choose_device(device)
    if others:
        raise ZooError("an ensemble has no temperature of its own", "calibrate each of its runs")
    words = run_overrides(opened, data, overrides)
    changed, model = opened.with_overrides(words), opened.model(torch_device, words)
    if not isinstance(model, Classifier):
        raise ZooError(f"{opened.label} is not a classifier, so it has no probabilities to calibrate")
    splits, _ = build_data(changed.data)
    if not len(splits.valid):
        text = "there are no validation pictures to fit a temperature to"
        raise DataError(text, "name data that has some with --data DIR, or train with data.valid=0.1")
    check_pictures(opened, changed, splits.info, "valid", splits.valid)
    with model_errors(changed, "evaluation"):
        autocast = autocast_type(torch_device, changed.train.precision)
        before = compute_outputs(model, splits.valid, opened.info, torch_device, autocast)
    assert before.scores is not None, "a classifier has scores"
    temperature = fit_temperature(before.scores, before.labels)
    scores = (before.scores / temperature).log_softmax(1)
    losses = [torch.nn.functional.nll_loss(each.double(), before.labels).item() for each in (before.scores, scores)]
    after = Outputs(before.model, before.info, before.pictures, before.means, scores)
    errors = [
        compute_metrics(each, changed, only=[METRIC]).metrics.get("calibration_error") for each in (before, after)
    ]
    weights = str(opened.record.get("weights_sha256"))
    found = Calibration(temperature, weights, len(splits.valid), *losses, *errors)
    write_calibration(opened.results, found)
    return found
