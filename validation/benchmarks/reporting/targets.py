"""What was asked of the library's speed, as data, and whether a record meets it.

A target names a case of a row by its parameters, the contestants of whom the fastest counts (the one of least median
time in that case), and a number. What is measured is the median over rounds of their time over ours, taken within each
round; for some targets seconds or megabytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from refkan.base import Frozen
from validation.benchmarks.measured.degrees import CUBIC, FREE, OTHERS
from validation.benchmarks.measured.limits import DGEMM
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


LAYERS = ("flashkan", "inkan", "jaxkan", "jax (lean, jit)", "torch (lean)")
BOTH = "forward + backward"


def _evaluation() -> Iterator[Target]:
    for kind, asked in (("uniform", (15, 20, 40)), ("arbitrary", (8, 10, 20))):
        for n, number in zip((8, 64, 512), asked, strict=True):
            group = f"cubic evaluation, {kind} knots, against scipy BSpline"
            where: Parameters = {"n": n, "knots": kind}
            yield Target(group, f"n = {n}", "spline-evaluation", where, ("scipy BSpline",), number)


def _layers() -> Iterator[Target]:
    fastest: dict[tuple[int, int], dict[int, float]] = {
        (2, 5): {4: 12, 16: 20, 64: 40},
        (5, 1): {4: 8, 16: 20, 64: 40},
        (20, 20): {4: 8, 16: 16, 64: 50},
        (64, 64): {4: 4, 16: 12, 64: 28},
        (256, 256): {4: 1.5},
    }
    jax: dict[tuple[int, int], dict[int, float]] = {
        (20, 20): {4: 10, 16: 30, 64: 100},
        (64, 64): {4: 7, 16: 20, 64: 70},
    }
    dense: dict[tuple[int, int], dict[int, float]] = {(256, 256): {4: 1.0, 16: 2.0}}
    for rivals, against, asked in (
        ("the fastest layer of the peers", LAYERS, fastest),
        ("lean jax, jit", ("jax (lean, jit)",), jax),
        ("dense Phi + GEMM", ("dense Phi + GEMM",), dense),
    ):
        for (n_in, n_out), numbers in asked.items():
            for n, number in numbers.items():
                group = f"layer ({n_in}, {n_out}), {BOTH}, against {rivals}"
                where: Parameters = {"P": n_in, "Q": n_out, "n": n, "sweep": BOTH}
                yield Target(group, f"n = {n}", "layer", where, against, number)


def _limits() -> Iterator[Target]:
    for size, intervals, share in ((64, (4, 16, 64), 0.4), (256, (4, 16), 0.6)):
        for n in intervals:
            group = f"layer ({size}, {size}), {BOTH}: share of the rate of dgemm"
            yield Target(group, f"n = {n}", "limits", {"of": "layer", "P": size, "Q": size, "n": n}, (DGEMM,), share)


def _networks() -> Iterator[Target]:
    net: Parameters = {"widths": "[2, 20, 20, 1]", "n": 5}
    jax = ("jax (lean, jit)",)
    yield Target(f"network [2, 20, 20, 1], {BOTH}, against lean jax, jit", "n = 5", "network", net, jax, 30)
    jax = ("jax (vmap grad, jit)",)
    for n, number in ((4, 12), (16, 30), (64, 120)):
        where: Parameters = {"widths": "[2, 5, 1]", "n": n, "of": "matrix"}
        yield Target("Gauss-Newton matrix of [2, 5, 1], against jax", f"n = {n}", "gauss-newton", where, jax, number)
    where = {**net, "of": "matrix"}
    yield Target("Gauss-Newton matrix of [2, 20, 20, 1], against jax", "n = 5", "gauss-newton", where, jax, 4)
    jets = ("jax (jvp of jvp, jit)", "jax (jet, jit)")
    group = "u, u_x, u_xx and a gradient of [2, 20, 20, 1], against "
    yield Target(f"{group}jax (jvp of jvp or jet)", "n = 5", "jets", net, jets, 15)
    yield Target(f"{group}torch", "n = 5", "jets", net, ("torch (double backward)",), 25)


def _degrees() -> Iterator[Target]:
    for n_in, n_out in ((2, 5), (20, 20), (64, 64)):
        for name in (*OTHERS, FREE):
            group = f"layer ({n_in}, {n_out}), n = 16: time per operation over that of {CUBIC}"
            yield Target(group, name, "degrees", {"P": n_in, "Q": n_out}, (name,), 1.5, at_least=False)


def _trainings() -> Iterator[Target]:
    where: Parameters = {"of": "methods", "error": "last of pykan"}
    group = "training of [2, 5, 1] to the error that pykan reaches in 200 steps, against pykan"
    yield Target(group, "its LBFGS", "trainings", where, ("pykan, LBFGS",), 250)
    where = {"of": "L-BFGS-B", "error": "1e-03"}
    group = "training of [2, 5, 1] to a mean square error of 1e-3 of the range squared, against "
    for name, number in (("jax (lean, jit)", 10), ("torch (lean)", 20)):
        yield Target(group + name, "by L-BFGS-B", "trainings", where, (f"{name}, L-BFGS-B",), number)


def _resources() -> Iterator[Target]:
    of = "seconds"
    yield Target("import refkan, s", "", "startup", {"of": "import"}, ("refkan",), 0.8, False, of)
    for name, number in (("compiling", 5.0), ("cached", 1.0)):
        against = (f"refkan, {name}",)
        yield Target("first call of a layer, s", name, "startup", {"of": "first call"}, against, number, False, of)
    where: Parameters = {"against": "points", "points": 10_000_000}
    yield Target(
        "layer (2, 5) at 1e7 points in chunks, MB", "", "scaling", where, ("refkan",), 1000, False, "megabytes"
    )


TARGETS = (*_evaluation(), *_layers(), *_limits(), *_networks(), *_degrees(), *_trainings(), *_resources())


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
