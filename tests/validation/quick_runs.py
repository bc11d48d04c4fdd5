"""What every row tells of its quick run: ``python -m tests.validation.quick_runs [FILES]`` writes it down anew.

Rows are run as on several kinds of processors, and numbers that differ are kept with a tolerance: trainings are the
same to the last digit on one machine alone. Of raw data and of pictures the form is kept, and the sum of each kind of
number; a digest of what is drawn at random. Seconds are those of a clock that ticks whenever it is read.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from decimal import Decimal
from itertools import accumulate, count
from math import fsum, isfinite, log
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import scipy.stats  # noqa: F401  it draws numbers for its own docstrings where it is imported: not among those that are noted
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedLocator

import refkan as rk
import validation
from refkan.claims import Figure
from refkan.claims.running.discovery import discover
from refkan.claims.running.outcomes import plain
from tests.shared.pictures import NO_PICTURE
from tests.validation.computed import hashed
from tests.validation.replays import few_draws, numbers, told
from validation.ledger import LEDGER
from validation.records.store import load

TABLE = Path(__file__).with_name("quick_runs.json")
FILES = {file.path.stem: file for file in discover(Path(validation.__file__).parent, LEDGER)}

LONG = dict.fromkeys(FILES, 60.0) | {row["file"]: row["seconds_of_file"] for row in load("quick").values()}
SECONDS = {stem: seconds for stem, seconds in LONG.items() if stem != "backends_judged"}
"""Files and the seconds of their quick runs; all but that whose answer depends on which backends are installed."""

PROCESSORS = (
    {"OPENBLAS_NUM_THREADS": "1"},
    {"OPENBLAS_NUM_THREADS": "2"},
    {"OPENBLAS_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Zen", "NPY_DISABLE_CPU_FEATURES": "X86_V4"},
    {"OPENBLAS_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Nehalem", "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4"},
)
"""Environments in which NumPy and OpenBLAS compute as on other processors, those without AVX-512 and without AVX2.

