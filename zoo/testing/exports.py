"""The rule of exports: torch.export traces a model, and the program computes the same."""

from __future__ import annotations

from torch.export import ExportedProgram

from zoo.core.errors import ZooError
from zoo.exporting.comparison import MAX_DIFFERENCE, MAX_UNEQUAL, compare
from zoo.exporting.formats import run_traced
from zoo.exporting.programs import Program, programs_of
from zoo.exporting.resizing import Resizing
from zoo.exporting.tracing import trace
from zoo.models.base import Classifier, Model
from zoo.models.generator import Generator
from zoo.testing import toys
from zoo.testing.building import info_for, trained_model_and_batch
from zoo.testing.check import Subject
from zoo.testing.rule import Broken, Inapplicable, require, rule


@rule("model", "prior")
def exports(subject: Subject) -> None:
    """torch.export traces it for batches of any size, and the program gives the same; or a ZooError says why not."""
    model, _ = trained_model_and_batch(subject)
    info = info_for(subject)
    pictures = toys.pictures_of(info)
    for program in find_programs(subject, model, Resizing(*info.shape[1:], "crop"), info.shape[0]):
        found = compare(program, run_traced(trace_or_break(program)), pictures, model)
        require(
            found.max_difference <= MAX_DIFFERENCE and found.unequal <= MAX_UNEQUAL,
            f"the exported {program.name} differs from the model: {found}",
        )


def find_programs(subject: Subject, model: Model, resizing: Resizing, channels: int) -> list[Program]:
    """List the programs that depend on the subject; Inapplicable, with the reason, if it has none."""
    if not isinstance(model, Classifier | Generator):
        raise Inapplicable("it is neither a classifier nor a generator")
    parts = ["sampler"] if subject.family == "prior" else ["encoder", "decoder"]
    try:
        return programs_of(model.eval(), "it", resizing, channels, parts if isinstance(model, Generator) else ())
    except ZooError as error:
        raise Inapplicable(str(error.args[0])) from None


def trace_or_break(program: Program) -> ExportedProgram:
    """Trace a program; Inapplicable if the model itself refuses, Broken if torch.export fails."""
    try:
        return trace(program)
    except ZooError as error:
        if error.__cause__ is None:
            raise Inapplicable(str(error.args[0])) from None
        hint = "write x.shape[0] for len(x), or override prepare_export"
        raise Broken(f"{error.args[0]}; {hint}") from None
