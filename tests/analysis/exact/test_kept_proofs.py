"""What is proven of networks, problems, equations and spaces drawn at random is as narrow as it was, for as many boxes.

Oracles say that bounds hold, not how much wider they could be. Where a change is meant to alter them, run
``python -m tests.analysis.exact.test_kept_proofs`` and look at the difference of kept_proofs.json.
"""

import itertools
import json
import re
import warnings
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import refkan as rk
from refkan.analysis.exact.certificates.certified_network import certificate
from refkan.analysis.exact.enclosures.rational_intervals import Enclosure
from refkan.analysis.exact.enclosures.subdivision import Proven
from refkan.analysis.exact.spectra.condition_numbers import eigenpairs
from tests.analysis.exact.certified_matrices import MATRICES
from tests.analysis.exact.oracles import draws, equations, pairs, spectra
from tests.analysis.exact.test_oracle_boxes import LAYERS
from tests.analysis.exact.test_oracle_ranks import MAPS, drawn
from tests.shared.factories import space

KEPT = Path(__file__).parent / "kept_proofs.json"

BUDGET = 16
"""Boxes of a search that is asked for more than it can reach: what it does reach shows which ones it cut."""

UNKEPT = ("null", "network", "equation")
"""Null vectors, of which there are many bases, and what a statement is about."""

NARROW = 1e-7
"""Bounds that are narrower, relative to their size, are as wide as a machine rounds."""


def bounds_in(value):
    """Pairs of floats, and what is said in words and whole numbers; a float alone is bounded by zero."""
    if isinstance(value, Enclosure):  # some are beyond the range of floats; how narrow is a matter of rounding
        middle = (value.low + value.high) / 2
        power = middle.numerator.bit_length() - middle.denominator.bit_length()
        return [[float(middle / Fraction(2) ** power)] * 2], [f"2^{power}"]
    if isinstance(value, Proven):
        return bounds_in([np.reshape([*value], (-1, 2)), value.boxes, value.reached])
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return value.reshape(-1, 2).tolist(), []
    if isinstance(value, float):
        return [[0.0, value]], []
    if isinstance(value, Mapping):  # a statement: the gaps between its numbers
        numbers = sorted(float.fromhex(v) for v in value.values() if isinstance(v, str) and "0x" in v)
        gaps = list(itertools.pairwise(numbers if len(numbers) > 1 else [0.0, *numbers]))
        words = [f"{name} {v}" for name, v in value.items() if not re.search("0x", str(v)) and name not in UNKEPT]
        return [list(gap) for gap in gaps], words
    if isinstance(value, list | tuple):
        parts = [bounds_in(part) for part in value]
        return [pair for at, _ in parts for pair in at], [word for _, words in parts for word in words]
    if hasattr(value, "__dataclass_fields__"):
        return bounds_in([part for name, part in vars(value).items() if name not in UNKEPT])
    return [], [str(value)]


def answers(*calls):
    """What each of these calls proves, or why it does not."""
    found = []
    for call in calls:
        try:
            found.append(bounds_in(call()))
        except (ValueError, rk.ConvergenceError, rk.DegenerateNodeError) as error:
            found.append(([], [type(error).__name__, re.sub(r"[^a-zA-Z ]+", "", str(error))[:60]]))
    return [{"bounds": at, "words": " ".join(words)} for at, words in found]


def of_networks(kind, seed):
    """Enclosures, extremes, steepest slopes and differences over a box, and a certificate of few statements."""
    rng = np.random.default_rng([51, list(LAYERS).index(kind), seed])
    widths = [int(n) for n in rng.integers(1, 3, int(rng.integers(2, 4)))]
    net, theta = draws.network(rng, widths, orders=(1, 2, 3, 4), tame=rng.uniform() < 0.7, kinds=LAYERS[kind])
    box, other, norm = draws.box(rng, net), pairs.other_network(rng, net, theta), str(rng.choice(["1", "2", "inf"]))
    if seed % 2:
        box = draws.domains(net.layers[0])
    x = rng.uniform(*box.T, size=(6, widths[0]))
    return answers(
        lambda: rk.exact.enclose(net, theta, box),
        lambda: rk.exact.enclose(net, theta, box, 1, 1e-12, BUDGET),
        lambda: rk.exact.extrema(net, theta, box, 1e-12, BUDGET),
        lambda: rk.exact.lipschitz_constant(net, theta, box, 1e-12, BUDGET, norm=norm),
        lambda: rk.exact.sup_difference(net, theta, *other, box, 1e-12, BUDGET),
        lambda: certificate(net, theta, box, (x, net(theta, x) + 0.5), 0.3, BUDGET)["statements"],
    )


