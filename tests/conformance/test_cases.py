"""The catalogue: exact numbers, stable names and contents, what it covers; and refkan and plain layers against it."""

import hashlib

import numpy as np
import pytest

import refkan as rk
from refkan.conformance import Judge, catalogue
from refkan.conformance.adapters.backends import Refkan, RefkanRelu
from refkan.conformance.cases.cases import VERSION
from refkan.conformance.cases.specs import RULES
from refkan.conformance.cases.truths.precision import DTYPES, is_exact
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.causes import by_numbers
from tests.broken_layers import manner_defects as m
from tests.broken_layers.correct import Piecewise, random_cases, random_settings
from tests.broken_layers.plain_numpy import PlainNumpy
from tests.conformance.altered_layers import altered, bad, of
from tests.conformance.judged_cases import all_cases, chosen
from tests.conformance.other_forms import (
    Bernstein,
    Differences,
    DifferencesInLongDouble,
    FromTheLeft,
    Loops,
    Matrices,
)
from tests.shared.tables import each_row


def settings():
    return {id(case.setting): case.setting for case in all_cases()}.values()


def test_all_numbers_are_exact_in_their_format():
    for s in settings():
        for spec in s.specs:
            assert all(is_exact(spec.dtype, array) for array in (spec.knots, spec.coefficients)), s.name
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


def test_settings_whose_terms_leave_the_range_of_the_format_are_not_judged():
    """Those in which the ratios of the recursion, multiplied in float16, are infinite: 0 times them is NaN."""
    overflowing = {s.name for s in settings() if s.overflow}
    assert overflowing == {f"float16/basis/degree-3/{kind}/far-natural" for kind in ("uniform", "arbitrary", "clamped")}
    for s in settings():
        if s.dtype != "float16" or len(s.specs) > 1:
            continue
        t, d = s.spec.knots.astype(np.float16), s.spec.degree
        x = np.clip(s.x, *s.spec.domains.T) if s.spec.outside == "linear" else s.x
        with np.errstate(all="ignore"):
            terms = np.abs(s.dy).max().astype(np.float16)
            for k in range(1, d + 1):
                spans = t[:, k:] - t[:, :-k]
                ratios = np.abs(x.astype(np.float16)[:, :, None] - t[:, :-k]) / np.where(spans > 0, spans, np.inf)
                terms = terms * ratios.max()
        assert np.isinf(terms) == (s.name in overflowing), s.name
    case = next(iter(chosen(["float16"], ["degree-3/uniform/far-natural/values"])))
    finding = Judge(PlainNumpy())(case)
    assert (finding.status, finding.message) == (
        f.NOT_APPLICABLE, "terms of 6e+06, far outside, are beyond the range of float16, 65504",
    )  # fmt: skip


def test_keys_are_unique_and_the_catalogue_covers_what_it_should():
    keys = [case.key for case in all_cases()]
    assert len(keys) == len(set(keys))
    for part in (
        *(f"float64/basis/degree-{d}/" for d in range(6)), *DTYPES, "clamped", "repeated", "far-linear", "one-sample",
        "257-samples", "5x7", "strided", "discrete-data", "constant-data", "tiny-spans", "huge-spans", "graded-spans",
        "repeatability", "gauss-newton", "knot-gradients", "second-derivatives", "network", "refinement",
        "update/degree-3/constant-data", "6-to-9", "input-gradients-after",
    ):  # fmt: skip
        assert any(part in key for key in keys), part


@pytest.mark.parametrize(
    ("version", "count", "expected"),
    [
        (1, 1874, "969f00ba2b51e0cf"),
        (2, 2642, "9a64c50805509237"),
        (3, 3311, "a9eafb7ea6b1fa97"),
        (VERSION, 3419, "13c04fcf979a3ae4"),
    ],
)
def test_the_contents_of_a_version_do_not_change(version, count, expected):
    """Whoever changes a case must raise VERSION: results of other programs are compared with files of a version."""
    digest, cases = hashlib.sha256(), catalogue(version=version)
    for s in sorted({id(case.setting): case.setting for case in cases}.values(), key=lambda s: s.name):
        digest.update(s.name.encode())
        specs = ((spec.knots, spec.coefficients, *map(spec.part, spec.parts)) for spec in s.specs)
        for array in (*(part for arrays in specs for part in arrays), s.x, s.dy, s.direction):
            digest.update(np.ascontiguousarray(array).tobytes())
    assert (VERSION, len(cases), digest.hexdigest()[:16]) == (4, count, expected)


