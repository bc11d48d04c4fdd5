"""What soaks have run so far: counts, failures, and the largest error over its bound of each line of docs/trust.md."""

import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

RECORD = Path(__file__).with_name("record.json")


@dataclass
class Record:
    """Counts over all rounds; a round runs each file once, with a seed of its own."""

    seed: int
    round: int = 0
    done: list[str] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    hours: float = 0.0
    draws: int = 0
    cases: int = 0
    laws: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    unfinished: dict[str, int] = field(default_factory=dict)
    largest: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, seed: int | None = None) -> "Record":
        """Read a record, or begin one with a seed."""
        if path.exists():
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        first = secrets.randbits(31) if seed is None else seed
        return cls(first, seeds=[first])

    def write(self, path: Path) -> None:
        """Write the record under a temporary name, and rename it."""
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        temporary.replace(path)

    def next_round(self) -> None:
        """Begin a round with the next seed."""
        self.round += 1
        self.seed += 1
        self.seeds.append(self.seed)
        self.done = []

    def add(self, file: str, lines: list[dict], seconds: float, finished: bool) -> None:
        """Add what the draws of a file reported."""
        self.done.append(file)
        self.hours += seconds / 3600
        if not finished:
            self.unfinished[file] = self.unfinished.get(file, 0) + 1
        for line in lines:
            self.draws += 1
            self.cases += line["cases"]
            if line["law"] not in self.laws:
                self.laws.append(line["law"])
            if line["failure"]:
                self.failures.append(f"{line['case']} seed {line['seed']}")
            for quantity, ratio in line["ratios"]:
                self.add_ratio(quantity, ratio, line)

    def add_ratio(self, quantity: str, ratio: float, line: dict) -> None:
        """Count a measured error, and keep it if it is the largest."""
        entry = self.largest.setdefault(quantity, {"ratio": 0.0, "draws": 0, "case": "", "seed": 0})
        entry["draws"] += 1
        if not ratio <= entry["ratio"]:
            entry |= {"ratio": ratio, "case": line["case"], "seed": line["seed"]}

    def summary(self) -> str:
        """Say in one sentence what was run."""
        failures = "1 failure" if len(self.failures) == 1 else f"{len(self.failures)} failures"
        return (
            f"{len(self.laws)} laws, {self.draws:,} draws with {self.cases:,} cases, {failures}, "
            f"{self.hours:.2f} hours, seeds {self.seeds[0]} to {self.seeds[-1]}"
        )
