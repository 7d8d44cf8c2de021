"""`zoo check`."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from itertools import groupby

import click

from zoo.cli.app import Command
from zoo.cli.console import Screen
from zoo.cli.options import refuse_typed
from zoo.core.errors import JobError
from zoo.testing.check import Finding, checks_of
from zoo.testing.rule import rules


@click.command("check", cls=Command)
@click.argument("subject", metavar="[PLUGIN|KIND]", required=False)
@click.argument("options", metavar="[KEY=VALUE]...", nargs=-1)
@click.option("--rules", "only_rules", is_flag=True, help="Only list the rules.")
@click.pass_obj
def check_command(screen: Screen, /, subject: str | None, options: tuple[str, ...], only_rules: bool) -> None:
    """Check that plugins follow the rules the zoo relies on.

    Give a plugin (all its kinds) or one kind, e.g. acme:depthwise; by default everything installed is checked.
    KEY=VALUE sets an option of the kind, e.g. zoo check folder path=my-pictures
    """
    if only_rules:
        refuse_typed("subject", "on the list of rules", "drop --rules to check it")
        rows = [(rule.name, ", ".join(sorted(rule.families)), rule.text) for rule in rules()]
        if screen.json:
            return screen.document(
                {"rules": [dict(zip(("rule", "families", "text"), row, strict=True)) for row in rows]}
            )
        return screen.table(["rule", "applies to", "requirement"], rows)
    found: list[Finding] = []
    for each, those in groupby(checks_of(subject, *options), lambda check: check.subject):
        screen.note(f"checking {each}")
        found += [check.find() for check in those]
    report(screen, found)
    return None


def report(screen: Screen, found: list[Finding]) -> None:
    """Print the findings of each subject and the totals; exit with JobError's code if a rule is broken."""
    counts = Counter(finding.state for finding in found)
    ran = counts["holds"] + counts["broken"]
    total = {"ran": ran, "holds": counts["holds"], "broken": counts["broken"], "not_run": counts["not run"]}
    if screen.json:
        screen.document({"findings": [asdict(finding) for finding in found], **total})
    else:
        table(screen, found)
        beside = counts["does not apply"]
        screen.line(
            f"{ran} rules ran: {counts['holds']} passed, {counts['broken']} broken; "
            f"{counts['not run']} could not be run, {beside} do not apply"
        )
    if counts["broken"]:
        raise click.exceptions.Exit(JobError.code)


def table(screen: Screen, found: list[Finding]) -> None:
    """Print a row per subject, then a line per rule that is broken or was not run."""
    subjects: dict[tuple[str, str], list[Finding]] = {}
    for finding in found:
        subjects.setdefault((finding.subject, finding.family), []).append(finding)
    rows = []
    for (subject, family), those in subjects.items():
        states = Counter(finding.state for finding in those)
        rows.append((subject, family, *(states[state] or "" for state in ("holds", "broken", "not run"))))
    screen.table(["subject", "family", "passed", "broken", "not run"], rows, right=[2, 3, 4])
    for finding in found:
        if finding.state in {"broken", "not run"}:
            screen.line(
                f"{finding.subject}: {finding.rule} {'is ' * (finding.state == 'broken')}{finding.state}: {finding.why}"
            )
