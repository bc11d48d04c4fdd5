"""Run all laws on fresh draws for a given time.

The run goes on where the last one stopped. Each file of tests runs in a process of its own, with memory that starts as
NaN. Failures become files of `tests/corpus`; counts and the largest errors over their bounds are kept in
`tests/soak/record.json` and written to docs/trust.md.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.shared.draws import CORPUS, ROOMS, ROOT
from tests.soak import trust
from tests.soak.record import RECORD, Record

SETTLED = {0: "passed", 1: "failed", 5: "no laws"}
"""Exit codes of pytest after which a file counts as run."""


def files_of_laws() -> list[str]:
    """Return the files of tests whose laws are run: those of `ROOMS`, and all that use hypothesis."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    names = {file: file.relative_to(ROOT).as_posix() for file in files}
    return [
        name
        for file, name in names.items()
        if name.startswith(ROOMS) or "from hypothesis import" in file.read_text(encoding="utf-8")
    ]


def run_file(file: str, seed: int, multiplier: int, limit: float, report: Path) -> int:
    """Run the fresh draws of a file; return the exit code of pytest, or -1 if it took too long."""
    settings = {
        "REFKAN_TEST_SEED": str(seed),
        "REFKAN_TEST_MULTIPLIER": str(multiplier),
        "REFKAN_TEST_REPORT": str(report),
        "REFKAN_TEST_POISON": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "pytest", file, "-m", "", "-p", "no:cacheprovider", "--tb=short"]
    try:
        made = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **settings}, capture_output=True, text=True, timeout=limit
        )
    except subprocess.TimeoutExpired:
        return -1
    if made.returncode not in SETTLED:
        print(made.stdout[-2000:], made.stderr[-2000:], sep="\n", file=sys.stderr)
    return made.returncode


def lines_of(report: Path) -> list[dict]:
    """Return what fresh draws reported; the last line may be cut off where a process was ended."""
    lines = []
    for text in report.read_text(encoding="utf-8").splitlines() if report.exists() else ():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines


def measured_by_laws_of_the_page(lines: list[dict]) -> list[dict]:
    """Leave out errors that other tests measure, such as those that make something wrong on purpose."""
    laws = trust.laws(trust.PAGE.read_text(encoding="utf-8"))
    return [line | {"ratios": [each for each in line["ratios"] if laws.get(each[0]) == line["law"]]} for line in lines]


def keep_failure(line: dict, folder: Path) -> Path:
    """Write a failing draw as a file of the corpus."""
    case = without_draw(line["case"])
    function = line["law"].rpartition("::")[2].removeprefix("test_")
    number = len(list(folder.glob(f"{function}_{line['seed']}_*.json")))
    broke = " ".join(re.findall(r"^E\s+(.*)$", line["failure"], re.M))[:400] or line["failure"][-400:]
    entry = {
        "broke": broke, "law": line["law"], "case": case, "seed": line["seed"], "number": line["number"],
    }  # fmt: skip
    file = folder / f"{function}_{line['seed']}_{number}.json"
    file.write_text(json.dumps(entry, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return file


def without_draw(case: str) -> str:
    """Return the id of a test case without the part that names its draw."""
    law, _, parameters = case.partition("[")
    parts = [part for part in parameters.rstrip("]").split("-") if not re.fullmatch(r"usual|seed\d+\.\d+", part)]
    if parts in ([], [""]):
        return law
    return f"{law}[{'-'.join(parts)}]"


def parsed(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="stop starting files after this time")
    parser.add_argument("--multiplier", type=int, default=4, help="cases of a law, over those of an ordinary run")
    parser.add_argument("--seed", type=int, default=None, help="seed of the first round of a new record")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds for one file")
    parser.add_argument("--record", type=Path, default=RECORD, help="where counts are kept")
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="where failures are kept")
    parser.add_argument("--files", nargs="*", default=None, help="run these files only")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run files in turn until the time is over; return 1 if a law failed."""
    options = parsed(arguments)
    record = Record.read(options.record, options.seed)
    files = options.files or files_of_laws()
    start, failures = time.monotonic(), 0
    print(f"round {record.round + 1}, seed {record.seed}, {len(files)} files of laws", flush=True)
    while time.monotonic() - start < 60 * options.minutes:
        waiting = [file for file in files if file not in record.done]
        if not waiting:
            record.next_round()
            continue
        with tempfile.TemporaryDirectory() as folder:
            report, before = Path(folder) / "report.jsonl", time.monotonic()
            code = run_file(waiting[0], record.seed, options.multiplier, options.limit, report)
            lines = measured_by_laws_of_the_page(lines_of(report))
        record.add(waiting[0], lines, time.monotonic() - before, finished=code in SETTLED)
        failed = [line for line in lines if line["failure"]]
        failures += len(failed)
        for line in failed:
            print(f"    failed: {line['case']}: {keep_failure(line, options.corpus).name}", flush=True)
        record.write(options.record)
        minutes = (time.monotonic() - start) / 60
        print(
            f"{minutes:5.1f} of {options.minutes:g} min, round {record.round + 1}, "
            f"{len(files) - len(waiting) + 1}/{len(files)} {waiting[0]}: {len(lines)} draws, {len(failed)} failed, "
            f"{SETTLED.get(code, 'not finished')}",
            flush=True,
        )
    if options.record == RECORD:
        trust.write()
    print(record.summary())
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
