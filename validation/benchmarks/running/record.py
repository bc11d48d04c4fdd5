"""The JSON record of a benchmark: written case by case, gone on with by a later run of the same sources."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import refkan
from refkan.base.atomic_files import write_atomically
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.claims.running.capsule import capsule, cpu_model, git_hash, now, versions
from refkan.claims.running.sources import digest_of, imported
from validation.benchmarks.rows import PEERS, ROWS
from validation.benchmarks.running.harness import CaseResult, Entry, Settings
from validation.benchmarks.running.timing import Spread

NAME = "benchmarks.json"
FORMAT = 2
DISTRIBUTIONS = ("numpy", "scipy", "numba", *PEERS)
CaseData = Mapping[str, Any]
EntryData = Mapping[str, Any]
"""A case of a record, and a contestant of it."""


class BenchmarkRecord:
    """The cases of a folder's record that belong to the present sources, versions, processor and settings.

    Parameters
    ----------
    folder
        Where `benchmarks.json` is or will be.
    settings
        Those of the run. Cases that were measured under others, or by other sources, are dropped when the file is
        next written; sources are read here, once.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.path = folder / NAME
        self._git = git_hash()
        self._configuration = {
            "rounds": settings.rounds,
            "quick": settings.quick,
            "threads": settings.threads,
            "without": sorted(settings.without),
        }
        circumstances = {"versions": versions(DISTRIBUTIONS), "cpu": cpu_model(), "settings": self._configuration}
        self._keys = {
            row: Checkpoints.key({"task": "benchmark", "row": row, "sources": sources_digest(row), **circumstances})
            for row in ROWS
        }
        self._rows: dict[str, list[dict[str, Any]]] = {row: [] for row in ROWS}
        for row, stored in _read(self.path).items():
            if stored["key"] == self._keys.get(row):
                self._rows[row] = stored["cases"]

    def kept(self, row: str, title: str) -> dict[str, Any] | None:
        """Return the stored case of that title, unless something failed in it."""
        return next((case for case in self._rows[row] if case["title"] == title and not failed(case)), None)

    def put(self, row: str, result: CaseResult) -> dict[str, Any]:
        """Store a case in place of an earlier one of its title, write the file, and return what was stored."""
        stored = case_record(result) | {"time": now(), "git": self._git}
        cases = self._rows[row]
        place = next((k for k, case in enumerate(cases) if case["title"] == result.title), len(cases))
        cases[place : place + 1] = [stored]
        write_atomically(self.path, json.dumps(self.document(), indent=1, allow_nan=False).encode())
        return stored

    def document(self) -> dict[str, Any]:
        rows = {row: {"key": self._keys[row], "cases": cases} for row, cases in self._rows.items() if cases}
        return {
            "format": FORMAT,
            "capsule": capsule(self._configuration, distributions=DISTRIBUTIONS),
            "rows": rows,
        }


def _read(path: Path) -> dict[str, Any]:
    """Return the rows of a record; none if there is no record of this format."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return document["rows"] if isinstance(document, dict) and document.get("format") == FORMAT else {}


def failed(case: Mapping[str, Any]) -> bool:
    """Whether results disagree or ours, the first entry, failed; a peer's failure is its result."""
    return not case["agreed"] or case["entries"][0]["status"] == "failed"


def sources_digest(row: str) -> str:
    """Return the SHA-256 of every source that the times of a row can depend on.

    These are the library, the row's module with all that it imports, and what contestants and new processes import by
    name.
    """
    validation = Path(__file__).parent.parent.parent
    benchmarks = validation / "benchmarks"
    by_name = [*benchmarks.glob("peers/*.py"), *benchmarks.glob("cases/*.py")]
    module = benchmarks / "measured" / f"{ROWS[row][0]}.py"
    sources = imported([module, *by_name], validation) | set(Path(refkan.__file__).parent.rglob("*.py"))
    return digest_of(sources, validation.parent)


def case_record(result: CaseResult) -> dict[str, Any]:
    """Return a case as JSON data, with the seconds of every round."""
    return {
        "title": result.title,
        "parameters": dict(result.parameters),
        "agreed": not result.disagreements,
        "elsewhere": result.elsewhere,
        "entries": [_entry_record(result, entry) for entry in result.entries],
    }


def _entry_record(result: CaseResult, entry: Entry) -> dict[str, Any]:
    record: dict[str, Any] = {"name": entry.name, "status": entry.status}
    for name in ("reason", "note"):
        if getattr(entry, name):
            record[name] = getattr(entry, name)
    if not math.isnan(entry.difference):
        difference = entry.difference if math.isfinite(entry.difference) else repr(entry.difference)
        record |= {"difference": difference, "tolerance": entry.tolerance}
    if not math.isnan(entry.megabytes):
        record["megabytes"] = entry.megabytes
    if entry.seconds:
        record["seconds"] = _quartiles(entry.spread) | {"fastest": min(entry.seconds), "rounds": entry.seconds}
        ratio = result.ratio(entry)
        if ratio is not None:
            record["theirs_over_ours"] = _quartiles(ratio)
    return record


def _quartiles(spread: Spread) -> dict[str, Any]:
    return {"median": spread.median, "quartiles": [spread.lower, spread.upper]}


def trimmed(value: Any) -> Any:
    """Return a record without its keys and the seconds of single rounds, numbers to four digits."""
    if isinstance(value, Mapping):  # the configuration has a number of rounds; an entry has the seconds of each
        items = ((k, v) for k, v in value.items() if k != "key" and not (k == "rounds" and isinstance(v, list)))
        return {key: trimmed(item) for key, item in items}
    if isinstance(value, list):
        return [trimmed(item) for item in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def by_row(document: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the cases of every row that a record holds."""
    return {row: document["rows"][row]["cases"] for row in ROWS if row in document["rows"]}


def cases(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return (row, case) of a record, in the order of the rows."""
    return ((row, case) for row, members in by_row(document).items() for case in members)
