"""The fast engine against the plain one, which `test_thresholds` compares with the truth, at random."""

from contextlib import nullcontext

import numpy as np
import pytest

import refkan as rk
from refkan.kernels import bspline_basis, launch, local_jets, polynomial_layer, sorted_layer
from refkan.splines.local_basis import KnotTables, LocalBasis
from refkan.splines.sums.channels import VALUES, Channels
from refkan.splines.sums.input_jet import FixedJet, InputJet
from refkan.splines.sums.spline_functions import spline_sums
from refkan.splines.sums.sums import PlainSums
from refkan.splines.sums.value_sweeps import PolynomialSweep, SortedSweep
from tests.kernels.kernel_results import sweeps_of
from tests.shared.forms import DEPTHS, JET, JET_ORDER, SORTED, in_python
from tests.shared.refusals import refused
from tests.shared.thresholds import SIDES

BATCHES, CASES = 10, 40

SHAPES = (3, 2), (4, 1), (4, 5), (SORTED, 9), (SORTED, 35)
"""Order and outputs: each order compiles fast kernels, for few outputs and for many. Others go in Python, which
compiled kernels of every form are compared with in `tests.kernels.test_launch`; the plain engine draws any."""

FAST_KERNELS = bspline_basis, local_jets, polynomial_layer, sorted_layer

TOLERANCE = 1e-13
"""Of the sum of absolute terms: some hundred roundings for orders up to 6."""


def disguise(rng, array):
    """The same numbers in another layout: Fortran order, strided, backwards, read-only."""
    kind = rng.integers(5)
    if kind == 1:
        return np.asfortranarray(array)
    if kind == 2 and array.ndim:
        wide = np.full((*array.shape[:-1], 2 * array.shape[-1]), np.nan)
        wide[..., ::2] = array
        return wide[..., ::2]
    if kind == 3:
        return array[::-1].copy()[::-1]
    array = array.copy()
    array.flags.writeable = kind != 4
    return array


def knot_vectors(rng, P, order, n):
    """Uniform, random or graded knots of any scale."""
    steps = {
        "uniform": lambda: np.ones(n + 2 * order - 2),
        "random": lambda: rng.uniform(0.05, 1.0, n + 2 * order - 2),
        "graded": lambda: 1.5 ** np.minimum(np.arange(n + 2 * order - 2), 20),
    }[rng.choice(["uniform", "random", "graded"])]
    knots = [rng.standard_normal() + np.concatenate([[0.0], np.cumsum(steps())]) / n for _ in range(P)]
    return np.array(knots) * 10.0 ** rng.choice([0, 0, 0, -20, 20])


