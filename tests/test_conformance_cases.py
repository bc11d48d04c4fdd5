"""The catalogue: exact numbers, stable names and contents, what it covers; and refkan and plain layers against it."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from refkan.conformance import Judge, LayerSpec, catalogue
from refkan.conformance import findings as f
from refkan.conformance.backends import PlainNumpy, Refkan, RefkanRelu
from refkan.conformance.backends.plain_numpy import NumpyLayer
from refkan.conformance.cases import VERSION, Case, Setting
from refkan.conformance.families import coefficients, cotangents, knot_vector, points
from refkan.conformance.precision import DTYPES, is_exact

CASES = catalogue()


def settings():
    return {id(case.setting): case.setting for case in CASES}.values()


def test_all_numbers_are_exact_in_their_format():
    for s in settings():
        for spec in s.specs:
            assert spec.is_exact(), s.name
        for array in (s.x, s.dy, s.direction):
            assert is_exact(s.dtype, array), s.name


def test_differences_of_knots_and_points_are_exact_too():
    """So that x - t and t' - t are computed without rounding, and no point changes its interval."""
    for s in settings():
        if len(s.specs) == 1 and s.region in ("interior", "knots", "ends"):
            for p, t in enumerate(s.spec.knots):
                assert is_exact(s.dtype, t[1:] - t[:-1]), s.name
                if s.dtype != "bfloat16":
                    assert is_exact(s.dtype, s.x[:, p, None] - t), s.name


def test_lower_formats_cannot_hold_the_fine_knots_and_the_coefficients():
    for s in settings():
        lower = {"float64": "float32", "float32": "bfloat16"}.get(s.dtype)
        if lower and "uniform-fine" in s.name:
            assert not is_exact(lower, s.spec.knots)
        if lower and "/layer/" in s.name:
            assert not is_exact(lower, s.spec.coefficients)


def test_points_lie_where_the_region_says():
    for s in settings():
        if "/basis/" not in s.name:
            continue
        (a, b), x = s.spec.domain, s.x[:, 0]
        inner = s.spec.knots[0][s.spec.order : -s.spec.order]
        where = {
            "interior": (x > a) & (x < b) & ~np.isin(x, inner), "knots": np.isin(x, inner), "ends": np.isin(x, [a, b]),
            "outside": (x < a) | (x > b), "far": (x < a - 8) | (x > b + 8),
        }  # fmt: skip
        assert where[s.region].all(), s.name


def test_keys_are_unique_and_the_catalogue_covers_what_it_should():
    keys = [case.key for case in CASES]
    assert len(keys) == len(set(keys))
    for part in (
        *(f"float64/basis/degree-{d}/" for d in range(6)), *DTYPES, "clamped", "repeated", "far-linear", "one-sample",
        "257-samples", "5x7", "strided", "discrete-data", "constant-data", "tiny-spans", "huge-spans", "graded-spans",
        "repeatability", "gauss-newton", "knot-gradients", "second-derivatives", "network", "refinement",
        "update/degree-3/constant-data", "6-to-9", "input-gradients-after",
    ):  # fmt: skip
        assert any(part in key for key in keys), part


def test_the_contents_of_this_version_do_not_change():
    """Whoever changes a case must raise VERSION: results of other programs are compared with files of a version."""
    digest = hashlib.sha256()
    for s in sorted(settings(), key=lambda s: s.name):
        digest.update(s.name.encode())
        for array in (*(part for spec in s.specs for part in (spec.knots, spec.coefficients)), s.x, s.dy, s.direction):
            digest.update(np.ascontiguousarray(array).tobytes())
    assert (VERSION, len(CASES), digest.hexdigest()[:16]) == (1, COUNT, DIGEST)


COUNT, DIGEST = 1874, "969f00ba2b51e0cf"


def bad(findings):
    return [(finding.key, finding.message, finding.hints) for finding in findings if finding.status in f.BAD]