def of_problems(kind, seed):
    """Ranks, condition numbers and spectra of all matrices, in a basis."""
    rng, problem, theta = drawn(1000 + seed, kind=kind, maps=MAPS.get(kind), size=12)
    basis = str(rng.choice(["relu", "scaled-relu"])) if kind in ("splines", "natural") and seed % 2 else None
    return answers(
        lambda: rk.exact.certified_rank(problem, theta),
        lambda: rk.exact.certified_gauss_newton_condition(problem, theta, basis=basis),
        *(
            lambda which=which: rk.exact.certified_spectrum(problem, theta, basis, which=which)
            for which in ("gauss-newton", "hessian", "ntk")
        ),
    )


def of_equations(kind, seed):
    """Errors of networks that are near a known solution, or are not."""
    rng = np.random.default_rng([53, equations.KINDS.index(kind), seed])
    wavenumber = float(rng.choice([0.0, 0.5, 1.0])) if "coefficient" not in kind else 0.0
    exact, f, g, c = equations.solution(rng, kind, wavenumber)
    box = np.array([[0.25, 1.25], [-0.5, 0.25]])[: 2 if "plane" in kind else 1]
    net, theta = equations.near(rng, exact, box)
    theta = np.round(theta * 2.0**30) / 2.0**30  # what machines round in other ways
    options = {} if c is None else {"diffusion_coefficient": c}
    return answers(
        lambda: rk.exact.certified_error(
            net, theta, f, g, box, wavenumber, 1e-9, int(rng.integers(2, 6)), 100, BUDGET, **options
        )
    )


def of_spaces(kind, seed):
    """Eigenvalues and condition numbers of splines, scaled and not, and the vectors of the first one."""
    made = space(kind, 1 + seed % 5, 2 + seed)
    return answers(
        *(
            call
            for which in MATRICES
            for call in (
                lambda which=which: rk.exact.extreme_eigenvalues(made, which),
                lambda which=which: rk.exact.extreme_eigenvalues(made, which, scaled=True),
                lambda which=which: rk.exact.certified_condition_number(made, which),
            )
        ),
        lambda: eigenpairs(made, MATRICES[seed % 3]).vectors[0],
    )


ASKED = {
    **{f"network of {kind}": (of_networks, kind, 6) for kind in LAYERS},
    **{f"problem of {kind}": (of_problems, kind, 5) for kind in sorted(set(spectra.KINDS))},
    **{f"equation, {kind}": (of_equations, kind, 3) for kind in equations.KINDS},
    **{f"space, {kind}": (of_spaces, kind, 4) for kind in ("uniform", "random", "graded")},
}
"""What is asked, of which kind, and how often."""

CASES = [(name, seed) for name, (*_, count) in ASKED.items() for seed in range(count)]


def proven(name, seed):
    """Answers of a case."""
    of_kind, kind, _ = ASKED[name]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return of_kind(kind, seed)


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_bounds_are_as_narrow_as_they_were(name, seed):
    """To 2 % of their width, to 30 % of one that is rounding alone; they lie where machines agree that they do."""
    kept = json.loads(KEPT.read_text())[f"{name}, {seed}"]
    for found, known in zip(proven(name, seed), kept, strict=True):
        assert found["words"] == known["words"]
        bounds, expected = (np.reshape(each["bounds"], (-1, 2)) for each in (found, known))
        finite = np.isfinite(expected)
        assert np.array_equal(bounds[~finite], expected[~finite])
        with np.errstate(invalid="ignore", over="ignore"):
            size, width = np.abs(expected).max(axis=1), np.ptp(expected, axis=1)
            wider = np.abs(np.ptp(bounds, axis=1) - width)
            moved = np.abs(bounds - expected) > (0.02 * width + 0.01 * NARROW * size)[:, None]
        assert not np.any(wider > np.where(width > NARROW * size, 0.02, 0.3) * width + 2e-16 * size), (bounds, expected)
        assert not moved[finite].any(), (bounds, expected)


if __name__ == "__main__":
    rows = {f"{name}, {seed}": proven(name, seed) for name, seed in CASES}
    KEPT.write_text("{\n" + ",\n".join(f"{json.dumps(key)}: {json.dumps(row)}" for key, row in rows.items()) + "\n}\n")
