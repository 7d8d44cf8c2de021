"""`zoo tune`."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from zoo.cli.app import BLOCKED, Command
from zoo.cli.console import Screen
from zoo.cli.options import DATA, NAME, OVERRIDES, REGISTRY, TRACK, read_words
from zoo.cli.views.study import show_failures, show_study, study_document
from zoo.cli.views.study_progress import study_callback
from zoo.core.errors import JobError, ZooError
from zoo.registry.data_source import with_data
from zoo.tuning.gain import confirming_left
from zoo.tuning.study import Study, short_path

LOCAL_REGISTRY = Path("registry.yaml")
"""The registry that --save-as writes to."""
NUMBER = r"([0-9]*\.?[0-9]+)"
TIME = re.compile(rf"(?:{NUMBER}h)?(?:{NUMBER}m)?(?:{NUMBER}s)?")
SIZE = re.compile(rf"{NUMBER}([kMG]?)")
MAX_VALUE = 10**12
RESET = {"name", "overrides", "fresh", "trials", "seconds", "save_as", "study"}
"""Parameters that the command for more trials does not repeat unchanged."""


class Duration(click.ParamType[float]):
    """Seconds, minutes and hours: 90, 90s, 30m, 2h, 1.5h, 1h30m."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Convert a duration to seconds."""
        text = f"{value}s" if re.fullmatch(NUMBER, value) else value
        if match := TIME.fullmatch(text):
            seconds = sum(float(part) * unit for part, unit in zip(match.groups("0"), (3600, 60, 1), strict=True))
            if 0 < seconds < MAX_VALUE:
                return seconds
        return self.fail(f"{value!r} is not a time above 0; write 90s, 30m, 1.5h or 1h30m", param, ctx)


