"""What was asked of the library's speed, read from `targets.toml`, and whether a record meets it.

A target names a case of a row by its parameters, the contestants of whom the fastest counts (the one of least median
time in that case), and a number. What is measured is the median over rounds of their time over ours, taken within each
round; for some targets seconds or megabytes.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from refkan.base import Frozen
from validation.benchmarks.running.harness import Parameters
from validation.benchmarks.running.record import CaseData, EntryData, cases


class Target(Frozen, eq=True):
    """One number that was asked for, of the case of a row that has the parameters `where`.

    `group` and `point` name it in the table, `against` are contestants, of whom the fastest counts. `quantity` is
    "ratio" (theirs over ours), or "seconds" or "megabytes" of the contestant itself.
    """

    group: str
    point: str
    row: str
    where: Parameters
    against: tuple[str, ...]
    asked: float
    at_least: bool = True
    quantity: str = "ratio"

    def fits(self, row: str, parameters: Mapping[str, Any]) -> bool:
        """Whether a case of a row is the one that is meant."""
        return row == self.row and self.where.items() <= parameters.items()


class Outcome(Frozen, eq=True):
    """What a record says of a target: `measured` as in the record (median, quartiles), None if it holds no such time.

    `fastest` is the contestant that was compared with; `missing` are those that have no time, with the reason.
    """

    target: Target
    measured: Mapping[str, Any] | None = None
    fastest: str = ""
    missing: tuple[str, ...] = ()

    @property
    def met(self) -> bool | None:
        """Whether the median is on the side that was asked; None if nothing was measured."""
        if self.measured is None:
            return None
        median = self.measured["median"]
        return bool(median >= self.target.asked if self.target.at_least else median <= self.target.asked)


def read(text: str) -> Iterator[Target]:
    """Return the targets of a file of groups: what a group says holds for each number asked in it."""
    for group in tomllib.loads(text)["group"]:
        for asked in group["asked"]:
            at_least = "at_least" in asked
            yield Target(
                group["name"],
                asked.get("point", ""),
                group["row"],
                group.get("where", {}) | asked.get("where", {}),
                tuple(asked.get("against", group.get("against"))),
                asked["at_least" if at_least else "at_most"],
                at_least,
                group.get("quantity", "ratio"),
            )


TARGETS = tuple(read(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")))


def judge(document: Mapping[str, Any], targets: tuple[Target, ...] = TARGETS) -> list[Outcome]:
    every = [*cases(document)]
    return [_outcome(target, [c for row, c in every if target.fits(row, c["parameters"])]) for target in targets]


def _outcome(target: Target, fitting: Sequence[CaseData]) -> Outcome:
    if len(fitting) > 1:
        raise ValueError(f"target {target.group}, {target.point}: must name one case; got {len(fitting)}")
    if not fitting:
        return Outcome(target)
    entries = {entry["name"]: entry for entry in fitting[0]["entries"]}
    rivals = [entries[name] for name in target.against if name in entries]
    timed = [entry for entry in rivals if _number(target, entry) is not None]
    missing = tuple(f"{e['name']} ({e.get('reason', e['status'])})" for e in rivals if e not in timed)
    missing += tuple(f"{name} (no contestant)" for name in target.against if name not in entries)
    if not timed:
        return Outcome(target, missing=missing)
    fastest = min(timed, key=lambda entry: float(entry["seconds"]["median"]))
    return Outcome(target, _number(target, fastest), fastest["name"], missing)


def _number(target: Target, entry: EntryData) -> Mapping[str, Any] | None:
    """Return what a target compares: median and quartiles, for megabytes the largest of all rounds."""
    key = {"ratio": "theirs_over_ours", "seconds": "seconds", "megabytes": "megabytes"}[target.quantity]
    number = entry.get(key)
    return {"median": number, "quartiles": [number, number]} if isinstance(number, float | int) else number
