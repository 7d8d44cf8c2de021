"""Errors that the command line shows as one line with an exit code."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def one_line(text: str) -> str:
    """Remove line breaks and escape control characters."""
    return escape_controls(" ".join(text.split()))


def printable(text: str) -> str:
    """Escape what UTF-8 cannot hold, such as bytes of a file name in another encoding."""
    return text.encode("utf-8", "backslashreplace").decode()


def printable_lines(text: str) -> str:
    """Escape control characters, except for line breaks."""
    return "\n".join(escape_controls(line.expandtabs()) for line in text.split("\n"))


def escape_controls(text: str) -> str:
    """Escape what is not printable: control characters, and those that reorder a line."""
    return text if text.isprintable() else "".join(c if c.isprintable() else escape(c) for c in text)


def escape(character: str) -> str:
    """Write a character as in a Python string."""
    return character.encode("unicode_escape").decode()


def describe_error(error: BaseException) -> str:
    """Describe an exception in one line, even if its `str` fails."""
    try:
        text = one_line(str(error))
    except Exception:
        text = ""
    return f"{type(error).__name__}{': ' * bool(text)}{text}"[:300]


class ZooError(Exception):
    """A mistake in usage or in a spec; base class of the zoo's errors.

    On the command line such an error is one line, without a traceback, and the exit code `code`.

    Args:
        message: What is wrong; line breaks are removed and control characters escaped.
        hint: What to do about it.

    Example:
        >>> from zoo import ZooError
        >>> error = ZooError("no split 'tset'", "did you mean 'test'?")
        >>> str(error)
        "no split 'tset'; did you mean 'test'?"
        >>> error.code
        2
    """

    code = 2
    name = "usage"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(one_line(message))
        self.hint = one_line(hint)

    def __str__(self) -> str:
        return f"{self.args[0]}; {self.hint}" if self.hint else str(self.args[0])


class JobError(ZooError):
    """The job itself failed, e.g. the training diverged."""

    code = 1
    name = "job"


class DataError(ZooError):
    """An error of the data: pictures are missing, unreadable or of unequal shape.

    Args:
        message: What is wrong.
        hint: What to do about it.

    Example:
        >>> from zoo.core import DataError, ZooError
        >>> error = DataError("there are no train pictures", "check the path")
        >>> isinstance(error, ZooError), error.code
        (True, 3)
    """

    code = 3
    name = "data"


class MissingError(ZooError):
    """An error of the installation: an extra is not installed, or a plugin is broken.

    Args:
        message: What is missing.
        hint: How to install it.

    Example:
        >>> from zoo.core import MissingError
        >>> str(MissingError("timm is not installed", "pip install timm"))
        'timm is not installed; pip install timm'
    """

    code = 4
    name = "missing"


class RunError(ZooError):
    """A run folder is damaged, incomplete or from a newer version."""

    code = 5
    name = "run"


class LockedError(ZooError):
    """Another process is using the folder."""

    code = 6
    name = "locked"


class ResourceError(ZooError):
    """An error of the machine: memory or disk space is exhausted.

    Args:
        message: What is exhausted.
        hint: What to do about it.

    Example:
        >>> from zoo.core import ResourceError
        >>> ResourceError("cannot save weights.safetensors").code
        7
    """

    code = 7
    name = "resources"


class OutOfMemoryError(ResourceError):
    """Memory is exhausted."""


class BudgetError(ZooError):
    """A model has more parameters than its budget allows.

    Args:
        parameters: The number of parameters of the model.
        limit: The largest number allowed.

    Example:
        >>> from zoo.core import BudgetError
        >>> error = BudgetError(parameters=12_000, limit=10_000)
        >>> error.parameters - error.limit
        2000
    """

    name = "budget"

    def __init__(self, parameters: int, limit: int) -> None:
        super().__init__(f"{parameters:,} parameters exceed the budget of {limit:,}")
        self.parameters, self.limit = parameters, limit

    def __reduce__(self) -> tuple[type[BudgetError], tuple[int, int]]:
        return type(self), (self.parameters, self.limit)


class InterruptedRun(ZooError):  # noqa: N818 - not an error, since the user asked for it
    """The run was asked to stop; its state is saved."""

    code = 130
    name = "interrupted"

    def __init__(self, message: str, code: int = 130) -> None:
        super().__init__(message)
        self.code = code


OUT_OF_MEMORY_TEXTS = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")


def as_out_of_memory(error: BaseException) -> OutOfMemoryError | None:
    """Convert an out-of-memory error of any allocator to OutOfMemoryError; None if it is another error."""
    if isinstance(error, OutOfMemoryError):
        return error
    text = one_line(str(error))
    if not isinstance(error, MemoryError) and not (
        isinstance(error, RuntimeError) and any(words in text.lower() for words in OUT_OF_MEMORY_TEXTS)
    ):
        return None
    return OutOfMemoryError(f"out of memory{': ' * bool(text)}{text[:160]}", "try a smaller train.batch or model")


def did_you_mean(name: str, names: Iterable[str], before: str = "") -> str:
    """Make the hint of an error about an unknown name.

    Args:
        name: The unknown name.
        names: The known names.
        before: Text to put before the proposed name, such as a prefix "model.".

    Returns:
        A question with the most similar known name. If none is similar: a list of up to 12 known names, or an empty
        string if there are more or none.

    Example:
        >>> from zoo.core import did_you_mean
        >>> did_you_mean("vaild", ["train", "valid", "test"])
        "did you mean 'valid'?"
        >>> did_you_mean("x", ["train", "valid", "test"])
        'known: test, train, valid'
    """
    known = sorted(set(names))
    if close := get_close_matches(name[:200], known, n=1, cutoff=0.5):
        return f"did you mean {before + close[0]!r}?"
    return f"known: {', '.join(known)}" if 0 < len(known) <= 12 else ""


class ZooDeprecationWarning(FutureWarning):
    """The category of warnings about deprecated names.

    On the command line each of them is shown once, as a note.

    Example:
        >>> from zoo.core import ZooDeprecationWarning
        >>> issubclass(ZooDeprecationWarning, FutureWarning)
        True
    """
