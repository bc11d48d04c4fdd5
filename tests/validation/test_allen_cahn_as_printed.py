"""Claim Q0: the printed Allen-Cahn equation is judged ill-posed, equations with other signs are not, mistakes show."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from refkan.training.problems import allen_cahn
from tests.shared.spoiling import spoilt
from tests.shared.tables import each_row
from tests.validation.whole_verdicts import check
from validation.equations.allen_cahn import allen_cahn_as_printed as claim
from validation.ledger import row

SIZES = (128, 256)


@pytest.fixture(scope="module")
def verdict():
    return claim.run(quick=True)[0]


def measured(module, equation):
    return module.measure([equation], SIZES)


def test_the_claim_holds_and_its_mutations_do_not(verdict):
    check(verdict, "holds", 4)
    assert {"diffusion reversed", "both signs reversed"} <= set(verdict.mutations)
    assert row(verdict.id).criterion == "ill-posed as printed"


def test_printed_and_corrected_have_the_signs_of_the_paper_and_of_this_project():
    """As printed, u_t = -eps u_xx + 5 u^3 - 5 u; as taken here, every sign reversed, like refkan.training.problems."""
    printed, corrected = claim.printed(), claim.corrected()
    assert (printed.diffusion, printed.reaction) == (-1e-4, -5.0)
    assert (corrected.diffusion, corrected.reaction) == (allen_cahn.DIFFUSION, allen_cahn.REACTION)
    assert printed.rate(0, 0.0) == -5.0  # the text calls 0 unstable and 1 stable
    assert printed.rate(0, 1.0) == 10.0
    assert np.isclose(printed.rate(100, 0.0), np.pi**2 - 5.0)


def test_signs_decide_one_by_one():
    for diffusion, reaction, expected in ((-1e-4, -5.0, True), (1e-4, -5.0, False), (1e-4, 5.0, False)):
        case = measured(claim, claim.Equation(diffusion, reaction))
        assert claim.ill_posed(case) == expected
        assert claim.rate_error(case) < 1e-4


@each_row(
    "old, new",
    ("decay = -equation.diffusion *", "decay = equation.diffusion *"),
    ("decay = -equation.diffusion * (np.pi *", "decay = -equation.diffusion * (1.0 *"),
    ("equation.reaction * (u - u**3)", "equation.reaction * (u + u**3)"),
    ("self.reaction * (1 - 3 * state**2)", "self.reaction * (1 - 2 * state**2)"),
    ("spectrum[0] *= 2", "pass"),
    ("a[0] /= 2", "pass"),
)
def test_sabotage_of_the_system_refutes_the_claim(old, new):
    module = spoilt(claim, old, new)
    with np.errstate(all="ignore"):
        assert not module.ill_posed(measured(module, module.printed()))


def test_transforms_are_inverse(rng):
    a = rng.standard_normal(9)
    x = np.arange(36) / 18
    np.testing.assert_allclose(claim.values(a, 36), np.cos(np.pi * np.outer(x, np.arange(9))) @ a, atol=1e-13)
    np.testing.assert_allclose(claim.coefficients(claim.values(a, 36), 8), a, atol=1e-14)


def test_the_corrected_system_is_the_reference():
    """The claim's own Galerkin system, with both signs reversed, follows refkan.training.problems.allen_cahn."""
    modes = 192
    fine = np.arange(4096) / 2048
    x = np.where(fine > 1, fine - 2, fine)
    start = claim.coefficients(x**2 * np.cos(np.pi * x), modes)
    rate = claim.derivative(claim.corrected(), modes)
    run = solve_ivp(rate, (0.0, 0.5), start, method="DOP853", rtol=1e-9, atol=1e-12)
    u = claim.values(run.y[:, -1], 1024)[:513]
    points = np.column_stack([np.arange(513) / 512, np.full(513, 0.5)])
    reference = allen_cahn.reference(modes=384, tolerance=1e-3)
    np.testing.assert_allclose(u, reference(points)[:, 0], atol=2e-6)
