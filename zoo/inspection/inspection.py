"""What an inspection finds in a data set."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from zoo.core.splits import SPLIT_WORDS, SPLITS
from zoo.data.balance import rare_classes
from zoo.data.dataset import Pictures
from zoo.display.grid import DRAWN_CHANNELS

Problem = Literal["unreadable", "duplicate", "blank", "odd", "label"]
PROBLEMS: tuple[Problem, ...] = ("unreadable", "duplicate", "blank", "odd", "label")


class Finding(NamedTuple):
    """One thing to look at; the fields are the columns of `findings.csv`."""

    problem: Problem
    picture: str
    split: str = ""
    label: str = ""
    other: str = ""
    """The picture that shows the same, for a duplicate."""
    other_split: str = ""
    other_label: str = ""
    """Label of that picture, or for a doubtful label the class that a classifier sees."""
    detail: str = ""


@dataclass(frozen=True)
class Inspection:
    """What was found in a data set.

    Attributes:
        data: Data kind and path.
        notes: What was understood of the data, in one line, and what was left out.
        classes: Class names.
        counts: Number of pictures by split and class.
        shape: Channels, height and width of the pictures as a model sees them.
        findings: What to look at.
        groups: Rows of pictures that show the same, among all pictures in the order of the splits.
        pictures: All pictures.
    """

    data: str
    notes: tuple[str, ...]
    classes: tuple[str, ...]
    counts: dict[str, list[int]]
    shape: tuple[int, int, int]
    findings: list[Finding]
    groups: list[list[int]] = field(repr=False)
    pictures: Pictures = field(repr=False)
    splits: list[str] = field(repr=False)
    """The split of each picture."""

    def of(self, problem: Problem) -> list[Finding]:
        """Return the findings of one kind."""
        return [found for found in self.findings if found.problem == problem]

    @property
    def leaks(self) -> list[list[int]]:
        """The groups with pictures of several splits: figures of the test split are too good then."""
        return [group for group in self.groups if len({self.splits[row] for row in group}) > 1]

    @property
    def conflicts(self) -> list[list[int]]:
        """The groups with several labels, of which at most one is right."""
        return [group for group in self.groups if len(set(self.pictures.y[group].tolist())) > 1]

    @property
    def rare_classes(self) -> list[str]:
        """Classes whose training pictures are at least five times rarer than those of the most frequent class."""
        return [self.classes[label] for label in rare_classes(self.counts["train"])]

    def summary(self) -> list[str]:
        """Say in a line each what was found, and what to do about it."""
        return list(filter(None, (self.say_duplicates(), *self.say_groups(), *self.say_pictures(), self.say_balance())))

    def say_duplicates(self) -> str:
        """Describe the pictures that show the same."""
        if not self.groups:
            return "duplicates: none"
        kinds = Counter(found.detail for found in self.of("duplicate"))
        rows, groups = sum(map(len, self.groups)), len(self.groups)
        what = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
        return f"duplicates: {rows:,} pictures in {groups:,} group{'s' * (groups != 1)} ({what}); keep one of each"

    def say_groups(self) -> list[str]:
        """Describe leaks between splits, and labels that contradict each other."""
        found = []
        if leaks := self.leaks:
            some = "group" if len(leaks) == 1 else "groups"
            held_out = {self.splits[row] for group in leaks for row in group} - {"train"}
            words = " and ".join(SPLIT_WORDS[split] for split in SPLITS if split in held_out)
            found.append(
                f"leak: {len(leaks):,} {some} in several splits; the {words} figures are too good because of them"
            )
        if conflicts := self.conflicts:
            rows = sum(map(len, conflicts))
            found.append(f"contradictions: {rows:,} pictures show the same under different labels; correct them")
        return found

    def say_pictures(self) -> list[str]:
        """Describe single pictures that should be looked at."""
        drawn = self.shape[0] in DRAWN_CHANNELS
        texts = {
            "unreadable": "that could not be read, left out",
            "blank": "of one colour; delete what shows nothing",
            "odd": f"unlike all others; see {'odd.png' if drawn else 'findings.csv'}",
            "label": f"with a doubtful label; see {'labels.png' if drawn else 'findings.csv'}",
        }
        found = {problem: self.of(problem) for problem in PROBLEMS if problem in texts}
        return [
            f"{problem}: {len(rows):,} picture{'s' * (len(rows) != 1)} {texts[problem]}"
            for problem, rows in found.items()
            if rows
        ]

    def say_balance(self) -> str:
        """Describe how evenly the classes occur."""
        counts = self.counts["train"]
        if len(counts) < 2:
            return ""
        low, high = min(counts), max(counts)
        if not (rare := self.rare_classes):
            return f"balance: {low:,} to {high:,} training pictures a class"
        named = ", ".join(rare[:5]) + (f" and {len(rare) - 5} more" if len(rare) > 5 else "")
        advice = "add pictures, or set train.balance=logit-adjustment"
        return f"balance: {low:,} to {high:,} training pictures a class; rare: {named}; {advice}"

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        counts = {split: dict(zip(self.classes, each, strict=True)) for split, each in self.counts.items()}
        about: dict[str, Any] = {"data": self.data, "notes": list(self.notes), "classes": list(self.classes)}
        about |= {"pictures": counts, "shape": list(self.shape), "summary": self.summary()}
        about |= {"leaks": len(self.leaks), "contradictions": len(self.conflicts)}
        found: dict[str, Any] = {problem: len(self.of(problem)) for problem in PROBLEMS}
        return about | {"found": found, "findings": [finding._asdict() for finding in self.findings]}
