"""The adapters of docs/other_splines.py: SciPy passes, and its page says what identification says."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from refkan.conformance import Judge, catalogue, identify

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "other-splines.md").read_text()


def adapters():
    spec = importlib.util.spec_from_file_location("other_splines", DOCS / "other_splines.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def judged(adapter, select):
    """Statuses of the cases that apply."""
    findings = Judge(adapter).run(catalogue(["float64"], select))
    return [finding.status for finding in findings if finding.status != "not applicable"]


def test_scipy_has_the_values_derivatives_and_ends_of_the_page():
    statuses = judged(adapters().Scipy(), ["degree-3/"])
    assert len(statuses) > 100  # interior points, knots, ends, outside; uniform, clamped and repeated knots
    assert set(statuses) == {"passed"}


def test_a_wrong_right_end_is_noticed():
    class HalfOpen(adapters().Scipy):
        """The last knot counts to the interval beyond, where the basis has fallen to zero."""

        def spline(self, knots, coefficients, degree, spec):
            s = super().spline(knots, coefficients, degree, spec)
            return lambda x, d: np.where(x == spec.domain[1], 0.0, s(x, d))

    assert "failed" in judged(HalfOpen(), ["degree-3/uniform/ends"])


@pytest.fixture
def same_random_numbers():
    """Libraries that are imported in a test may draw from numpy.random."""
    state = np.random.get_state()  # noqa: NPY002
    yield
    np.random.set_state(state)  # noqa: NPY002


@pytest.mark.parametrize(
    ("name", "package"),
    [("Scipy", "scipy"), ("Interpax", "interpax"), ("Torchcurves", "torchcurves"), ("Splinebox", "splinebox")],
)
@pytest.mark.exhaustive
@pytest.mark.usefixtures("same_random_numbers")
def test_identification_says_what_the_page_says(name, package):
    pytest.importorskip(package)
    found = identify(getattr(adapters(), name)())
    words = " ".join(PAGE.split())
    assert all(" ".join(str(difference).split()) in words for difference in found.differences)
    assert bool(found.differences) == (name in {"Torchcurves", "Splinebox"})
