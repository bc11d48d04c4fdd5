"""What the usual checks of a layer let through: broken layers that pass them, and that `conform` finds.

    python -m validation.implementations.usual_checks

runs layers with one defect each, and right layers, through the checks, and writes the record
`validation/records/usual_checks.json`, and from it the figure `docs/usual-checks.png` and the page
`docs/usual-checks.md`.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from refkan.base import Frozen
from refkan.base.atomic_files import write_atomically
from refkan.conformance import Adapter, Judge, LayerSpec, catalogue
from refkan.conformance.adapters.backends import Refkan
from refkan.conformance.cases.cases import Case
from refkan.conformance.judging import findings as f
from tests.broken_layers.correct import Piecewise
from tests.broken_layers.defects import DEFECTS, of_layer
from tests.broken_layers.local_layers import LocalAdapter
from tests.broken_layers.manner_defects import MANNER_DEFECTS
from tests.broken_layers.plain_numpy import PlainNumpy
from tests.broken_layers.trial_defects import TRIALS
from validation.records.markdown import markdown_table
from validation.statements import Progress, each

ROOT = Path(__file__).parents[2]
RECORD = ROOT / "validation" / "records" / "usual_checks.json"
PAGE, FIGURE = ROOT / "docs" / "usual-checks.md", ROOT / "docs" / "usual-checks.png"
SAMPLES, FEW = 64, 6
STEP, ATOL, RTOL = 1e-6, 1e-5, 1e-3
"""Of torch's gradcheck."""

CLOSE = 1.3e-6, 1e-5


def spec_of(dtype: str) -> LayerSpec:
    """The layer, with random coefficients that are numbers of the format."""
    t = -1.0 + 0.4 * np.arange(-3, 9)
    C = np.random.default_rng(5).normal(size=(2, 3, 8)).astype(np.float32)
    return LayerSpec(np.array([t] * 3).astype(np.float32), C, 4, "natural", dtype, "uniform")


def samples(count: int) -> tuple[Any, Any]:
    """Samples in the domain and cotangents, numbers of float32."""
    rng = np.random.default_rng(6)
    x, dy = rng.uniform(-1, 1, (count, 3)), rng.normal(size=(count, 2))
    return x.astype(np.float32).astype(np.float64), dy.astype(np.float32).astype(np.float64)


def results(adapter: Adapter, dtype: str) -> list[Any]:
    x, dy = samples(SAMPLES)
    model = adapter.built(spec_of(dtype))
    y = np.array(adapter.forward(model, x.copy()), np.float64)
    gradients = adapter.vjp(model, x.copy(), dy.copy())
    return [y, *(np.array(gradients[name], np.float64) for name in ("inputs", "coefficients"))]


@cache
def right_results(dtype: str) -> list[Any]:
    """Those of a right layer: refkan in float64, in float32 the plain layer with a polynomial on each interval."""
    return results(Refkan() if dtype == "float64" else of_layer(Piecewise)(), dtype)


def close(adapter: Adapter, dtype: str, rtol: float, atol: float) -> bool:
    """Whether all results are close to those of a right layer."""
    pairs = zip(results(adapter, dtype), right_results(dtype), strict=True)
    return all(np.allclose(theirs, ours, rtol=rtol, atol=atol) for theirs, ours in pairs)


def gradcheck(adapter: Adapter) -> bool:
    """Whether gradients are those of the layer's own values, by the rule of torch's gradcheck."""
    spec, (x, dy) = spec_of("float64"), samples(FEW)
    model = adapter.built(spec)

    def values(name: str, step: Any) -> Any:
        if name == "inputs":
            return np.array(adapter.forward(model, x + step), np.float64)
        moved = replace(spec, coefficients=spec.coefficients + step)
        return np.array(adapter.forward(adapter.built(moved), x.copy()), np.float64)

    numerical = {}
    for name, shape in (("inputs", x.shape), ("coefficients", spec.coefficients.shape)):
        numerical[name] = np.zeros((*dy.shape, *shape))
        for index in np.ndindex(shape):
            step = np.zeros(shape)
            step[index] = STEP
            numerical[name][(..., *index)] = (values(name, step) - values(name, -step)) / (2 * STEP)
    for place in np.ndindex(dy.shape):
        unit = np.zeros(dy.shape)
        unit[place] = 1.0
        cotangents = adapter.vjp(model, x.copy(), unit)
        for name, expected in numerical.items():
            if not np.allclose(np.array(cotangents[name], np.float64), expected[place], rtol=RTOL, atol=ATOL):
                return False
    return True


@cache
def cases() -> list[Case]:
    """The cases in float64, those first that many defects fail; truths are computed once."""
    return sorted(catalogue(["float64"]), key=lambda case: "layer/degree-3/" not in case.key)


def conforms(adapter: Adapter) -> bool:
    judge = Judge(adapter, hints=False, proofs=False)
    return not any(judge(case).status in f.BAD for case in cases())


class Check(Frozen):
    """Whether a layer passes, and what is compared, in words; a layer that raises does not pass."""

    passes: Callable[[Adapter], bool]
    told: str


def _allclose(tolerance: float) -> Check:
    return Check(
        lambda adapter: close(adapter, "float64", tolerance, tolerance),
        f"values and gradients in inputs and coefficients against a right layer, rtol = atol = {tolerance:g}, "
        f"{SAMPLES} samples, in float64",
    )


