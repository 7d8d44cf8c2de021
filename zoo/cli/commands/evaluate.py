"""`zoo evaluate`: figures, tables of classes, the confusion matrix, and a page of samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import DATA, DEVICE, GUIDANCE, OVERRIDES, RUN, TEMPERATURE, TRACK, VIEWS, read_words, refuse_typed
from zoo.core.errors import ResourceError
from zoo.core.files import non_finite_to_none, write_json
from zoo.core.splits import SPLITS
from zoo.core.trust import refuse_link
from zoo.core.views import ONE_VIEW
from zoo.display.format import format_value
from zoo.evaluation.figures import confusions
from zoo.runs.ensemble import ensemble_label, ensemble_results, ensemble_title, load_runs

if TYPE_CHECKING:
    from zoo.evaluation.evaluation import Evaluation
    from zoo.registry.entry import Entry


MAX_MATRIX_CLASSES = 20
"""Most classes for which the whole confusion matrix is printed; with more, only the worst confusions."""
MAX_CONFUSIONS = 10


@click.command("evaluate", cls=Command)
@RUN
@OVERRIDES
@DATA
@click.option("--split", type=click.Choice(SPLITS[::-1]), default="test", help="Split to use: test, valid or train.")
@DEVICE
@click.option("--record", metavar="FILE", help="Append the result to this registry file.")
@click.option("--data-name", metavar="TEXT", default="", help="Name for the data in the recorded result.")
@click.option(
    "--judge",
    default="judge",
    metavar="NAME",
    help="Network that judges samples: a classifier's entry or run, efficientnet-lite0, inception or none.",
)
@GUIDANCE
@TEMPERATURE
@VIEWS
@click.option(
    "--precision",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="P",
    help="Show from which probability on each class has this precision, e.g. 0.95.",
)
@click.option(
    "--calibrate",
    is_flag=True,
    help="First fit a temperature to the validation pictures, and keep it with the run, which then uses it.",
)
@click.option("--all", "everything", is_flag=True, help="Show all figures, not only those that matter most.")
@click.option("--metrics", multiple=True, metavar="METRIC", help="Show a metric kind too, also one of another plugin.")
@TRACK
@click.pass_obj
def evaluate_command(
    screen: Screen,
    /,
    run: str,
    overrides: tuple[str, ...],
    data: str | None,
    calibrate: bool,
    everything: bool,
    **options: Any,
) -> None:
    """Evaluate a run on a split.

    RUN is a run folder, or an entry (its newest finished run); RUN+RUN averages the class probabilities of several.
    --data names other pictures; KEY=VALUE changes an option of the data, or one that does not affect the weights, e.g.
    model.draws=8.
    """
    from zoo.evaluation.calibrate import calibrate as fit
    from zoo.evaluation.evaluate import evaluate

    if not options["record"]:
        refuse_typed("data_name", "without --record", "give the registry file too, e.g. --record registry.yaml")
    data, words = read_words(screen, data, overrides)
    opened = load_runs(run, data)
    options["metrics"] = [name for text in options["metrics"] for name in text.split(",")]
    if calibrate:
        screen.note(str(fit(opened, *words, data=data, device=options["device"])))
    evaluation = evaluate(opened, *words, data=data, tell=screen.note, **options)
    found = evaluation.to_dict()
    found |= {"run": ensemble_label(opened), "entry": "+".join(each.entry.name for each in opened)}
    found["trained_on"] = describe_data(opened[0].entry)
    if len(opened) == 1:
        found["weights_sha256"] = opened[0].record.get("weights_sha256")
    if options["views"] != ONE_VIEW:
        found["views"] = options["views"]
    if words:
        found["overrides"] = words
    if data:
        found["data"] = data
    folder = ensemble_results(opened) / "evaluation"
    write_evaluation(screen, folder, found, ensemble_title(opened), evaluation)
    if screen.json:
        return screen.document(found)
    return show_evaluation(screen, found, evaluation, everything=everything)


def describe_data(entry: Entry) -> str:
    """Describe the data of an entry by its kind and, if it has one, its path."""
    path = getattr(entry.data.spec, "path", None)
    return entry.data.name if path is None else f"{entry.data.name} {path}"


def write_evaluation(screen: Screen, folder: Path, found: dict[str, Any], title: str, evaluation: Evaluation) -> None:
    """Write the result and what belongs to it into a folder: pictures, and files of predictions."""
    # An averaged evaluation stands beside that of one pass, which is the one that is published.
    name = "-".join([found["split"], *([found["views"]] if "views" in found else [])])
    found["files"] = [str(folder / f"{name}.json")]
    try:
        refuse_link(folder)
        found["files"] += map(str, write_pictures(folder, name, found, title, evaluation))
        write_json(Path(found["files"][0]), non_finite_to_none(found))
    except (OSError, ResourceError) as error:
        screen.note(f"could not save the evaluation: {error}")
        found["files"] = []


def write_pictures(
    folder: Path, name: str, found: dict[str, Any], title: str, evaluation: Evaluation
) -> Iterator[Path]:
    """Write the confusion matrix, predictions and mistakes of a classifier, or samples of a generator; yield files."""
    from zoo.cli.views.evaluation import draw_confusion, draw_samples

    full = f"{title}: {found['split']} split{averaged_over(found)}"
    if found.get("confusion"):
        path = folder / f"{name}-confusion.png"
        draw_confusion(path, found["confusion"], found["classes"], full)
        yield path
    if evaluation.predictions is not None:
        from zoo.cli.views.predictions import write_split
        from zoo.cli.views.ranking import draw_curves, draw_reliability
        from zoo.evaluation.mistakes import write_mistakes
        from zoo.evaluation.ranking import class_curves

        if found.get("reliability"):
            path = folder / f"{name}-reliability.png"
            draw_reliability(path, found["reliability"], found["metrics"]["calibration_error"], full)
            yield path
        if found.get("ranking"):
            path = folder / f"{name}-roc-pr.png"
            draw_curves(path, class_curves(evaluation.predictions), full)
            yield path
        yield from write_split(evaluation.predictions, folder / f"{name}-predictions")
        page = write_mistakes(evaluation.predictions, folder / f"{name}-mistakes.png", title)
        if page:
            yield page
    if evaluation.gallery is not None:
        yield from draw_samples(folder / f"{found['split']}-samples.png", evaluation.gallery, found["classes"])


def show_evaluation(screen: Screen, found: dict[str, Any], evaluation: Evaluation, *, everything: bool) -> None:
    """Print the result: all figures, or those that matter most and those of the metric kinds that are asked for."""
    from zoo.cli.views.evaluation import show_class_figures, show_classes, show_figures
    from zoo.cli.views.ranking import show_thresholds

    screen.line(f"{found['run']}: {found['pictures']:,} {found['split']} pictures{averaged_over(found)}")
    other = f", evaluated on {found['data']}" if "data" in found else ""
    if found.get("members"):
        screen.line(f"an ensemble of {found['parameters']:,} parameters")
    screen.line(f"entry {found['entry']}, trained on {found['trained_on']}{other}")
    if found.get("judge"):
        screen.line(f"judge: {found['judge']}")
    if said := [f"{key} {format_value(found[key])}" for key in ("guidance", "temperature") if key in found]:
        screen.line(f"samples drawn with {' and '.join(said)}")
    screen.line()
    left_out = show_figures(screen, evaluation, everything=everything)
    if classes := found.get("per_class"):
        show_class_figures(screen, classes, found.get("confusion"), found.get("ranking", {}))
    if found.get("thresholds"):
        show_thresholds(screen, found["thresholds"])
    if classes := found.get("samples_per_class"):
        show_classes(screen, classes)
    if matrix := found.get("confusion"):
        screen.line()
        show_confusion(screen, matrix, found["classes"])
    if wrong := found.get("confusions"):
        screen.line()
        show_worst(screen, wrong, found["classes"])
    for note in [*left_out, *found.get("problems", [])]:
        screen.note(note)
    for path in found["files"]:
        screen.note(f"wrote {path}")


def averaged_over(found: dict[str, Any]) -> str:
    """Say over what the predictions were averaged, to stand at the end of a line; empty if they were not."""
    return f", averaged over {found['averaging']}" if found.get("averaging") else ""


def show_confusion(screen: Screen, matrix: list[list[int]], names: list[str]) -> None:
    """Print the confusion matrix if it fits, otherwise the most frequent confusions."""
    columns = [[names[index], *(str(row[index]) for row in matrix)] for index in range(len(names))]
    corner = "true \\ predicted"
    width = max(map(len, [corner, *names])) + sum(2 + max(map(len, column)) for column in columns)
    if len(names) <= MAX_MATRIX_CLASSES and width <= screen.width:
        rows = [[name, *row] for name, row in zip(names, matrix, strict=True)]
        return screen.table([corner, *names], rows, right=range(1, len(names) + 1))
    return show_worst(screen, confusions(matrix), names)


def show_worst(screen: Screen, wrong: Iterable[Sequence[int]], names: Sequence[str]) -> None:
    """Print the most frequent confusions, equally frequent ones by the names of their classes."""
    named = [(names[true], names[predicted], count) for true, predicted, count in wrong]
    worst = sorted(named, key=lambda item: (-item[2], item[:2]))[:MAX_CONFUSIONS]
    screen.table(["true", "mistaken for", "times"], worst, right=[2])