class Case:
    """One configuration, from its seed; in Python the fast engine takes any, of few samples."""

    def __init__(self, seed, python=False):
        rng = self.rng = np.random.default_rng(seed)
        self.python = python
        self.order, self.Q = SHAPES[rng.integers(len(SHAPES))]
        if python:
            self.order, self.Q = int(rng.integers(1, 7)), int(rng.integers(1, 14))
        self.P, self.n = int(rng.integers(1, 5)), int(rng.choice([1, 2, 3, 8, 17]))
        sizes = [0, 1, 2, 5, 17, 64, 65, 130, 513] + ([4097] if self.Q < 9 and self.P < 3 else [])
        sizes = sizes[:5] if python else sizes
        self.N = int(rng.choice(sizes, p=[0.06, 0.1, *[(0.84) / (len(sizes) - 2)] * (len(sizes) - 2)]))
        self.outside = str(rng.choice(["linear", "polynomial", "natural", "error"]))
        self.channels = VALUES
        if rng.random() < 0.3 and (python or self.order == JET_ORDER):
            first = int(rng.integers(1, 4))
            self.channels = Channels(first, int(rng.integers(0, first + 1))) if python else JET
        self.knots = knot_vectors(rng, self.P, self.order, self.n)
        t = self.knots[:, self.order - 1 : self.knots.shape[1] - self.order + 1]
        length, reach = t[:, -1] - t[:, 0], 0.0 if self.outside == "error" else rng.choice([0.2, 50.0], p=[0.9, 0.1])
        self.z = rng.standard_normal((self.N, self.channels.count, self.P)) * length
        self.z[:, 0] = np.clip(t[:, 0] + length * rng.uniform(-reach, 1 + reach, (self.N, self.P)), *(
            (t[:, 0], t[:, -1]) if self.outside == "error" else (-np.inf, np.inf)
        ))  # fmt: skip
        at_knots = rng.random((self.N, self.P)) < 0.1
        chosen = t[np.arange(self.P), rng.integers(0, self.n + 1, (self.N, self.P))]
        self.z[:, 0][at_knots] = chosen[at_knots]
        self.C = self.draw(self.Q, self.P, self.n + self.order - 1)
        self.kind = None
        if python and self.N:
            self.kind = (None, PolynomialSweep, SortedSweep)[rng.integers(3)]
        elif rng.random() < 0.7 and self.N:
            self.kind = PolynomialSweep if self.Q < 8 else SortedSweep

    @property
    def projections(self):
        """Derivatives to project on: the fast basis of most orders has no form with second ones."""
        return [d for d in (1, 2) if self.python or d in DEPTHS[self.order]]

    def draw(self, *shape):
        """Numbers of any magnitude."""
        return self.rng.standard_normal(shape) * 10.0 ** self.rng.choice([0, 0, 0, -40, 40])

    def __repr__(self):
        names = ("order", "Q", "P", "n", "N", "outside", "channels", "kind")
        return ", ".join(f"{name} = {getattr(self, name)}" for name in names)

    def engines(self):
        """Sums under each engine, of arrays in any layout."""
        tables = KnotTables(self.knots.copy(), self.order)
        C, z = disguise(self.rng, self.C), disguise(self.rng, self.z)
        with rk.use_engine("plain"):
            plain = spline_sums(tables, C, InputJet(z), self.channels, self.outside)
        with sweeps_of(self.kind):
            return plain, spline_sums(tables, C, InputJet(z), self.channels, self.outside)


def compare(case, name, found, expected, size):
    assert found.shape == expected.shape, f"{case}: {name} has shape {found.shape}, not {expected.shape}"
    excess = np.abs(found - expected) - TOLERANCE * size
    assert not (excess > 0).any(), f"{case}: {name} is off by {np.max(np.abs(found - expected) / (size + 1e-300)):.1e}"


def scattered(case, start, W):
    """Functions (N, channels, P, dim) from the r that matter, W (N, channels, P, r)."""
    N, count, P, r = W.shape
    out = np.zeros((N, count, P, case.n + case.order - 1))
    s, c, p = np.ogrid[:N, :count, :P]
    for i in range(r):
        out[s, c, p, start[:, None] + i] = W[..., i]
    return out


def everything(case, sums, arguments):
    """All that sums can be asked, by name."""
    dy, dz, G, dC, dC_apart = arguments
    results = {"value": sums.value}
    results["dC"], results["dz"] = sums.pull_back(dy)
    results["tangent"] = sums.push_forward(dC, dz)
    if case.outside != "natural":  # under which no knots move
        results["dC apart"], nothing = sums.pull_back(dy, inputs=False, apart=True)
        assert nothing is None
        results["tangent apart"] = sums.push_forward(dC_apart, dz, apart=True)
    results["tangent along C"] = sums.push_forward(dC)
    results["inputs"] = sums.pull_back_inputs(G)
    N, O = G.shape[:2]
    out = np.zeros((N, O, case.Q * case.P * (case.n + case.order - 1) + 3))  # columns of others follow
    columns = out[:, :, :-3].reshape(N, O, case.Q, case.P, case.n + case.order - 1)
    sums.fill_jacobian(G, columns)
    assert not out[:, :, -3:].any()
    results["jacobian"] = columns
    results["functions"] = scattered(case, *sums.jets())
    if case.channels.count == 1:
        if 1 in case.projections:
            start, rows, slopes = sums.features(curved=True)
            results["features"], results["slopes"] = (scattered(case, start, a[:, None]) for a in (rows, slopes))
        if 2 in case.projections:
            results["product in C"], results["product in x"] = sums.hessian_product(dC, dz[:, 0], dy[:, 0])
        for d in case.projections:
            results[f"projection {d}"] = sums.project(G[:, :, 0], d)
    return results