def test_a_later_version_holds_the_cases_of_an_earlier_one():
    assert {case.key for case in catalogue(version=1)} < {case.key for case in all_cases()}


JUDGED = ("values", "input-gradients", "coefficient-gradients", "second-derivatives")


@pytest.mark.parametrize("part", range(5))
@pytest.mark.parametrize("make", [Refkan, RefkanRelu, PlainNumpy])
def test_correct_backends_raise_no_alarm(make, part):
    """On a fifth of the cases, of all kinds."""
    with rk.use_engine("auto"):  # whichever users get
        findings = Judge(make()).run(chosen()[part::5])
    assert not bad(findings)
    assert sum(finding.status == f.PASSED for finding in findings) > 80


@pytest.mark.parametrize("layer", [Piecewise, FromTheLeft, Bernstein, Loops, Matrices])
def test_other_forms_of_the_same_polynomials_raise_no_alarm(layer):
    regions = (
        "degree-5/arbitrary/3x2/outside-polynomial",
        "degree-4/arbitrary/ends",
        "degree-5/clamped/ends",
        "degree-5/uniform/knots",
        "graded-spans",
    )
    cases = [case for region in regions for case in chosen(["float64"], [region]) if case.quantity in JUDGED]
    findings = Judge(of(layer), hints=False, proofs=False).run(cases)
    assert not bad(findings)
    assert sum(finding.status == f.PASSED for finding in findings) >= 10


def test_divided_differences_raise_no_alarm_where_their_terms_are_allowed_for():
    """And do raise one where a backend does not say that its terms cancel: on graded knots digits are lost."""
    cases = [c for c in chosen(["float64"], ["layer/", "arbitrary/3x2/"]) if c.quantity in JUDGED]
    cases = [c for c in cases if not c.setting.specs[0].parts and c.setting.spec.degree <= 3]
    silent = [c for c in cases if "graded" not in c.key]
    declared, undeclared = (
        Judge(of(Differences, form=form), hints=False, proofs=False) for form in ("truncated powers", "local")
    )
    assert not bad(declared.run(silent))
    assert bad(undeclared.run(cases))


def beside_zero(multiple):
    """A layer that adds a multiple of eps to functions that vanish, relative to the sum of the others."""
    eps = multiple * 2.0**-52
    return of(altered("basis", lambda layer, B, *at: np.where(B == 0, eps * np.abs(B).sum(axis=1, keepdims=True), B)))


def test_a_function_that_vanishes_is_allowed_what_rounding_does_to_the_others():
    regions = ("degree-3/arbitrary/interior", "degree-2/uniform/interior", "degree-4/arbitrary/interior")
    cases = [c for region in regions for c in chosen(["float64"], [region]) if c.quantity in JUDGED[:3]]
    half, twice, in_long_double = (
        Judge(adapter, hints=False, proofs=False).run(cases)
        for adapter in (beside_zero(0.45), beside_zero(2.0), of(DifferencesInLongDouble))
    )
    assert not bad(half)
    assert not bad([f for f in in_long_double if "degree-4" not in f.key])
    assert "coefficient-gradients" in {key.rpartition("/")[2] for key, *_ in bad(twice)}  # others are sums of functions


@pytest.mark.parametrize("dtype", ["float32", "tf32", "bfloat16", "float16"])
@pytest.mark.exhaustive
def test_no_alarm_in_lower_formats(dtype):
    findings = Judge(PlainNumpy()).run(chosen([dtype]))
    assert not bad(findings)
    assert sum(finding.status == f.PASSED for finding in findings) > 100


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_false_alarm_on_random_correct_configurations(dtype):
    """Orders, knots, intervals, rules outside, widths, samples and three ways to evaluate, drawn at random.

    The full record of the bank (row B2) has 200 of each format.
    """
    own_findings = [(adapter, Judge(adapter).run(cases)) for adapter, cases in random_cases(dtype, 120)]
    for adapter, findings in own_findings:
        assert not bad(findings), adapter.title
    assert sum(finding.status == f.PASSED for _, findings in own_findings for finding in findings) > 360


