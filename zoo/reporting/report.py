"""`zoo.report`: write one self-contained page of HTML about a run, a study or a comparison."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zoo.core.errors import ZooError
from zoo.core.files import expand_user, write_text
from zoo.core.notes import Tell, ignore
from zoo.core.trust import refuse_link
from zoo.evaluation.compare.folder import is_comparison
from zoo.evaluation.compare.reopen import open_comparison
from zoo.reporting.blocks import Page
from zoo.runs.find import load
from zoo.runs.names import ROOT
from zoo.runs.run import Run
from zoo.tuning.study_folder import is_study, open_study

FILE = "report.html"


def report(
    what: Run | str | Path,
    out: str | Path | None = None,
    device: str = "auto",
    tell: Tell = ignore,
) -> Path:
    """Write one page of HTML about a run, a study or a comparison.

    The page needs no other file and no network. A run shows its curves, its evaluations and, for a generator, samples;
    a study its history, its front and what mattered; a comparison its table.

    Args:
        what: A run, its folder, a name below `runs`, an entry (meaning its newest finished run), a study or a
            comparison.
        out: The file to write; by default `report.html` in the folder of what is reported.
        device: Where a generator's samples are made: "cpu", "cuda", "cuda:1", "mps", or "auto" for the fastest.
        tell: Called with a message for each thing that could not be shown.

    Returns:
        The file that was written.

    Raises:
        ZooError: If there is no such run, study or comparison, or the name of the file does not end in .html.
        RunError: If its folder is damaged.
        ResourceError: If the file cannot be written.

    Example:
        >>> import zoo
        >>> zoo.report("cnn")  # doctest: +SKIP
        PosixPath('runs/cnn-1/report.html')
    """
    target = None if out is None else expand_user(out)
    if target is not None:
        check_html(target)
    page, folder = find_page(what, device, tell)
    path = folder / FILE if target is None else target
    if out is None:
        refuse_link(folder)
    from zoo.reporting.page import render

    write_text(path, render(page), follow_link=out is not None)
    return path


def check_html(path: Path) -> None:
    """Raise ZooError, before anything is computed, for a name that does not end in .html."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise ZooError(f"the report is HTML, so the name {str(path)[:80]!r} must end in .html")
    if path.is_dir():
        raise ZooError(f"{path} is a folder", "name a file")


def find_page(what: Run | str | Path, device: str, tell: Tell) -> tuple[Page, Path]:
    """Return the page about something, and the folder it belongs to."""
    for path in [] if isinstance(what, Run) else [expand_user(what), ROOT / what]:
        if has(is_study, path):
            from zoo.reporting.study_page import study_page

            return study_page(open_study(path), tell), path
        if has(is_comparison, path):
            from zoo.reporting.comparison_page import comparison_page

            return comparison_page(open_comparison(path)), path
    from zoo.reporting.run_page import run_page

    run = load(what)
    return run_page(run, device, tell), run.results


def has(test: Callable[[Path], bool], path: Path) -> bool:
    """Return whether a folder, whose name may be any text, passes a test."""
    try:
        return test(path)
    except (OSError, ValueError):
        return False