class Count(click.ParamType[int]):
    """A number of parameters or FLOPs: 900000, 900k, 1.5M, 2G."""

    name = "count"

    def __init__(self, what: str = "parameters") -> None:
        self.what = what

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Convert a number with a suffix to an integer."""
        if match := SIZE.fullmatch(value.replace(",", "")):
            count = round(float(match[1]) * {"": 1, "k": 1000, "M": 10**6, "G": 10**9}[match[2]])
            if 1 <= count < MAX_VALUE:
                return count
        return self.fail(f"{value!r} is not a number of {self.what}; write 900000, 900k or 1.5M", param, ctx)


@click.command("tune", cls=Command)
@NAME
@OVERRIDES
@DATA
@click.option(
    "--trials", type=click.IntRange(1), metavar="N", help="Number of trials in the study, including earlier ones."
)
@click.option("--time", "seconds", type=Duration(), metavar="TIME", help="Stop after 90s, 30m, 1.5h or 1h30m.")
@click.option(
    "--objective", metavar="WHAT", help="A figure such as loss or accuracy; efficiency, fewest-parameters or pareto."
)
@click.option("--bound", type=float, metavar="X", help="Largest loss accepted by fewest-parameters.")
@click.option("--max-params", type=Count(), metavar="N", help="Refuse larger models: 900000, 900k or 1.5M.")
@click.option("--max-flops", type=Count("FLOPs"), metavar="N", help="Refuse models with more FLOPs per picture: 20M.")
@click.option(
    "--max-latency",
    type=click.FloatRange(0, min_open=True),
    metavar="MS",
    help="Refuse models whose forward pass for one picture takes longer here, in milliseconds.",
)
@click.option("--fresh", is_flag=True, help="Start a new study even if there is one.")
@click.option("--name", "study", metavar="STUDY", help="Name of the study; default NAME-study.")
@click.option("--from", "from_study", metavar="STUDY", help="Begin with the best trials of an older study.")
@click.option("--confirm", is_flag=True, help="Train the best two and the entry with two more seeds at the end.")
@click.option("--address", metavar="ADDRESS", help="A Ray cluster: auto, host:port or ray://host:port.")
@click.option("--storage", metavar="DIR", help="Folder for studies, on a shared disk for a cluster; default runs.")
@click.option(
    "--parallel", type=click.IntRange(1), metavar="N", help="Trials to run in parallel; default as many as fit."
)
@click.option("--device", default="auto", metavar="DEVICE", help="Device: auto, cpu, cuda or mps.")
@click.option("--save-as", metavar="NAME", help="Save the best trial as entry NAME in ./registry.yaml.")
@TRACK
@REGISTRY
@click.pass_context
def tune_command(
    context: click.Context,
    /,
    name: str,
    overrides: tuple[str, ...],
    data: str | None,
    save_as: str | None,
    seconds: float | None,
    **options: Any,
) -> int:
    """Tune the options of an entry, or resume its unfinished study.

    KEY=VALUE fixes an option for all trials, e.g. train.epochs=10, or sets how to search, e.g. tune.sampler=random.
    `zoo show NAME --options` lists what is searched. zoo evaluate and zoo predict accept a study's folder and use its
    best run.
    """
    from zoo.tuning.tune import tune

    screen: Screen = context.obj
    words = with_data(*read_words(screen, data, overrides))
    if save_as:
        from zoo.tuning.save_as import check_free

        check_free(LOCAL_REGISTRY, save_as)
    try:
        with study_callback(screen, seconds) as callback:
            study = tune(name, *words, seconds=seconds, callback=callback, **options)
    except JobError as error:
        if isinstance(failed := getattr(error, "study", None), Study):
            show_failures(screen, failed)
        raise
    files = [*write_plots(screen, study), *write_samples(screen, study, options["device"])]
    if not screen.json:
        show_study(screen, study, options["confirm"])
    code = save_entry(screen, study, save_as) if save_as else 0
    files += [str(LOCAL_REGISTRY)] if save_as and not code else []
    if screen.json:
        screen.document(study_document(study) | {"files": files})
        return code
    for path in files:
        screen.note(f"wrote {path}")
    show_next_steps(screen, study, context)
    return code


def write_plots(screen: Screen, study: Study) -> list[str]:
    """Draw the plots; an error becomes a note."""
    from zoo.cli.views.plots import draw_plots

    try:
        return [short_path(path) for path in draw_plots(study)]
    except (ZooError, OSError, ValueError, ImportError, ArithmeticError) as error:
        screen.note(f"could not draw the plots: {error}")
        return []


def write_samples(screen: Screen, study: Study, device: str) -> list[str]:
    """Sample a page from the best trial if it is a generator; an error becomes a note."""
    from zoo.generation.sample import sample

    if not study.best or "prior" not in study.entry:
        return []
    path = study.path / "samples.png"
    try:
        sample(study.best.run, device=device).save(path)
    except (ZooError, OSError, RuntimeError, ValueError) as error:
        screen.note(f"could not draw samples: {error}")
        return []
    return [short_path(path)]


def save_entry(screen: Screen, study: Study, name: str) -> int:
    """Save the best trial as an entry, and return the exit code, since the results are shown in any case."""
    from zoo.tuning.save_as import save_as

    try:
        save_as(LOCAL_REGISTRY, name, study)
    except ZooError as error:
        screen.note(f"error: could not save {name}: {error}")
        return error.code
    screen.note(f"saved as entry {name}; train it with: zoo train {name}")
    return 0


def show_next_steps(screen: Screen, study: Study, context: click.Context) -> None:
    """Print commands to continue with."""
    if study.best:
        screen.note(f"next: zoo evaluate {shlex.quote(short_path(study.best.run))}")
    left, planned = confirming_left(study) if context.params["confirm"] and study.state == "done" else (0, 0)
    more = repeat_command(study, context, study.spec.trials * (2 if study.state == "done" and not left else 1))
    if left:
        screen.note(f"{left} of {planned} trainings with more seeds are left; resume with: {more}")
    else:
        screen.note(f"for more trials: {more}" if study.state == "done" else f"resume with: {more}")


def repeat_command(study: Study, context: click.Context, trials: int) -> str:
    """Return the command that resumes the study, with this number of trials."""
    given = context.params
    words = ["zoo", "tune", given["name"], *given["overrides"]]
    for param in context.command.params:
        value = tuple(context.meta.get(BLOCKED, ())) if param.name == "no_plugin" else given.get(str(param.name))
        if param.name in RESET or context.get_parameter_source(str(param.name)) is not ParameterSource.COMMANDLINE:
            continue
        for each in value if isinstance(value, tuple) else [value]:
            flagged = isinstance(param, click.Option) and param.is_flag
            words += [param.opts[0]] if flagged else [param.opts[0], str(each)]
    if given["study"] or given["fresh"]:  # repeating --fresh would not resume this study
        words += ["--name", study.name]
    return shlex.join([*words, "--trials", str(trials)])
