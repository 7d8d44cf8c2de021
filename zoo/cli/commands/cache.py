"""`zoo cache`: the size of the cache by kind, and its cleaning."""

from __future__ import annotations

import click

from zoo.cli.app import Command
from zoo.cli.cache_contents import KEPT, KINDS, cache_contents, clean
from zoo.cli.console import Screen
from zoo.core.errors import ZooError
from zoo.core.files import cache_dir
from zoo.display.format import format_bytes


@click.command("cache", cls=Command)
@click.argument("action", type=click.Choice(["show", "clean"]), default="show", required=False)
@click.argument("kinds", metavar="[KIND]...", type=click.Choice(list(KINDS)), nargs=-1)
@click.pass_obj
def cache_command(screen: Screen, /, action: str, kinds: tuple[str, ...]) -> None:
    """Show the size of the cache by kind, or clean it.

    `zoo cache clean` deletes what the zoo can make again, and `zoo cache clean KIND...` only these kinds; downloaded
    data are deleted only if named. Files that are not the zoo's are left alone.
    """
    if action == "show":
        if kinds:
            raise ZooError("zoo cache show takes no kinds", f"to delete these: zoo cache clean {' '.join(kinds)}")
        return show(screen)
    return clean_kinds(screen, list(dict.fromkeys(kinds)) or [kind for kind in KINDS if kind != KEPT])


def show(screen: Screen) -> None:
    """Print the size of each kind."""
    found = cache_contents()
    total = sum(each.bytes for each in found.values())
    if screen.json:
        kinds = {kind: each.to_dict() for kind, each in found.items()}
        return screen.document({"folder": str(cache_dir()), "kinds": kinds, "bytes": total})
    rows = [(kind, KINDS[kind].summary, len(each.paths), format_bytes(each.bytes)) for kind, each in found.items()]
    count = sum(len(each.paths) for each in found.values())
    screen.table(["kind", "what it is", "count", "size"], [*rows, ("total", "", count, format_bytes(total))], [2, 3])
    screen.note(f"in {cache_dir()}; to clean it: zoo cache clean")
    return None


def clean_kinds(screen: Screen, kinds: list[str]) -> None:
    """Delete what the cache has of some kinds, and print how much that was."""
    removed, problems = {}, []
    for kind, found in cache_contents(kinds).items():
        removed[kind], kept = clean(found)
        problems += kept
    total = sum(each.bytes for each in removed.values())
    if screen.json:
        kinds_removed = {kind: each.to_dict() for kind, each in removed.items()}
        return screen.document({"removed": kinds_removed, "bytes": total, "problems": problems})
    for kind, each in removed.items():
        if each.paths:
            screen.line(f"{kind}: deleted {len(each.paths)}, {format_bytes(each.bytes)}")
    screen.line(f"freed {format_bytes(total)} in {cache_dir()}")
    for problem in problems:
        screen.note(problem)
    return None
