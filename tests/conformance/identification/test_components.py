"""Each line of the tables of components is another than the right one, and is told from the others."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from refkan.conformance.identification import STAGES
from refkan.conformance.identification.components.other_functions import FUNCTIONS
from refkan.conformance.identification.components.other_knots import EXTERIOR, OF_ALL_INPUTS
from refkan.conformance.identification.components.other_recursions import (
    DENOMINATORS,
    NUMERATORS,
    STEPS,
    WEIGHTS,
    recursions,
)
from refkan.conformance.identification.components.size_conditions import CONDITIONS, Sizes, condition
from refkan.conformance.identification.gradients.gauss_newton_matrices import MATRICES
from refkan.conformance.identification.knots_in_use import intervals_of, recursion
from refkan.conformance.identification.known_maps import FACTORS, factor_in_words
from refkan.conformance.identification.stages.larger_layers import VARIED
from refkan.conformance.identification.subject import Subject
from tests.broken_layers.plain_numpy import PlainNumpy

SUBJECT = Subject.of(PlainNumpy())
SPEC = SUBJECT.spec((2, 3), kind="arbitrary")
T, ORDER = SPEC.knots[0], SPEC.order
X = SUBJECT.samples(SPEC, 64)[:, 0]
RIGHT = recursion(T, ORDER, X)


def test_what_is_known_of_a_layer_does_not_change():
    with pytest.raises(FrozenInstanceError):
        SUBJECT.noise = 1.0
    stage, after = STAGES["arithmetic"](SUBJECT)
    assert (stage.differences, after.names, SUBJECT.stages) == ((), set(), ())


@pytest.mark.parametrize("words", EXTERIOR)
def test_exterior_knots_leave_the_breakpoints(words):
    knots, d = EXTERIOR[words](SPEC), SPEC.degree
    assert knots.shape == SPEC.knots.shape
    assert (np.diff(knots, axis=1) >= 0).all()
    np.testing.assert_array_equal(knots[:, d:-d], SPEC.knots[:, d:-d])


@pytest.mark.parametrize("words", OF_ALL_INPUTS)
def test_knots_of_all_inputs_are_others(words):
    knots = OF_ALL_INPUTS[words](SPEC)
    assert knots.shape == SPEC.knots.shape
    assert np.abs(knots - SPEC.knots).max() > 1e-3


def test_lines_of_recursions_give_other_functions():
    lines = dict(recursions(T, ORDER, X, intervals_of(X, T, ORDER)))
    assert len(lines) == len(STEPS) * (len(DENOMINATORS) + len(NUMERATORS) + len(WEIGHTS))
    apart = {words: np.abs(functions - RIGHT).max() for words, functions in lines.items()}
    same = {words for words, off in apart.items() if off < 1e-6}
    assert all(words.startswith("in the first step") or "clipped" in words for words in same), same


def test_a_line_of_the_recursion_is_its_formula():
    (m,) = intervals_of(np.array([0.1]), T, 2)
    lines = dict(recursions(T, 2, np.array([0.1]), np.array([m])))
    both = lines["in the recursion the two weights are exchanged"][0, [m - 1, m]]
    h = T[m + 1] - T[m]
    np.testing.assert_allclose(both, [(0.1 - T[m - 1]) / h, (T[m + 2] - 0.1) / h], rtol=1e-12)


@pytest.mark.parametrize("words", FUNCTIONS)
def test_functions_are_others(words):
    assert np.abs(FUNCTIONS[words](RIGHT) - RIGHT).max() > 1e-3


@pytest.mark.parametrize("name", FACTORS)
def test_a_factor_is_told_by_its_name(name):
    x = np.linspace(-1.7, 2.3, 41) + 1e-3
    with np.errstate(all="ignore"):
        k = FACTORS[name](x)
        assert factor_in_words(x, k) == name
        assert factor_in_words(x, 2 * k) == f"{name}, times 2"
        assert factor_in_words(x, np.cos(5 * x)) == ""


def test_no_two_matrices_are_equal():
    J = np.random.default_rng(0).normal(size=(5, 2, 12))
    each = [matrix(J, (2, 2, 3)) for matrix in MATRICES.values()]
    gaps = [np.abs(a - b).max() for k, a in enumerate(each) for b in each[:k]]
    assert min(gaps) > 1e-3


def test_conditions_tell_sizes_apart():
    sizes = [Sizes(Q, P, n, 9) for Q, P, n in VARIED]
    for words, holds in CONDITIONS.items():
        wrong, right = [s for s in sizes if holds(s)], [s for s in sizes if not holds(s)]
        assert min(len(wrong), len(right)) > 0, words
        told = condition(wrong, right)
        assert told == words or len(wrong) < 2 or [holds(s) for s in sizes] == [CONDITIONS[told](s) for s in sizes]
    assert condition(sizes, sizes) == ""
