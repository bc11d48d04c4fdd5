"""Verdicts on made-up measurements: statuses follow by hand, numbers and altered claims by formulas of their own."""

import numpy as np
import pytest
import scipy.sparse as sp

from refkan.truth.bases.prolongation import prolongation
from tests.validation.made_up import exactly, proven
from tests.validation.replays import numbers
from validation.architectures import high_dimension
from validation.bases import relu_form_accuracy
from validation.conditioning import certified_conditions
from validation.conditioning.network_spectra import TRAINED
from validation.multilevel import (
    coarse_subspace,
    multilevel_preconditioners,
    nested_hierarchies,
    prolongation_formulas,
)

# P1: restrictions of the gradient and of the matrix


def differences(edge, size, **more):
    """A case of P1 whose numbers are multiples of one, each another."""
    keys = ("gradient", "Gauss-Newton", "gradient over results", "Gauss-Newton over results", "sums over gradient")
    return {"edge": edge} | {key: size * (k + 1) for k, key in enumerate(keys)} | more


CASES = [
    differences("spline", 1e-13, trajectories=2e-14),
    differences("silu", 4e-13),
    differences("spline", 2e-13, trajectories=1e-14),
    *(differences(edge, size) for edge, size in (("relu", 3e-13), ("scaled-relu", 1e-13), ("relu", 2e-13))),
]


class Pair:
    """Two levels of which P alone is known; what a restriction differs from P by is what is off."""

    P = sp.csr_array(np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]))
    asked: list = []  # noqa: RUF012

    @classmethod
    def of(cls, case, n_samples):
        assert (case.node_map, case.outside, n_samples) == ("affine", "linear", 150)
        return cls()

    def differences(self, restrict):
        R = restrict(self.P).toarray()
        self.asked.append(R)
        off = np.abs(R - self.P.toarray()).max()
        return {"gradient": off, "Gauss-Newton": off}


def p1(monkeypatch, cases=CASES, exact=None, same=(False, False)):
    """The verdict, and what was asked over the rationals."""
    asked = []

    def equal(basis, order, outside, seed, change):
        asked.append((basis, order, outside, seed, change([[1.0, 2.0]])))
        return (*same, 0)

    monkeypatch.setattr(coarse_subspace, "Pair", Pair)
    monkeypatch.setattr(coarse_subspace, "equal", equal)
    monkeypatch.setattr(Pair, "asked", [])
    return coarse_subspace.verdict(cases, exactly() if exact is None else exact), asked


def test_p1_tells_the_largest_numbers_and_alters_restrictions_as_it_says(monkeypatch):
    made, asked = p1(monkeypatch)
    assert made.status == "holds"
    told = numbers(made.measured.partition("Float64: ")[2])
    assert told[0] == "6"
    assert [text for text in told if "e-" in text] == [
        "4.0e-13", "8.0e-13", "1.2e-12", "1.6e-12", "9.0e-13", "1.2e-12", "2.0e-14",
    ]  # fmt: skip
    assert made.measured.startswith("over the rationals 2 of 2 networks")
    assert "1e-12 for other edges, 1e-12 for the ReLU bases" in made.details
    assert set(made.mutations.values()) == {"refuted"}
    halved = [("spline", 4, "linear", 0, [[0.5, 1.0]]), ("relu", 4, "linear", 0, [[0.5, 1.0]])]
    assert asked == [*halved, ("spline", 4, "natural", 0, [[1.0, 2.0]])]
    P = Pair.P.toarray()
    altered = (0.5 * P, (P > 0) * 1.0, P @ np.linalg.inv(P.T @ P), P[[2, 0, 1]])
    assert len(Pair.asked) == 8  # of both bases
    for R, expected in zip(Pair.asked, np.repeat(altered, 2, axis=0), strict=True):
        np.testing.assert_allclose(R, expected, rtol=1e-14)
    assert "holds" in p1(monkeypatch, same=(True, False))[0].mutations.values()
    assert "holds" in p1(monkeypatch, same=(False, True))[0].mutations.values()


@pytest.mark.parametrize("key", ["gradient", "Gauss-Newton"])
def test_p1_asks_every_number(monkeypatch, key):
    assert p1(monkeypatch, [*CASES[1:], CASES[0] | {key: 1.1e-12}])[0].status == "refuted"
    assert p1(monkeypatch, exact=exactly(**{key: False}))[0].status == "refuted"