@pytest.mark.parametrize("make", [Refkan, RefkanRelu, PlainNumpy])
def test_correct_backends_raise_no_alarm(make):
    findings = Judge(make()).run(case for case in CASES if case.setting.dtype == "float64")
    assert not bad(findings)
    assert sum(finding.status == f.PASSED for finding in findings) > 400


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_no_alarm_in_lower_formats(dtype):
    findings = Judge(PlainNumpy()).run(case for case in CASES if case.setting.dtype == dtype)
    assert not bad(findings)
    assert sum(finding.status == f.PASSED for finding in findings) > 100


class Piecewise(NumpyLayer):
    """Another correct way: on each interval a polynomial in (x - t_m), made once in float64 and kept in the format."""

    def _polynomials(self, x, t, derivative):
        r = self.order
        exact = NumpyLayer(LayerSpec(self.spec.knots, self.spec.coefficients, r, self.outside))
        m = self.pieces(x, t).argmax(axis=1)
        start = t[m]
        out = self.number(0)
        for k in reversed(range(derivative, r)):
            taylor = np.stack(
                [_piece(exact, row, r, j, k) for row, j in zip(t[None].repeat(len(x), 0), m, strict=True)]
            )
            factor = np.prod(np.arange(k - derivative + 1, k + 1))
            out = self.q(out * self.q(x - start)[:, None]) + self.given(factor * taylor)
        out = out * self.pieces(x, t).any(axis=1)[:, None]  # nothing beyond all knots
        return self.q(out) if r > derivative else np.zeros((x.size, t.size - r), self.number)


def _piece(exact, t, r, m, k):
    """Taylor coefficients of order k at t_m of all functions on interval m."""
    b = (np.arange(t.size - 1) == m)[None].astype(float)
    t = t.astype(float)
    x = t[m : m + 1]
    for level in range(2, r - k + 1):
        b = exact.lift(b, x, t, level)
    for level in range(r - k + 1, r + 1):
        b = exact.differentiate(b, t, level)
    return b[0] / np.prod(np.arange(1, k + 1))


class Cardinal(NumpyLayer):
    """Another correct way for equal spacing: the position (x - a)/h, and the recursion on integers."""

    def _polynomials(self, x, t, derivative):
        h = self.given(t[self.order] - t[self.order - 1])
        position = self.q(self.q(x - t[0]) / h)
        found = super()._polynomials(position, self.given(np.arange(t.size)), derivative)
        return self.q(found / self.q(h**derivative))


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_false_alarm_on_200_random_correct_configurations(dtype):
    """Orders, widths, knots, intervals, numbers of samples and three ways to evaluate, drawn at random."""
    rng = np.random.default_rng(200)
    judged = 0
    for k in range(200):
        degree = int(rng.integers(0, 6 if dtype != "bfloat16" else 4))
        kind = str(rng.choice(["uniform", "arbitrary", "clamped", "repeated"][: 4 if degree else 3]))
        P, Q, n = (int(v) for v in rng.integers(1, 4, 3))
        n = 4 * n if kind != "repeated" and dtype != "bfloat16" else 6
        rows = [knot_vector(kind, degree + 1, dtype, rng, n) for _ in range(P)]
        rows = rows[:1] * P if kind == "uniform" else rows
        C = coefficients((Q, P, rows[0].size - degree - 1), dtype, rng)
        spec = LayerSpec(np.array(rows), C, degree + 1, "natural", dtype, kind)
        region = str(rng.choice(["interior", "knots", "ends", "outside"]))
        count = int(rng.integers(1, 9))
        x = np.stack([points(region, row, degree + 1, dtype, rng, count) for row in spec.knots], axis=1)
        s = Setting(f"random-{k}", (spec,), x, cotangents((count, Q), rng), cotangents(x.shape, rng), region)
        adapter = PlainNumpy()
        ways = [NumpyLayer, Piecewise] + [Cardinal] * (kind == "uniform")
        adapter.layer = ways[k % len(ways)]
        quantities = ["values", "coefficient-gradients"]
        if degree:
            quantities += ["input-gradients", "second-derivatives"]
        findings = [Judge(adapter)(Case(s, quantity)) for quantity in quantities]
        assert not bad(findings), (k, kind, degree, region, adapter.layer)
        judged += sum(finding.status == f.PASSED for finding in findings)
    assert judged > 600
