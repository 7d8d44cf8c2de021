"""Developer commands, which CI runs too: `nox --list` lists them, CONTRIBUTING.md describes them."""

from __future__ import annotations

import nox

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "types", "tests", "docs"]


def install(session: nox.Session, extra: str) -> None:
    """Install the zoo with an extra into the environment of a session; with --no-venv it has to be there."""
    if session.venv_backend != "none":
        session.install("-e", f".[{extra}]")


@nox.session
def lint(session: nox.Session) -> None:
    """Check rules and formatting with ruff."""
    install(session, "test")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def format(session: nox.Session) -> None:  # noqa: A001 - the name of the command
    """Fix rules and formatting with ruff."""
    install(session, "test")
    session.run("ruff", "check", "--fix", ".")
    session.run("ruff", "format", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy."""
    install(session, "test")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; arguments after `--` go to pytest."""
    install(session, "test")
    session.run("pytest", "-n", "3", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation into docs/_build; a warning is an error."""
    install(session, "docs")
    session.run("sphinx-build", "-W", "--keep-going", "-b", "html", *session.posargs, "docs", "docs/_build")


@nox.session
def notebooks(session: nox.Session) -> None:
    """Run the notebooks in examples/notebooks."""
    install(session, "test")
    session.run("pytest", "tests/docs/test_notebooks.py", *session.posargs)


@nox.session
def written(session: nox.Session) -> None:
    """Regenerate what is derived from the code: README's table of entries and front, and the tree of packages."""
    install(session, "test")
    session.run("python", "tests/common/entrytable.py", "--write")
    session.run("python", "tests/common/tree.py", "--write")
    session.run("python", "tests/common/frontpicture.py")


@nox.session
def changelog(session: nox.Session) -> None:
    """Move the fragments of changelog.d into CHANGELOG.md; `-- --draft` only prints them."""
    install(session, "dev")
    session.run("towncrier", "build", "--yes", *session.posargs)