class Sizes(PlainSums):
    """Sums of absolute terms; functions of a window count as much as the largest of them."""

    def _local_basis(self, derivatives):
        basis = super()._local_basis(derivatives)
        size = np.abs(basis.rows).max(axis=3, keepdims=True)
        return LocalBasis(basis.start, size.repeat(self.order, axis=3))


def check(seed, python=False):
    case = Case(seed, python)
    rng, count, dim = case.rng, case.channels.count, case.n + case.order - 1
    dz = rng.standard_normal(case.z.shape) * np.ptp(case.knots, axis=1)
    given = (
        case.draw(case.N, count, case.Q), dz, case.draw(case.N, 2, count, case.Q), case.draw(case.Q, case.P, dim),
        case.draw(case.Q, case.P, case.n * case.order),
    )  # fmt: skip
    with in_python(*FAST_KERNELS) if python else nullcontext():
        plain, fast = (everything(case, sums, [disguise(rng, a) for a in given]) for sums in case.engines())
    # Of a fixed jet the basis is asked for by itself, which is what `Sizes` changes.
    at = FixedJet(np.concatenate([case.z[:, :1], np.abs(case.z[:, 1:])], axis=1))
    tables = KnotTables(case.knots.copy(), case.order)
    sizes = Sizes(tables, np.abs(case.C), at, case.channels, case.outside, 0.0, True)
    sizes.value = sizes._first_value()
    sizes = everything(case, sizes, [np.abs(a) for a in given])
    assert fast.keys() == plain.keys() == sizes.keys()
    for name, size in sizes.items():
        compare(case, name, fast[name], plain[name], size)
    return fast


@pytest.mark.parametrize("batch", range(BATCHES))
def test_the_fast_engine_gives_what_the_plain_one_gives(batch):
    for k in range(CASES):
        check([batch, k])


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("batch", range(3))
def test_forms_that_nobody_compiles_give_it_in_python(batch, side):
    """Small sizes, and large ones: see `tests.shared.thresholds`."""
    with SIDES[side]():
        for k in range(CASES // 2):
            check([BATCHES + batch, k], python=True)


@pytest.mark.parametrize("batch", range(4))
def test_two_threads_give_the_bits_of_one(batch, monkeypatch):
    for k in range(10):
        monkeypatch.setattr(launch, "SERIAL_BELOW", np.inf)
        one = check([batch, k])
        monkeypatch.setattr(launch, "SERIAL_BELOW", 0)
        monkeypatch.setattr(launch, "thread_count", lambda: 2)
        two = check([batch, k])
        for name, array in one.items():
            assert array.tobytes() == two[name].tobytes(), name


def test_a_fault_is_noticed(monkeypatch):
    right = PlainSums._project
    monkeypatch.setattr(PlainSums, "_project", lambda self, d, C, G: right(self, d, C, G) * (1 + 1e-12))
    refused(lambda: test_the_fast_engine_gives_what_the_plain_one_gives(0), r"AssertionError: projection|product in x")


def test_complex_steps_pass_through_the_plain_engine():
    """Also where the fast one is asked for."""
    case = next(c for c in (Case([7, k]) for k in range(999)) if c.N == 17 and c.outside == "linear" and c.order > 2)
    rng = case.rng
    dC, dz = rng.standard_normal(case.C.shape) * np.abs(case.C).max(), rng.standard_normal(case.z.shape)
    dz *= np.ptp(case.knots, axis=1)
    tables = KnotTables(case.knots.copy(), case.order)
    for engine in ("plain", "fast"):
        with rk.use_engine(engine):
            arguments = case.channels, case.outside
            step = InputJet(case.z + 1e-30j * dz)
            moved = spline_sums(tables, case.C + 1e-30j * dC, step, *arguments).value.imag / 1e-30
            tangent = spline_sums(tables, case.C, InputJet(case.z), *arguments).push_forward(dC, dz)
        np.testing.assert_allclose(tangent, moved, rtol=0, atol=1e-12 * np.abs(moved).max())