CHECKS = {
    "allclose(1e-2)": _allclose(1e-2),
    "allclose(1e-5)": _allclose(1e-5),
    "gradcheck": Check(
        gradcheck,
        f"the rule of `torch.autograd.gradcheck` on the layer's own values: central differences with step {STEP:g}, "
        f"|analytic - numerical| <= {ATOL:g} + {RTOL:g} |numerical| for every output, input and coefficient, {FEW} "
        "samples, in float64",
    ),
    "another backend": Check(
        lambda adapter: close(adapter, "float32", *CLOSE),
        "values and gradients in inputs and coefficients against another right layer, both in float32, with the "
        f"tolerances of `torch.testing.assert_close` (rtol {CLOSE[0]:g}, atol {CLOSE[1]:g}), {SAMPLES} samples",
    ),
    "conform": Check(conforms, "all cases of refkan in float64 that the layer declares; none may fail"),
}


def broken() -> Iterator[tuple[str, Callable[[], Adapter]]]:
    yield from ((name, defect.make) for name, defect in DEFECTS.items())
    yield from ((trial.layer.__name__, of_layer(trial.layer)) for trial in TRIALS.values())
    yield from ((make.__name__, make) for make in MANNER_DEFECTS)


RIGHT = {"refkan": Refkan, "plain": PlainNumpy, "local": LocalAdapter, "power form": of_layer(Piecewise)}
"""Right layers that compute in their own ways; the last one is for equally spaced knots."""


def passed(make: Callable[[], Adapter]) -> list[str]:
    """The checks that a layer passes; each has one of its own."""
    out = []
    for name, check in CHECKS.items():
        try:
            with np.errstate(all="ignore"):
                ok = check.passes(make())
        except Exception:  # of the layer
            ok = False
        out += [name] if ok else []
    return out


def measure(progress: Progress = print) -> dict[str, Any]:
    kinds = {"broken": each(progress, "{0[0]}", broken()), "right": each(progress, "{0[0]}", RIGHT.items())}
    return {kind: {name: passed(make) for name, make in layers} for kind, layers in kinds.items()}


def let_through(record: Mapping[str, Any]) -> dict[str, int]:
    return {name: sum(name in passes for passes in record["broken"].values()) for name in CHECKS}


def figure(record: Mapping[str, Any]) -> Figure:
    counts, total = let_through(record), len(record["broken"])
    drawn = Figure(figsize=(7, 2.6), layout="constrained")
    axes = drawn.subplots()
    bars = axes.barh(list(counts), list(counts.values()), color=["#b33"] * (len(counts) - 1) + ["#2a7d4f"])
    axes.bar_label(bars, padding=3)
    axes.invert_yaxis()
    axes.set(xlim=(0, total), xlabel=f"broken layers that pass, of {total}")
    axes.spines[["top", "right"]].set_visible(False)
    return drawn


def page(record: Mapping[str, Any]) -> str:
    counts, total, n_right = let_through(record), len(record["broken"]), len(record["right"])
    rejected = {name: sum(name not in passes for passes in record["right"].values()) for name in CHECKS}
    rows = [[name, f"{counts[name]} of {total}", f"{rejected[name]} of {n_right}"] for name in CHECKS]
    unseen = sum(defect.unseen for defect in DEFECTS.values())
    usual = [name for name in CHECKS if name != "conform"]
    all_usual = [name for name, passes in record["broken"].items() if set(usual) <= set(passes)]
    unfound = [name for name, passes in record["broken"].items() if "conform" in passes]
    paragraphs = [
        f"{total} layers with one defect each were run through the checks that layers are usually given, and through "
        f"`refkan conform`; so were {n_right} right layers that compute in their own ways. The defects are those of "
        f"`tests/broken_layers/`: {unseen} were written without knowledge of the cases, the others with it, so that "
        "the last row says no more than that none of these is lost.",
        "![Broken layers that pass each check](usual-checks.png)",
        markdown_table(["check", "broken layers that pass", "right layers that fail"], rows).rstrip(),
        f"{len(all_usual)} broken layers pass all four usual checks: {', '.join(all_usual)}.",
        f"`conform` lets through {len(unfound)}{': ' if unfound else ''}{', '.join(unfound)}.",
        "Most of those are right at random points of the default layer, and wrong where nobody looks: at knots, at the "
        "right end, outside, on knots that are not equally spaced or repeat, in float64 by the digits of float32, with "
        "other orders, more samples or another layout in memory, after a refinement or an update. A gradient check "
        "asks only whether gradients are those of the layer's own values, be these right or wrong.",
        "The checks, on a cubic layer with 3 inputs, 2 outputs and 5 intervals on [-1, 1], random samples in it:",
        *(f"* **{name}**: {check.told}." for name, check in CHECKS.items()),
        "Everything here is written by `python -m validation.implementations.usual_checks`.",
    ]
    told = (text if text[0] in "|!" else fill(text, 120, break_long_words=False) for text in paragraphs)
    return "\n\n".join(["# What the usual checks let through", *told]) + "\n"


def main() -> int:
    record = measure(lambda name: print(name, file=sys.stderr, flush=True))
    write_atomically(RECORD, (json.dumps(record, indent=1) + "\n").encode("ascii"))
    write(record)
    return 0


def write(record: Mapping[str, Any]) -> None:
    figure(record).savefig(FIGURE, dpi=150)
    write_atomically(PAGE, page(record).encode("utf-8"))


if __name__ == "__main__":
    sys.exit(main())
