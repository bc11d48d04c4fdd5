"""Seeds: 25 of them decide an experiment; a row of fewer says what more would cost, as it was measured."""

from collections.abc import Mapping
from typing import Any

from refkan.claims.estimates import ENOUGH, from_plain

WITHOUT_INTERVALS = {
    "H1": 10, "H2": 5, "K3": 5, "A1": 3, "W3": 10, "X2": 7, "O3": 3, "O4": 3, "O8": 3, "O9": 3, "O11": 3,
}  # fmt: skip
"""Rows on trainings and draws that no interval decides, and the fewest seeds of anything that decides them in full."""


def fewer_seeds(kept: Mapping[str, Any]) -> tuple[int, str] | None:
    """Return the fewest seeds of what decides a kept row, and what one costs; None where 25 do, or chance does not."""
    deciding = [e for e in map(from_plain, kept["estimates"]) if e.decides and e.seeds]
    few = min(deciding, key=lambda e: len(e.seeds), default=None)
    if few is not None and len(few.seeds) < ENOUGH:
        return len(few.seeds), few.cost
    seeds = WITHOUT_INTERVALS.get(kept["id"], ENOUGH)
    if seeds >= ENOUGH:
        return None
    seconds = kept["seconds_of_file"]
    more = f"{ENOUGH * seconds / seeds / 60:.0f} minutes"
    return seeds, f"{seeds} took {seconds:.0f} s, {ENOUGH} would take some {more}"


def told_seeds(kept: Mapping[str, Any]) -> str:
    """Tell the page how many seeds decide a row, and what forbids more; nothing where enough do."""
    few = fewer_seeds(kept)
    return "" if few is None else f"Seeds: {few[0]} of the {ENOUGH} that decide an experiment; {few[1]}."
