"""Scores of mutation by room, as docs/trust.md shows them."""

import json
from pathlib import Path

SCORES = Path(__file__).with_name("scores.json")


def keep(room: str, seed: int, outcomes: dict[str, str], path: Path = SCORES) -> None:
    """Keep the score of a room: mutants in force, those that were killed, and the names of those that survived."""
    scores = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    counted = {name: outcome for name, outcome in outcomes.items() if outcome in ("killed", "survived")}
    scores[room] = {
        "seed": seed,
        "mutants": len(counted),
        "killed": sum(outcome == "killed" for outcome in counted.values()),
        "survivors": sorted(name for name, outcome in counted.items() if outcome == "survived"),
    }
    path.write_text(json.dumps(scores, indent=1, sort_keys=True) + "\n", encoding="utf-8")
