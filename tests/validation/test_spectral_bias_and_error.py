"""O9: the measures of breadth are those of eigenvalues, counterexamples are found, and what refutes the claim."""

import numpy as np
import pytest

from validation.ledger import row
from validation.literature import spectral_bias_and_error
from validation.literature.spectral_bias_and_error import (
    ARCHITECTURES,
    ELSEWHERE,
    EQUATION,
    PROBLEMS,
    breadths,
    correlation,
    counterexamples,
    posed,
    verdict,
)


def test_breadth_of_known_spectra():
    assert breadths(np.eye(7)) == pytest.approx({"effective-rank": 7.0, "count": 7.0})
    assert breadths(np.diag([1.0, 2e-4, 0.5e-4])) == pytest.approx({"effective-rank": 1.0, "count": 2.0}, rel=1e-3)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_problems_are_posed_as_they_say(problem):
    loss, theta, errors = posed(problem, "spline r=4 n=8", 0, 40)
    kernel = loss.ntk(theta)
    assert kernel.shape == ((22, 22) if problem == EQUATION else (40, 40))
    silent = errors(np.zeros_like(theta))
    assert silent == pytest.approx((1.0, 1.0))  # a network that is zero misses everything


def made(error):
    """Runs of ten architectures with breadth 1 to 10 and errors by a function of the breadth."""
    names = list(ARCHITECTURES)
    return {
        name: {
            s: {"effective-rank": k, "count": k, "loss": 1.0, "error": error(k), ELSEWHERE: 1 / error(k)}
            for s in (0, 1)
        }
        for k, name in enumerate(names, 1)
    }


def test_correlations_and_counterexamples():
    assert correlation(made(lambda k: 1 / k), "count") == pytest.approx(1.0)
    assert correlation(made(float), "count") == pytest.approx(-1.0)
    assert not counterexamples(made(lambda k: 1 / k), "count")
    pairs = counterexamples(made(float), "count")
    names = list(ARCHITECTURES)
    assert (names[9], names[4]) in pairs
    assert (names[9], names[5]) not in pairs  # 10 is less than twice 6
    spoilt = made(float)
    spoilt[names[9]][1]["error"] = 1.0  # not for every seed
    assert (names[9], names[4]) not in counterexamples(spoilt, "count")


def test_criterion_and_spoilt_numbers():
    text = row("O9").criterion
    assert all(part in text for part in ("two of three", "below 0.8", "twice the breadth", "twice the error"))

    def found(*errors):
        return verdict(
            {
                spectral_bias_and_error.GRID.cell(seed, problem=problem, architecture=name): run
                for problem, error in zip(PROBLEMS, errors, strict=True)
                for name, runs in made(error).items()
                for seed, run in runs.items()
            }
        )

    law, reverse, flat = lambda k: 1 / k, float, lambda k: 1 + (k % 2) / 10
    refuting = found(law, law, reverse)
    assert refuting.status == "undecided"
    good = found(law, reverse, flat)
    assert all(reading["holds"] for reading in good.readings)
    assert not good.surviving_mutations
    assert found(law, flat, flat).status == "undecided"  # weak correlations, no counterexample
    assert "holds" in found(law, law, law).mutations.values()  # a law would be seen
