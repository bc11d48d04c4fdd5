"""What is said of an array made from another one by a known matrix along one axis, everywhere or in one slice."""

import numpy as np
import pytest

from refkan.conformance.identification.explanations import explain

AXES = ("sample", "output", "input", "coefficient")
OURS = np.random.default_rng(0).normal(size=(12, 3, 2, 7))
I = np.eye(7)

MATRICES = {
    "reversed coefficients: they are counted from the right": I[::-1],
    "shifted index: they are shifted by +2": np.eye(7, k=-2),
    "constant factor: they are multiplied by 0.25": I / 4,
    "sign: they have the opposite sign": -I,
    "coefficients left out: they of coefficients 2, 5 of 7 do not count": np.diag([1, 1, 0, 1, 1, 0, 1]),
    "factor on one coefficient: they of coefficient 3 of 7 are multiplied by -2": np.diag([1, 1, 1, -2, 1, 1, 1]),
    "coefficients mixed up: they: 1 and 4 are exchanged": I[[0, 4, 2, 3, 1, 5, 6]],
    "coefficients mixed up: they: neighbours are exchanged: 0 and 1, 2 and 3, ...": I[[1, 0, 3, 2, 5, 4, 6]],
    "coefficients mixed up: they: all are those of number 3": I[[3] * 7],
    "coefficients mixed up: they: each is the sum of all": np.ones((7, 7)),
    "coefficients mixed up: they: the mean of all is subtracted from each": I - 1 / 7,
    "coefficients mixed up: they: each is the sum of those up to its own": np.tril(np.ones((7, 7))),
    "coefficients mixed up: they: 2 is 0.5 times number 2 +0.5 times number 6": I - 0.5 * np.outer(I[2], I[2] - I[6]),
}


def by(M, ours):
    return np.einsum("ij,sqpj->sqpi", M, ours)


@pytest.mark.parametrize(("text", "M"), MATRICES.items(), ids=[text[:40] for text in MATRICES])
def test_a_matrix_along_one_axis_is_told(text, M):
    (told,) = explain(by(M, OURS), OURS, AXES, 1e-12, "they")
    assert str(told).startswith(text)
    assert told.evidence.get("place", "") == ""


@pytest.mark.parametrize(("text", "M"), MATRICES.items(), ids=[text[:40] for text in MATRICES])
def test_it_is_told_where_the_rest_is_right(text, M):
    theirs = OURS.copy()
    theirs[:, 1] = by(M, OURS[:, 1:2])[:, 0]
    (told,) = explain(theirs, OURS, AXES, 1e-12, "they")
    name = text.split(":")[0]
    assert "output 1" in str(told), told
    if name not in ("constant factor", "sign"):
        assert told.name == name
    else:
        assert (told.name, told.evidence["indices"]) == ("factor on one output", [1])


def test_equal_arrays_need_no_explanation_and_noise_has_none():
    noise = np.random.default_rng(1).normal(size=OURS.shape)
    assert explain(OURS + 1e-13 * noise, OURS, AXES, 1e-12, "they") == []
    assert explain(OURS + 1e-3 * noise, OURS, AXES, 1e-12, "they") is None
    assert explain(noise, OURS, AXES, 1e-12, "they") is None


def test_an_order_of_one_axis_and_a_factor_along_another_are_two_differences():
    theirs = OURS[:, ::-1].copy()
    theirs[:, :, 1] *= 3
    assert [one.name for one in explain(theirs, OURS, AXES, 1e-12, "they")] == [
        "reversed outputs",
        "factor on one input",
    ]