# P2: the formula itself


@pytest.mark.parametrize("order", range(1, 5))
def test_the_formula_is_the_prolongation_and_moved_it_is_not(order):
    _, coarse, fine = prolongation_formulas.nested_pair(order, 2, 1)
    expected = prolongation(coarse, fine, order)
    assert prolongation_formulas.formula(coarse, fine, order, False) == expected
    assert prolongation_formulas.formula(coarse, fine, order, False, 1) != expected


# W1: bases exchanged


def arms(**factors):
    """Errors of each arm over those of the spline basis, for two targets and twelve seeds."""
    errors = {"spline": (1.0, 4.0)} | {name: (factor, 4 * factor) for name, factor in factors.items()}
    return {
        name: [{"seed": s, "target": str(k), "test": e, "training": e} for s in range(12) for k, e in enumerate(of)]
        for name, of in errors.items()
    }


def test_w1_compares_every_arm_with_the_one_asked_for():
    results = {2: arms(**{"ReLU, same start": 20.0, "MLP": 30.0})}
    asked = high_dimension.asked_of("test")(high_dimension.compared(results))
    told = {e.name: (e.value, e.holds) for e in asked if e.decides}
    assert told == {
        "error of ReLU, same start over spline, d = 2": (pytest.approx(20.0), True),
        "error of MLP over spline, d = 2": (pytest.approx(30.0), True),
    }
    size = high_dimension.QUICK.but(dimensions=(3, 5))
    coordinates = arms(**{high_dimension.IN_SPLINE_COORDINATES: 2.0, "other": 50.0})
    assert high_dimension.mutations(size, results, coordinates) == {
        "the ReLU basis preconditions": "refuted",
        "the ReLU basis with steps in spline coordinates": "refuted",
    }
    coordinates = arms(**{high_dimension.IN_SPLINE_COORDINATES: 20.0, "other": 2.0})
    assert "holds" in high_dimension.mutations(size, results, coordinates).values()


# Altered claims: each is refuted where the claim holds, and holds where it is true itself


SIZES = np.array([16, 32, 64])


def f2(*slopes):
    return relu_form_accuracy.verdict(SIZES, {r: 1e-16 * SIZES**s for r, s in zip((2, 3), slopes, strict=True)}, 1e-16)


def conditions(order, sizes, **values):
    return {"order": order, "intervals": [s - 1 for s in sizes], "dims": sizes, "conditions": values}


def m2(jacobi, total, diagonal=(True, True)):
    step = 129 / 65
    results = [
        conditions(
            r, [33, 65, 129], **{"Jacobi": [9, 1, step**a], "sum over levels": [9, 2, 2 * step**b], "plain": [9, 1, 4]}
        )
        for r, a, b in zip((2, 3), jacobi, total, strict=True)
    ]
    return multilevel_preconditioners.relu_verdict(list(diagonal), results)


def m3(jacobi=(10.0, 9.0, 11.0), total=(10.0, 20.0, 30.0), h1=(1.0, 4.0, 12.0), h1_total=(9.0, 10.0, 12.0)):
    mass, energy = (
        [conditions(2, [17, 65, 257], **{"Jacobi": list(a), "sum over levels": list(b)})]
        for a, b in ((jacobi, total), (h1, h1_total))
    )
    return multilevel_preconditioners.spline_verdict(mass, energy)


def h4(start):
    beyond = proven(state=TRAINED, spline=(5e21, 6e21), scaled=(5e21, 6e21), float64=6e21 * (1 + 5e-7))
    return certified_conditions.verdict([start | {"widths": [2, 1, 1], "node map": "affine"}, beyond])


