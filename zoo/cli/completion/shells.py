"""Answers to a shell that completes, from names kept in the cache: a key press must import nothing heavy."""

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

VARIABLE = "_ZOO_COMPLETE"
"""The environment variable by which a shell asks: bash_complete and the like."""
LINE = "zoo completion powershell | Out-String | Invoke-Expression"
PROFILE = f"# Completion of `zoo` in PowerShell: put  {LINE}  into $PROFILE\n"


def packaged(shell: str) -> str:
    """A script that comes with the zoo."""
    return files("zoo.cli.completion").joinpath("shells", f"zoo.{shell}").read_text(encoding="utf-8")


class Bash(BashComplete):
    """Bash cuts words at `=` and `:`, which are within a word here, and replaces only what follows them."""

    def source(self) -> str:
        """The script."""
        return packaged("bash")

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words of the line up to the cursor; those that bash cut where there is no line."""
        if (line := os.environ.get("COMP_LINE")) is None:
            return super().get_completion_args()
        words = split_arg_string(line)[1:]
        return (words, "") if line[-1:].isspace() else (words[:-1], words[-1] if words else "")

    def complete(self) -> str:
        """Values without what stands before the last `=` or `:`, if bash cuts there."""
        args, incomplete = self.get_completion_args()
        breaks = set(os.environ.get("COMP_WORDBREAKS", "")) & set("=:")
        cut = max((incomplete.rfind(mark) + 1 for mark in breaks), default=0)
        items = self.get_completions(args, incomplete)
        return "\n".join(f"{item.type},{item.value[cut:] if item.type == 'plain' else ''}" for item in items)


class Zsh(ZshComplete):
    """Zsh quotes by itself."""

    def source(self) -> str:
        """The script."""
        return packaged("zsh")

    def format_completion(self, item: CompletionItem[str]) -> str:
        """Three lines."""
        return f"{item.type}\n{item.value}\n{' '.join((item.help or '_').split())}"


class Fish(FishComplete):
    """Fish quotes by itself."""

    def source(self) -> str:
        """The script."""
        return packaged("fish")


class PowerShell(PowerShellComplete):
    """PowerShell inserts what it is given."""

    PLAIN: ClassVar[frozenset[str]] = frozenset("._-:/=\\+")
    QUOTES: ClassVar[re.Pattern[str]] = re.compile("['\u2018-\u201b]")
    """All that PowerShell takes for a single quote; two of them stand for one within quotes."""

    def source(self) -> str:
        """The script."""
        return PROFILE + super().source()

    def format_completion(self, item: CompletionItem[str]) -> str:
        """Three lines, the value quoted where it must be."""
        if not all(mark.isalnum() or mark in self.PLAIN for mark in item.value):
            doubled = self.QUOTES.sub(r"\g<0>\g<0>", item.value)
            item = CompletionItem(f"'{doubled}'", item.type, item.help)
        return super().format_completion(item)


CLASSES: dict[str, type[ShellComplete]] = {"bash": Bash, "zsh": Zsh, "fish": Fish, "powershell": PowerShell}


def script(shell: str) -> str:
    """What a shell reads to complete `zoo`."""
    return CLASSES[shell](click.Group("zoo"), {}, "zoo", VARIABLE).source()


def answer(instruction: str) -> int:
    """Print what may stand at the cursor; nothing, and exit code 1, whatever goes wrong."""
    shell, _, what = instruction.partition("_")
    try:
        if what == "source":
            text = script(shell)
        else:
            from zoo.cli.completion.parameters import skeleton

            extra: dict[str, Any] = {}
            text = CLASSES[shell](skeleton(), extra, "zoo", VARIABLE).complete()
        click.echo(text.encode())  # bytes, since Windows would end lines in a way that shells do not
    except BaseException:  # a traceback in the middle of a command line helps nobody
        return 1
    return 0
