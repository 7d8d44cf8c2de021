"""The command `zoo`: the table of its commands, each imported only when it is run."""

from __future__ import annotations

import shutil
import sys
from contextlib import nullcontext, redirect_stdout
from importlib import import_module
from typing import Any

import click

from zoo.cli.console import OutputClosedError
from zoo.cli.usage import TYPED_WORDS, unknown_command
from zoo.core.files import expand_user
from zoo.core.version import __version__

COMMANDS = {
    "list": "List the registry's entries with their best recorded results.",
    "front": "Show which recorded results no other one beats with less.",
    "show": "Show one entry: options, parameters, FLOPs, results.",
    "plugins": "List plugins, what they provide, and which are broken.",
    "inspect": "Inspect data before training: duplicates, leaks, odd pictures.",
    "train": "Train an entry, or resume its unfinished run.",
    "tune": "Tune the options of an entry, or resume its study.",
    "compare": "Train variants of an entry and compare them.",
    "runs": "List, remove and rename runs.",
    "studies": "List studies with their state and best trial.",
    "evaluate": "Evaluate a run on a split, with per-class figures.",
    "report": "Write one page of HTML about a run, a study or a comparison.",
    "predict": "Classify pictures with a trained run.",
    "explain": "Show where in pictures a classifier sees a class.",
    "sample": "Sample pictures from a generator, with or without prompts.",
    "mix": "Sample pictures from one prompt to another in even steps.",
    "edit": "Edit pictures by giving them another text.",
    "score": "Score how likely pictures are under each text.",
    "reconstruct": "Encode and decode pictures, and show both side by side.",
    "interpolate": "Interpolate between two pictures through their codes.",
    "demo": "Try a trained model in the browser.",
    "export": "Export a trained model as ONNX or pt2, checked against the run.",
    "push": "Publish a run as a folder, a .zip file or on the Hugging Face hub.",
    "pull": "Fetch a published run, and verify it.",
    "bench": "Measure training speed, or inference speed, against plain PyTorch.",
    "check": "Check that plugins follow the rules the zoo relies on.",
    "schema": "Print the JSON schema of registry.yaml, for editors.",
    "new-plugin": "Create a plugin package that works out of the box.",
    "cache": "Show the size of the cache, or clean it.",
    "doctor": "Check whether the zoo works here, and what is missing.",
    "completion": "Print a completion script for bash, zsh, fish or PowerShell.",
}
BLOCKED = "zoo.blocked"
"""Key of the context's `meta` for the names that --no-plugin gave."""
WIDTH = max(20, min(shutil.get_terminal_size().columns, 82) - 2)
EPILOG = "Start with: zoo train cnn, then zoo evaluate cnn. Every command has --help."


class LazyGroup(click.Group):
    """A group that lists its commands with their help lines without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the order of the help page."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        if cmd_name not in COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(import_module(f"zoo.cli.commands.{name}"), f"{name}_command")
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Return the command; ZooError with the nearest name for an unknown one."""
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            raise unknown_command(args, COMMANDS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def make_flag(*names: str, help: str) -> click.Option:  # noqa: A002 - click's own name
    """Make a flag that `Screen.from_arguments` reads anywhere on the command line."""
    return click.Option(names, is_flag=True, expose_value=False, help=help)


def block_plugins(context: click.Context, option: click.Parameter, names: tuple[str, ...]) -> None:
    """Block plugins before they are discovered; `main` unblocks them."""
    if names:
        from zoo.registry.catalog import catalog
        from zoo.registry.plugins.blocklist import add_to_blocklist
        from zoo.registry.plugins.discover import known_names

        add_to_blocklist(names, known_names())
        context.meta.setdefault(BLOCKED, []).extend(names)
        catalog.cache_clear()
        context.call_on_close(catalog.cache_clear)


def common_options() -> list[click.Option]:
    """Return the options that every command has."""
    return [
        click.Option(
            ["--no-plugin"],
            multiple=True,
            metavar="NAME",
            expose_value=False,
            callback=block_plugins,
            help="Ignore a plugin, given by name or distribution.",
        ),
        make_flag("--plain", help="No colours, no progress bar."),
        make_flag("--traceback", help="Show the traceback of an error."),
    ]


def expand_home(word: str) -> str:
    """Expand a `~` that shells leave as it is: after `=`, as in `--out=~/runs`, and on Windows everywhere."""
    option, equals, path = word.partition("=") if word.startswith("--") else ("", "", word)
    if not path.startswith(("~/", "~\\")):
        return word
    return f"{option}{equals}{expand_user(path)}"


class Command(click.Command):
    """A command with the common options, and --json if it prints a result."""

    def __init__(self, *args: Any, json: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += [make_flag("--json", help="Print the output as one JSON document.")] if json else []
        self.params += common_options()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words of the command line, which errors quote."""
        ctx.meta[TYPED_WORDS] = [*args]
        try:
            return super().parse_args(ctx, [expand_home(word) for word in args])
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        With --json, prints of libraries go to stderr, so that stdout is one document. A broken pipe is raised under
        another name, since click would turn it into exit code 1.
        """
        try:
            with redirect_stdout(sys.stderr) if ctx.obj.json else nullcontext():
                return super().invoke(ctx)
        except BrokenPipeError:
            raise OutputClosedError from None


@click.pass_context
def help_without_command(ctx: click.Context) -> None:
    """Print the help when no command is given."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


zoo = LazyGroup(
    "zoo",
    help="A model zoo for small pictures: list, train, evaluate and use models by name.",
    epilog=EPILOG,
    params=common_options(),
    callback=help_without_command,
    no_args_is_help=False,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "terminal_width": WIDTH},
)
zoo = click.version_option(__version__, prog_name="pixel-zoo", message="%(prog)s %(version)s")(zoo)
