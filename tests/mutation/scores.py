"""Scores of mutation by room, as docs/trust.md shows them."""

import json
from pathlib import Path

SCORES = Path(__file__).with_name("scores.json")


def keep(room: str, seed: int, outcomes: dict[str, str], path: Path = SCORES) -> None:
    """Keep the score of a room: its mutants, those that were killed, and the names of those that survived.

    A mutant of which other code was loaded is no mutant; one that no test imports survives.
    """
    scores = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    counted = {name: outcome for name, outcome in outcomes.items() if not outcome.startswith("not in force")}
    scores[room] = {
        "seed": seed,
        "mutants": len(counted),
        "killed": sum(outcome == "killed" for outcome in counted.values()),
        "survivors": sorted(survivor(name, outcome) for name, outcome in counted.items() if outcome != "killed"),
    }
    path.write_text(json.dumps(scores, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def survivor(name: str, outcome: str) -> str:
    """Return the name of a survivor, and why its survival is no wonder."""
    _, _, reason = outcome.partition(", ")
    return f"{name} ({reason})" if reason else name