def test_random_configurations_cover_what_they_say():
    drawn = list(random_settings("float64", 200))
    for values, expected in (
        ({s.spec.degree for s in drawn}, set(range(6))),
        ({s.spec.kind for s in drawn}, {"uniform", "arbitrary", "clamped", "repeated"}),
        ({s.spec.outside for s in drawn}, set(RULES)),
        ({s.region for s in drawn}, {"interior", "knots", "ends", "outside", "far"}),
        ({s.spec.intervals for s in drawn}, {4, 6, 8, 12}),
        ({(s.spec.n_inputs, s.spec.n_outputs) for s in drawn}, {(p, q) for p in (1, 2, 3) for q in (1, 2, 3)}),
        ({len(s.x) for s in drawn}, set(range(1, 9))),
    ):
        assert values == expected
    assert len({s.spec.coefficients.tobytes() for s in drawn}) == 200


PLACE = "float64/layer/degree-3/uniform/3x2/"


@each_row(
    "adapter, cases",
    (m.RepeatsAfter1000, {f"{PLACE}1001-samples/values": "only sample 1000 is wrong, of 0 to 1000",
                        f"{PLACE}1025-samples/values": "samples 1000 to 1024 are wrong, of 0 to 1024",
                        f"{PLACE}2500-samples/values": "samples 1000 to 2499 are wrong, of 0 to 2499"}),
    (m.ChunkLosesItsLastRow, {f"{PLACE}1025-samples/values": "only sample 1024 is wrong, of 0 to 1024",
                            f"{PLACE}2500-samples/values": "only sample 2499 is wrong, of 0 to 2499"}),
    (m.RaisesWithoutSamples, {f"{PLACE}0-samples/values": "ZeroDivisionError"}),
    (m.TurnsSquares, {f"float64/layer/degree-3/{kind}/{n}x{n}/{n}-samples/values": ""
                    for kind in ("uniform", "arbitrary") for n in (3, 4)}),
    (m.FirstCotangents, {f"{PLACE}second-backward/{of}-gradients": "" for of in ("input", "coefficient")}),
    (m.ReadsContiguousCotangents, {f"{PLACE}{layout}-cotangents/{of}-gradients": ""
                                 for layout in ("strided", "transposed") for of in ("input", "coefficient")}),
    (m.SumsExpandedCotangents, {f"{PLACE}expanded-cotangents/{of}-gradients": ""
                              for of in ("input", "coefficient")}),
    (m.ScaledInEvaluation, {f"{PLACE}eval-mode/values": ""}),
    (m.InTheFormatOfSamples, {f"{PLACE}{kind}-samples/values": "" for kind in ("float32", "integer")}),
)  # fmt: skip
def test_each_shows_a_defect_that_no_other_case_shows(adapter, cases):
    asked = [c for c in chosen(["float64"], ["layer/degree-3/"]) if "with-" not in c.key and "-runs" not in c.key]
    findings = {x.key: x for x in Judge(adapter(), hints=False, proofs=False).run(asked) if x.status in f.BAD}
    assert findings.keys() == cases.keys()
    for key, words in cases.items():
        assert words in findings[key].message


def test_orders_1_to_6_stand_in_every_family():
    families = {
        "values": ("uniform/3x2",), "knots": ("clamped/3x2",), "parts": ("with-base-scale-bias",), "spans": ("-spans",),
        "sizes": ("257-samples", "33-samples"), "intervals": ("-intervals",), "matrices": ("gauss-newton",),
    }  # fmt: skip
    cases = chosen(["float64"], ["layer/"])
    for name, words in families.items():
        degrees = {c.setting.spec.degree for c in cases if any(word in c.key for word in words)}
        assert degrees == set(range(6)), name
    smooth = {
        "networks": "network/", "refine": "refine/", "update": "update/", "repeated": "/repeated/",
        "outside": "/outside-linear", "moving knots": "knot-gradients",
    }  # fmt: skip
    for name, word in smooth.items():
        degrees = {c.setting.spec.degree for c in chosen(["float64"], [word])}
        assert degrees >= set(range(1, 6)), name


def test_a_failing_case_names_the_mistake_by_its_numbers():
    (case,) = chosen(["float64"], ["layer/degree-3/uniform/3x2/moving-knots/knot-gradients"])
    finding = by_numbers(case, 2 * case.expected, f.compare(case, 2 * case.expected))
    assert finding.hint == "constant factor"
    assert "gradients in knots are multiplied by 2" in finding.hints[0].text


def test_a_result_without_the_axis_of_its_one_output_says_so():
    (case,) = chosen(["float64"], ["layer/degree-3/uniform/1x1/values"])
    told = "forward returned shape (12,); expected (12, 1): keep the axis of the one output or input"
    one_axis = altered("forward", lambda adapter, y, *at: y[:, 0], base=PlainNumpy)
    assert Judge(one_axis())(case).message == told