ALTERED = {
    "F2": (f2, (1.29, 1.71), {"growth like n^r": (2.29, 2.71), "no growth": (0.29, -0.29)}),
    "M2": (m2, ((4.29, 5.71), (4.0, 6.0)), {
        "scaling takes one power of n": ((3.29, 4.71), (4.0, 6.0)), "bounded": ((4.0, 6.0), (0.29, -0.29)),
    }),
    "M3": (m3, (), {
        "the sum over levels is bounded as Jacobi is": ((10.0, 9.0, 11.0), (10.0, 20.0, 11.0)),
        "the sum over levels is worse for the H1 inner product too": (
            (10.0, 9.0, 11.0), (10.0, 20.0, 30.0), (1.0, 4.0, 12.0), (9.0, 10.0, 12.1)),
        "Jacobi is bounded for the H1 inner product": ((10.0, 9.0, 11.0), (10.0, 20.0, 30.0), (11.0, 4.0, 12.0)),
    }),
    "H4": (h4, (proven(),), {
        "all condition numbers beyond 1e20": (proven((2e20, 3e20), scaled=(4e20, 5e20), rank=4),),
        "the ReLU powers have the lower one": (proven(relu=(1.0, 2.0), rank=4),),
        "scaling the ReLU powers is enough": (proven(spline=(200.0, 210.0), rank=4),),
    }),
}  # fmt: skip
"""Row -> verdict of numbers, numbers of which the claim holds, and by name those of which an altered claim does."""


@pytest.mark.parametrize("row", ALTERED)
def test_altered_claims_hold_where_they_are_true_and_not_where_the_claim_is(row, monkeypatch):
    monkeypatch.setattr(
        multilevel_preconditioners, "injections_are_diagonal", lambda order, seed, re_extended=False: False
    )
    verdict, meets, altered = ALTERED[row]
    made = verdict(*meets)
    assert (made.id, made.status, set(made.mutations.values())) == (row, "holds", {"refuted"})
    for name, data in altered.items():
        assert verdict(*data).mutations[name] == "holds"
        others = {other: status for other, status in verdict(*data).mutations.items() if other not in altered}
        assert set(others.values()) <= {"refuted"}


def test_m2_is_altered_as_it_says():
    asked = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            multilevel_preconditioners,
            "injections_are_diagonal",
            lambda *at, re_extended: asked.append((*at, re_extended)) or True,
        )
        made = m2((4.1, 5.9), (3.9, 6.2), (True, False, True))
    assert asked == [(3, 0, True), (4, 0, True)]
    assert (made.status, made.mutations["diagonal with re-extended knots as well"]) == ("refuted", "holds")


def tails(outside, on, off, leaving=0.0, loss=1.0, node_map="affine"):
    """A refined network of D1: changes over contributions and over the largest value, and what leaves the domain."""
    changes = {"on samples": on, "off samples": off, "outside": outside, "node_map": node_map}
    return changes | {"activations outside": leaving, "loss after over before": loss}


def test_d1_tells_what_refining_changes_and_alters_refinements_as_it_says(monkeypatch):
    altered = []
    monkeypatch.setattr(nested_hierarchies, "spoilt", lambda change: altered.append(change(np.arange(4.0))) or LOST)
    monkeypatch.setattr(nested_hierarchies, "refitted", lambda: LOST)
    invariant = [
        tails("linear", (1e-15, 3e-15), (2e-15, 4e-15), 0.25),
        tails("polynomial", (5e-15, 6e-15), (0.0, 7e-15), 0.75),
        tails("linear", (0.0, 0.0), (0.0, 0.0), 0.9, node_map="sigmoid"),
    ]
    natural = [tails("natural", (0.1, 0.0), (0.3, 0.0), 0.5, loss) for loss in (2.0, 3.0, 8.0)]
    inserted, stay = (tails("natural", (size, 0.0), (size, 0.0)) for size in (1e-16, 0.2))
    made = nested_hierarchies.splines_verdict(invariant, [*natural, stay], [inserted])
    assert (made.status, set(made.mutations.values())) == ("holds as corrected", {"refuted"})
    assert np.array_equal(altered, [[0.0, 0.5, 1.0, 1.5], [3.0, 0.0, 1.0, 2.0]])
    assert [text for text in numbers(made.measured) if "e-" in text] == [
        "5.0e-15", "4.0e-15", "7.0e-15", "1.0e-16", "3.0e-01",
    ]  # fmt: skip
    assert "becomes 2 to 8 times what it was (median 3)" in made.measured
    assert "(50% of hidden activations outside, median)" in made.measured
    assert made.measured.endswith("on the samples (3 of 4 networks)")
    assert nested_hierarchies.splines_verdict(invariant, natural, natural).status == "refuted"
    assert nested_hierarchies.splines_verdict(invariant, invariant, invariant).status == "holds"


LOST = {"on samples": (1.0, 1.0), "off samples": (1.0, 1.0)}
