"""``python -m validation.benchmarks.against CHECKOUT [NAME ...]``: rows of this checkout and of another, side by side.

Each checkout runs its own code in a process of its own, started once; the processes take turns case by case, so that a
disturbance of the machine falls on both. Ratios are taken within each turn, and their median counts.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from validation.benchmarks.rows import PEERS, ROWS

DEFAULT = ("spline-evaluation", "layer", "network", "gauss-newton", "jets", "degrees", "startup")
"""Rows of the table of targets whose times are of refkan alone; the others compare with the machine or with memory."""

WORKER = """
import importlib, json, os, sys
answers, sys.stdout = sys.stdout, sys.stderr  # whatever a row prints is no answer
from validation.benchmarks import rows
# Before its modules lay in folders, a row was the name of its module.
folder = "validation.benchmarks" + (".running" if hasattr(rows, "tasks") else "")
threads = importlib.import_module(f"{folder}.threads")
def tasks_of_module(name, settings):
    return importlib.import_module(rows.ROWS[name]).tasks(settings)
tasks = getattr(rows, "tasks", tasks_of_module)
question = json.loads(sys.stdin.readline())
threads.pin(question["threads"])
Settings = importlib.import_module(f"{folder}.harness").Settings  # which imports NumPy, once threads are pinned
known = {}
for name in question["rows"]:
    for task in tasks(name, Settings(quick=question["quick"])):
        known[name, task.title] = task
print(json.dumps(list(known)), file=answers, flush=True)
for line in sys.stdin:
    question = json.loads(line)
    settings = Settings(False, question["rounds"], question["threads"], frozenset(question["without"]))
    entries = known[tuple(question["task"])].run(settings).entries
    print(json.dumps({e.name: e.seconds or e.reason or e.status for e in entries}), file=answers, flush=True)
"""
"""What both processes run: it uses only what every version of the benchmarks has, so that an older one can be asked."""


class Checkout:
    """A process that times the cases of one checkout on demand."""

    def __init__(self, root: Path, rows: Sequence[str], threads: int, quick: bool, cache: Path):
        environment = os.environ | {"PYTHONPATH": str(root), "NUMBA_CACHE_DIR": str(cache)}
        self.root, self.threads = root, threads
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER], cwd=root, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        answer = self.ask({"rows": list(rows), "threads": threads, "quick": quick})
        self.tasks = [(row, title) for row, title in answer]

    def ask(self, question: dict[str, Any]) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise RuntimeError(f"the benchmarks of {self.root} ended; their message stands above")
        return json.loads(answer)

    def times(self, task: tuple[str, str], rounds: int, without: Sequence[str]) -> dict[str, Any]:
        """Return the seconds of each contestant of a case, or a word on why there are none."""
        answer: dict[str, Any] = self.ask(
            {"task": task, "rounds": rounds, "threads": self.threads, "without": list(without)}
        )
        return answer

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def compare(here: Checkout, there: Checkout, turns: int, say: Callable[[str], None] = print) -> dict[str, float]:
    """Time the cases that both checkouts have; return by name the median over turns of their time over ours."""
    ratios: dict[str, float] = {}
    for task in here.tasks:
        if task not in there.tasks:
            continue
        first = here.times(task, 1, PEERS), there.times(task, 1, PEERS)  # compiles, and names the contestants
        refkan = [name for name in first[0] if task[0] == "degrees" or name.startswith("refkan")]  # degrees: all are
        ours = [name for name in refkan if isinstance(first[0][name], list)]
        without = [name for name in first[0] if name not in ours]
        pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in ours}
        for turn in range(turns):
            order = (here, there) if turn % 2 == 0 else (there, here)
            timed = {id(side): side.times(task, 3, without) for side in order}
            for name in ours:
                mine, theirs = timed[id(here)].get(name), timed[id(there)].get(name)
                if isinstance(mine, list) and isinstance(theirs, list):
                    pairs[name].append((statistics.median(mine), statistics.median(theirs)))
        for name, seconds in pairs.items():
            if seconds:
                key = f"{task[0]}: {task[1]}, {name}"
                ratios[key] = statistics.median(theirs / mine for mine, theirs in seconds)
                mine = statistics.median(mine for mine, _ in seconds)
                say(f"{ratios[key]:6.2f}  {mine:9.3g} s  {key}")
    return ratios


def main(argv: Sequence[str] | None = None) -> int:
    """Compare two checkouts and return 0 if no ratio is below the one asked."""
    p = argparse.ArgumentParser(
        prog="python -m validation.benchmarks.against",
        description="Time the benchmark rows of this checkout and of another in turns. Prints their time over ours.",
        epilog="Exit code: 0 if no ratio is below --at-least, 1 if one is, 2: wrong usage.",
    )
    p.add_argument("checkout", type=Path, help="the root of the other checkout, with its folder validation/benchmarks")
    p.add_argument("names", nargs="*", metavar="NAME", help=f"rows (default: {', '.join(DEFAULT)})")
    p.add_argument("--turns", type=int, default=5, metavar="N", help="of each case (default: %(default)s)")
    p.add_argument("--threads", type=int, default=2, metavar="N", help="default: %(default)s")
    p.add_argument("--quick", action="store_true", help="smaller and fewer cases")
    p.add_argument("--at-least", type=float, default=0.9, metavar="R", help="ratio asked (default: %(default)s)")
    a = p.parse_args(argv)
    unknown = [name for name in a.names if name not in ROWS]
    if unknown:
        p.error(f"NAME must be one of {', '.join(ROWS)}; got {', '.join(unknown)}")
    if not (a.checkout / "validation" / "benchmarks" / "rows.py").is_file():
        p.error(f"CHECKOUT must be the root of a checkout with validation/benchmarks; got {a.checkout}")
    if a.turns < 1 or a.threads < 1:
        p.error(f"--turns and --threads must be at least 1; got {a.turns} and {a.threads}")
    sides: list[Checkout] = []
    with tempfile.TemporaryDirectory() as caches:
        try:
            for number, root in enumerate((Path(__file__).parents[2], a.checkout.resolve())):
                cache = Path(caches, str(number))
                sides.append(Checkout(root, a.names or DEFAULT, a.threads, a.quick, cache))
            print("theirs/ours, seconds of ours, case")
            ratios = compare(sides[0], sides[1], a.turns, lambda line: print(line, flush=True))
        finally:
            for side in sides:
                side.close()
    below = sum(ratio < a.at_least for ratio in ratios.values())
    print(f"{len(ratios)} cases, {below} below {a.at_least:g}")
    return 1 if below else 0


if __name__ == "__main__":
    raise SystemExit(main())
