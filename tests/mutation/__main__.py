"""Make small mistakes in a room of the library, one at a time, and see whether the tests of the room notice them.

Mutants are drawn by seed. They are made in a copy of the repository, without compiled files; kernels are compiled anew
for each mutant of a file that Numba compiles. A mutant counts only if its module was really loaded with it.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.mutation import operators, scores
from tests.mutation.witness import MARK
from tests.shared.draws import ROOT
from tests.soak import trust

TESTS = {
    "kernels": ("tests/kernels", "tests/splines/sums"),
    "splines": ("tests/splines",),
    "validation": ("tests/validation",),
}
"""Tests of rooms whose folder of tests has another name, or that have more than one; others have that of their name."""


def sources_of(room: str, root: Path = ROOT) -> dict[str, str]:
    """Return the files of a room: a folder of refkan/, or validation and its folders."""
    folder = root / room if room.split("/")[0] == "validation" else root / "refkan" / room
    files = sorted(folder.rglob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]
    return {file.relative_to(root).as_posix(): file.read_text(encoding="utf-8") for file in files if file.exists()}


def tests_of(room: str) -> tuple[str, ...]:
    """Return the tests of a room: the folder of the same name, or of the nearest room that holds it."""
    parts = room.split("/")
    while parts:
        name = "/".join(parts)
        if name in TESTS:
            return TESTS[name]
        if (ROOT / "tests" / name).is_dir():
            return (f"tests/{name}",)
        parts.pop()
    raise SystemExit(f"no tests of the room {room}: name them with --tests")


def copy_repository(target: Path) -> None:
    """Copy the files that git knows or would know; no compiled ones."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in names:
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)


class Runner:
    """Runs tests in a copy of the repository."""

    def __init__(self, folder: Path, tests: tuple[str, ...], exhaustive: bool) -> None:
        self.copy, self.log = folder / "copy", folder / "log"
        self.cache = folder / "numba"
        self.tests, self.marks = tests, "" if exhaustive else "not exhaustive"
        self.limit: float | None = None
        copy_repository(self.copy)

    def run(self, module: str, mark: str, cache: Path) -> tuple[int, str]:
        """Run the tests; return the exit code, or 124 after the time limit, and what was loaded."""
        self.log.unlink(missing_ok=True)
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.copy),
            "NUMBA_CACHE_DIR": str(cache),
            "OPENBLAS_NUM_THREADS": "1",
            "REFKAN_MUTANT": f"{module}={mark}",
            "REFKAN_MUTANT_LOG": str(self.log),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        command = [sys.executable, "-m", "pytest", "-x", "-m", self.marks, "-p", "no:cacheprovider", "--tb=line"]
        command += ["-p", "tests.mutation.witness", *self.tests]
        process = subprocess.Popen(
            command, cwd=self.copy, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            code = process.wait(self.limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return 124, "loaded"
        return code, self.log.read_text(encoding="utf-8") if self.log.exists() else "ended early"

    def outcome(self, mutant: operators.Mutant, number: int) -> str:
        """Run the tests against a mutant: "killed", "survived", or why it does not count."""
        path = self.copy / mutant.file
        original = path.read_text(encoding="utf-8")
        parts = Path(mutant.file).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        mark = f"mutant{number}"
        compiled = "refkan/kernels/" in mutant.file
        cache = self.cache.with_name(f"numba{number}") if compiled else self.cache
        path.write_text(f"{mutant.applied(original)}\n{MARK} = {mark!r}\n", encoding="utf-8")
        try:
            code, loaded = self.run(module, mark, cache)
        finally:
            path.write_text(original, encoding="utf-8")
            if compiled:
                shutil.rmtree(cache, ignore_errors=True)
        if loaded == "other code":
            return "not in force: other code was loaded"
        if code != 0:
            return "killed"
        return "survived" if loaded == "loaded" else f"survived, {loaded}"


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--room", required=True, help="a folder or file of refkan/, or of validation/")
    parser.add_argument("--draw", type=int, default=40, help="number of mutants")
    parser.add_argument("--seed", type=int, required=True, help="by which they are drawn")
    parser.add_argument("--tests", nargs="+", help="what to run instead of the tests of the room")
    parser.add_argument("--exhaustive", action="store_true", help="run the cases too that quick runs leave out")
    parser.add_argument("--list", action="store_true", help="name the mutants, and run nothing")
    parser.add_argument("--keep", action="store_true", help="write the score to docs/trust.md")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Draw mutants and run them."""
    options = parsed(arguments)
    drawn = operators.draw(sources_of(options.room), options.draw, options.seed)
    if options.list or not drawn:
        print(*(mutant.name for mutant in drawn), sep="\n")
        return 0
    tests = tuple(options.tests or tests_of(options.room))
    outcomes: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="refkan-mutants-") as folder:
        runner = Runner(Path(folder), tests, options.exhaustive)
        start = time.monotonic()
        code, _ = runner.run("none", "none", runner.cache)
        if code != 0:
            raise SystemExit(f"without a mutant, {' '.join(tests)} end with code {code}")
        seconds = time.monotonic() - start
        runner.limit = 120 + 5 * seconds
        print(f"{len(drawn)} mutants of {options.room}, seed {options.seed}; without one, {seconds:.0f} s", flush=True)
        for number, mutant in enumerate(drawn, 1):
            outcomes[mutant.name] = runner.outcome(mutant, number)
            print(f"{number:3} {outcomes[mutant.name]:9} {mutant.name}", flush=True)
    killed = sum(outcome == "killed" for outcome in outcomes.values())
    print(f"{killed} of {len(outcomes)} killed in {options.room}, seed {options.seed}")
    if options.keep:
        scores.keep(options.room, options.seed, outcomes)
        trust.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
