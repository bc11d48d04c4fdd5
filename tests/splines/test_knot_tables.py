"""Tables of new knots, made in one pass, against those made one by one; faults of the kernel are noticed."""

import numpy as np
import pytest

from refkan.kernels import tables_of_new_knots
from refkan.splines import local_basis
from refkan.splines.knot_tables import extended_tables
from refkan.splines.knots import extend_uniformly
from refkan.splines.local_basis import KnotTables

BREAKPOINTS = {
    "one interval": [[-1.0, 2.0]],
    "uniform": [np.linspace(0.0, 1.0, 7), np.linspace(-3.0, 1.0, 7)],
    "one of two uniform": [np.linspace(0.0, 1.0, 5), [0.0, 0.1, 0.5, 0.7, 1.0]],
    "graded": [np.linspace(0.0, 2.0, 12) ** 5],
    "all but one in a cell": [[0.0, 1e-9, 2e-9, 3e-9, 4e-9, 1.0]],
    "repeated": [[0.0, 0.0, 0.1, 0.1, 0.4, 1.0, 1.0]],
    "hardly apart": [[1e8, 1e8 + 2e-8, 1e8 + 3e-8, 1e8 + 1e-7]],
    "short domain": [[0.0, 1e-307, 4e-306]],
}


@pytest.fixture(autouse=True)
def _search_everywhere(monkeypatch):
    """Tables in one pass do not look for equal intervals."""
    monkeypatch.setattr(local_basis, "equal_intervals", lambda breakpoints: False)


def agree(breakpoints, order):
    """Whether all tables have the same bits."""
    ours, theirs = extended_tables(breakpoints, order), KnotTables(extend_uniformly(breakpoints, order), order)
    made = vars(ours).keys() - {"order"}
    assert len(made) == 8
    for name in made:
        mine, other = (v if isinstance(v, tuple) else (v,) for v in (getattr(ours, name), getattr(theirs, name)))
        for a, b in zip(mine, other, strict=True):
            assert np.asarray(a).dtype == np.asarray(b).dtype
            if not np.array_equal(a, b):
                return False
    return True


@pytest.mark.parametrize("kind", BREAKPOINTS)
@pytest.mark.parametrize("order", [1, 2, 4, 7])
def test_tables_in_one_pass_are_those_made_one_by_one(kind, order):
    assert agree(np.array(BREAKPOINTS[kind]), order)


def test_tables_of_many_random_knots(rng):
    for n in (3, 17, 40):
        assert agree(np.sort(rng.uniform(-3, 4, (50, n + 1)) ** 3, axis=1), 4)


def test_breakpoints_that_are_no_numbers_lead_to_no_place_outside(rng):
    """Sweeps at parameters that are not finite give NaN, and find their intervals within the tables."""
    for breakpoints in ([[0.0, np.nan, np.nan, 1.0]], [[np.nan] * 4], [[0.0, np.inf, 1.0, 2.0]]):
        guide, _, halvings = extended_tables(np.array(breakpoints), 3).search
        assert guide.min() >= 0
        assert guide.max() <= 2
        assert 0 <= halvings <= 3


@pytest.mark.parametrize("number", range(10))
def test_sabotage_of_a_table_is_noticed(monkeypatch, number):
    """Of each array that the kernel fills, one entry is off by the smallest amount."""
    breakpoints, right = np.array(BREAKPOINTS["one of two uniform"]), tables_of_new_knots.fill_tables

    def faulty(first, last, breakpoints, *tables):
        right(first, last, breakpoints, *tables)
        spoiled = tables[number].reshape(-1)[1:2]
        spoiled[:] = np.nextafter(spoiled, np.inf) if spoiled.dtype.kind == "f" else 2 * spoiled + 1

    assert agree(breakpoints, 4)
    monkeypatch.setattr(tables_of_new_knots, "fill_tables", faulty)
    assert not agree(breakpoints, 4)
