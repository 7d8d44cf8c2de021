"""Completion for shells, from cached names: a key press must not import anything heavy."""

from __future__ import annotations

import os
import re
from importlib.resources import files
from typing import Any, ClassVar

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    PowerShellComplete,
    ShellComplete,
    ZshComplete,
    split_arg_string,
)

COMPLETE_VARIABLE = "_ZOO_COMPLETE"
"""Environment variable with the shell's request, e.g. bash_complete."""
POWERSHELL_COMMAND = "zoo completion powershell | Out-String | Invoke-Expression"
POWERSHELL_HINT = f"# Completion of `zoo` in PowerShell: put  {POWERSHELL_COMMAND}  into $PROFILE\n"


def read_script(shell: str) -> str:
    """Read a completion script that is part of the package."""
    return files("zoo.cli.completion").joinpath("shells", f"zoo.{shell}").read_text(encoding="utf-8")


class Bash(BashComplete):
    """Completion for bash, which splits words at `=`, `:` and `@`, and replaces only the part after them."""

    def source(self) -> str:
        """Return the script."""
        return read_script("bash")

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words of the line up to the cursor; without COMP_LINE, the words as bash split them."""
        if (line := os.environ.get("COMP_LINE")) is None:
            return super().get_completion_args()
        words = split_arg_string(line)[1:]
        return (words, "") if line[-1:].isspace() else (words[:-1], words[-1] if words else "")

    def complete(self) -> str:
        """Return the values, without the part before the last `=`, `:` or `@` if bash splits there."""
        args, incomplete = self.get_completion_args()
        breaks = set(os.environ.get("COMP_WORDBREAKS", "")) & set("=:@")
        cut = max((incomplete.rfind(mark) + 1 for mark in breaks), default=0)
        items = self.get_completions(args, incomplete)
        return "\n".join(f"{item.type},{item.value[cut:] if item.type == 'plain' else ''}" for item in items)


class Zsh(ZshComplete):
    """Completion for zsh, which quotes values itself."""

    def source(self) -> str:
        """Return the script."""
        return read_script("zsh")

    def format_completion(self, item: CompletionItem[str]) -> str:
        """Format a value as three lines: type, value and help."""
        return f"{item.type}\n{item.value}\n{' '.join((item.help or '_').split())}"


class Fish(FishComplete):
    """Completion for fish, which quotes values itself."""

    def source(self) -> str:
        """Return the script."""
        return read_script("fish")


class PowerShell(PowerShellComplete):
    """Completion for PowerShell, which inserts values unquoted."""

    PLAIN: ClassVar[frozenset[str]] = frozenset("._-:/=\\+")
    QUOTES: ClassVar[re.Pattern[str]] = re.compile("['\u2018-\u201b]")
    """All characters that PowerShell treats as a single quote; inside quotes they are doubled."""

    def source(self) -> str:
        """Return the script."""
        return POWERSHELL_HINT + super().source()

    def format_completion(self, item: CompletionItem[str]) -> str:
        """Format a value as click does, quoted if needed."""
        if not all(mark.isalnum() or mark in self.PLAIN for mark in item.value):
            doubled = self.QUOTES.sub(r"\g<0>\g<0>", item.value)
            item = CompletionItem(f"'{doubled}'", item.type, item.help)
        return super().format_completion(item)


CLASSES: dict[str, type[ShellComplete]] = {"bash": Bash, "zsh": Zsh, "fish": Fish, "powershell": PowerShell}


def completion_script(shell: str) -> str:
    """Return the script that enables completion of `zoo` in a shell."""
    return CLASSES[shell](click.Group("zoo"), {}, "zoo", COMPLETE_VARIABLE).source()


def print_completions(instruction: str) -> int:
    """Print the completions at the cursor; on any error print nothing and return exit code 1."""
    shell, _, what = instruction.partition("_")
    try:
        if what == "source":
            text = completion_script(shell)
        else:
            from zoo.cli.completion.parameters import make_group

            extra: dict[str, Any] = {}
            text = CLASSES[shell](make_group(), extra, "zoo", COMPLETE_VARIABLE).complete()
        click.echo(text.encode())  # bytes, since text would have Windows line ends
    except BaseException:  # no traceback in the middle of a command line
        return 1
    return 0