An instruction set that is not there cannot be asked for: a processor with AVX-512 writes a table that all pass.
"""

APART = 100.0
"""Tolerance of a number that differs, over how far it was apart."""


def summary(data: Any) -> dict[str, Any]:
    """Return plain data in short: a digest of their form, and the sums of each kind of number and of its logarithms."""
    kinds = dict[str, list[float]]()

    def form(value: Any, kind: str) -> Any:
        if isinstance(value, dict):
            return {name: form(item, f"{kind}/{name}") for name, item in value.items()}
        if isinstance(value, list):
            return [form(item, kind) for item in value]
        if isinstance(value, str):
            return numbers(value)
        if isinstance(value, bool | None) or not isfinite(value):
            return value
        kinds.setdefault(kind, []).append(value)
        return 0

    digest = hashed(json.dumps(form(data, "")))
    return {"form": digest} | {
        kind: [fsum(values), fsum(log(abs(value)) for value in values if value)] for kind, values in kinds.items()
    }


@contextmanager
def ticking() -> Iterator[None]:
    """A clock that ticks whenever it is read, now later and now sooner, in place of that of the processor."""
    seconds = accumulate((1 + k * 0.618 % 1) / 64 for k in count())
    vars(rk).update({name: getattr(rk, name) for name in dir(rk)})  # all that reads the clock is there
    with ExitStack() as stack:
        for name, module in [*sys.modules.items()]:
            if name.startswith(("refkan", "validation")) and hasattr(module, "process_time"):
                stack.enter_context(patch.object(module, "process_time", seconds.__next__))
        yield


class Drawing(np.random.Generator):
    """A generator that notes how many numbers it draws, and their sum: what is exact is told alike for all of them."""

    def __init__(self, seed: Any, notes: list[str]) -> None:
        super().__init__(np.random.PCG64(seed))
        self.notes = notes

    def spawn(self, n_children: int) -> list[np.random.Generator]:
        return [Drawing(seed, self.notes) for seed in self.bit_generator.seed_seq.spawn(n_children)]

    def __getattribute__(self, name: str) -> Any:
        member = super().__getattribute__(name)
        if name not in ("choice", "integers", "normal", "permutation", "random", "standard_normal", "uniform"):
            return member

        def draw(*args: Any, **options: Any) -> Any:
            made = member(*args, **options)
            kind = np.asarray(made).dtype.kind
            self.notes.append(f"{name} {np.size(made)} {np.sum(made):.6g}" if kind in "iuf" else str(made))
            return made

        return draw


def shown_by(canvas: Canvas) -> Any:
    """What a picture shows: of each panel the data of lines, images and bars, ends, ticks that are set, and numbers."""

    def panel(axes: Any) -> dict[str, Any]:
        lines = [{"x": line.get_xdata(), "y": line.get_ydata(), "label": line.get_label()} for line in axes.lines]
        ticks = [x.get_major_locator() for x in (axes.xaxis, axes.yaxis)]
        return {
            "lines": dict(enumerate(lines)),
            "images": [[image.get_array(), image.get_extent(), image.get_clim()] for image in axes.images],
            "bars": [[bar.get_x(), bar.get_y(), bar.get_width(), bar.get_height()] for bar in axes.patches],
            "ends": [axes.get_xlim(), axes.get_ylim()],
            "ticks": [each.locs for each in ticks if isinstance(each, FixedLocator)],
            "said": [axes.get_xscale(), axes.get_yscale(), axes.get_title(), axes.get_xlabel(), axes.get_ylabel()],
        }

    return {k: panel(axes) for k, axes in enumerate(canvas.axes)}


def tell(stem: str) -> Any:
    """Run a file quickly; what its verdicts tell and their pictures show, as JSON holds it, and what it draws."""
    file, shown, draws = FILES[stem].load(), dict[str, Any](), list[str]()

    def note(canvas: Canvas, name: str, caption: str) -> Figure:
        shown[name] = [shown_by(canvas), caption]
        return Figure(name, caption, NO_PICTURE.png)

    def generator(seed: Any = None) -> np.random.Generator:
        return seed if isinstance(seed, np.random.Generator) else Drawing(seed, draws)

    with ExitStack() as stack:
        for each in (rk.use_engine("plain"), few_draws(), ticking(), patch.object(Figure, "from_matplotlib", note)):
            stack.enter_context(each)
        stack.enter_context(patch.object(np.random, "default_rng", generator))
        made = file.run(True)
    rows = told(made, lambda data: summary(plain(data)))
    for row, verdict in zip(rows, made, strict=True):
        if verdict.figures:
            row["pictures"] = summary(plain({each.name: shown[each.name] for each in verdict.figures}))
    rows[0]["draws"] = f"{len(draws)}: {hashed(' '.join(draws))}"
    return rows


def merged(made: Sequence[Any]) -> Any:
    """What is told alike on several processors: numbers that differ with a tolerance, "any" for what cannot be kept."""
    first = made[0]
    if len({*map(json.dumps, made)}) == 1:
        return first
    if all(isinstance(each, dict) and each.keys() == first.keys() for each in made):
        return roughly({name: merged([each[name] for each in made]) for name in first})
    if all(isinstance(each, list) and len(each) == len(first) for each in made):
        return [merged(items) for items in zip(*made, strict=True)]
    with suppress(TypeError, ValueError):
        if not any(isinstance(each, bool) for each in made):
            values = [*map(float, made)]
            return f"{values[0]:.6g} ± {max(APART * (max(values) - min(values)), 1e-4 * abs(values[0])):.2g}"
    return "any"


def roughly(kept: dict[str, Any]) -> dict[str, Any]:
    """Where numbers are far apart, those of sentences about them may be half as large or more; but counts are exact."""
    pairs = re.findall(r"(\S+) ± ([^\s\"]+)", json.dumps(kept, ensure_ascii=False).replace('"', " "))
    if all(float(tolerance) <= 1e-3 * abs(float(value)) for value, tolerance in pairs):
        return kept
    sentences = {name: kept[name] for name in ("measured", "beside") if isinstance(kept.get(name), list)}
    exact = re.compile(r"\w?\d|\D+|.* .*")
    return kept | {
        name: [text if exact.fullmatch(text) else f"{text} ± {abs(float(text)) / 2:.2g}" for text in texts]
        for name, texts in sentences.items()
    }


def near(kept: Any) -> tuple[float, float]:
    """The number that is kept, and how far from it another one may be: not at all where something is counted."""
    if isinstance(kept, float):
        return kept, 1e-6 * abs(kept)
    value, _, tolerance = str(kept).partition(" ± ")
    digits = Decimal(value).as_tuple().exponent
    return float(value), float(tolerance or (digits and Decimal(1).scaleb(digits)))


def alike(made: Any, kept: Any) -> bool:
    """Whether what is told is what was: up to the last digits of numbers, or the tolerance that they have."""
    if isinstance(kept, dict):
        return isinstance(made, dict) and made.keys() == kept.keys() and all(alike(made[k], kept[k]) for k in kept)
    if isinstance(kept, list):
        return isinstance(made, list) and len(made) == len(kept) and all(map(alike, made, kept))
    if kept == "any" or (type(made) is type(kept) and made == kept):
        return True
    with suppress(ArithmeticError, TypeError, ValueError):
        value, tolerance = near(kept)
        return not isinstance(made, bool) and abs(float(made) - value) <= tolerance
    return False


def elsewhere(stems: Sequence[str], processor: Mapping[str, str]) -> dict[str, Any]:
    """What files tell in a process of its own."""
    command = [sys.executable, "-m", "tests.validation.quick_runs", "--tell", *stems]
    answer = subprocess.run(command, env={**os.environ, **processor}, stdout=subprocess.PIPE, check=True)
    return dict(json.loads(answer.stdout))


def write(stems: Sequence[str]) -> None:
    kept = json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {}
    made = [elsewhere(stems, processor) for processor in PROCESSORS]
    kept |= {stem: merged([each[stem] for each in made]) for stem in stems}
    text = json.dumps(kept, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
    TABLE.write_text(re.sub(r',(?="\w+":\[\{"beside)', ",\n", text) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--tell"]:
        print(json.dumps({stem: tell(stem) for stem in sys.argv[2:]}))
    else:
        write(sys.argv[1:] or [*SECONDS])
