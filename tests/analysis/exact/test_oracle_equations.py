"""`certified_error` of networks near the solutions of problems that are known in closed form."""

import numpy as np
import pytest

from tests.analysis.exact.oracles import draws, equations
from tests.analysis.exact.oracles.attacks import Counts


@pytest.mark.filterwarnings("ignore::refkan.base.errors.OutsideDomainWarning")
@pytest.mark.parametrize("kind", equations.KINDS)
def test_errors_and_residuals_are_below_their_bounds(kind):
    """Lap u + k^2 u = f and div(c grad u) = f, on a line and in the plane, within the domain and beyond."""
    false, counts = [], Counts()
    for seed in draws.cases(2):
        rng = np.random.default_rng([13, equations.KINDS.index(kind), seed])
        false += [(seed, text) for text in equations.attack_error(rng, kind, counts)]
    assert counts["bounds"], counts
    assert not false, f"{len(false)} of {counts['bounds']}: {false[:3]}"
