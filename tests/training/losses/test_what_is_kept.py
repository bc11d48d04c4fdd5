"""What is kept of samples and points never shows: the same bits as when everything is computed again."""

import pickle

import numpy as np
import pytest

import refkan as rk
from refkan.splines.sums import input_jet
from refkan.splines.sums.input_jet import FixedJet
from tests.shared.factories import NetworkCase, samples

SHAPE = {"order": 4, "widths": (2, 5, 1)}
"""One for which other tests compile."""

CASES = [
    *(NetworkCase("spline", node_map, **SHAPE) for node_map in ("affine", "mean-std", "min-max", "none")),
    *(NetworkCase(basis, **SHAPE) for basis in ("relu", "silu")),
    NetworkCase("spline", "sigmoid", order=4, widths=(2, 9, 1)),
    NetworkCase("spline", free_knots=True, **SHAPE),
]
N, ROOM = 300, input_jet.KEPT_BYTES


def of_samples(net):
    x = samples(N, reach=0.05)
    return rk.LeastSquares(net, x, np.sin(x.sum(axis=1, keepdims=True)))


def of_points(net):
    side = rk.Side(samples(N), first=np.eye(2), orders=(2, 1))
    transport = rk.Term("transport", side, lambda x, u, u_x, u_y, u_xx: u_x - u, lambda *_: (-1.0, 1.0, 0.0, 0.0))
    return rk.Collocation(net, [transport], quiet=True)


def results(problem, theta):
    found = {name: getattr(problem, name)(theta) for name in ("value", "gradient", "gauss_newton")}
    found["residual"], found["jacobian"] = problem.residual_and_jacobian(theta)
    found["product"] = problem.gauss_newton_vector(theta, np.ones(theta.size))
    return found


def bytes_kept(problem):
    of = [problem.samples] if isinstance(problem, rk.LeastSquares) else [t.sides[0].known for t in problem.terms]
    return sum(jet.kept_bytes for jet in of)


@pytest.mark.parametrize("make", [of_samples, of_points])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_nothing_kept_shows(case, make, monkeypatch):
    """After other parameters, engines and numbers of threads, and with room for a part of it."""
    net, theta = case.start(samples(N))
    expected, problem = {}, make(net)
    for engine in ("plain", "fast"):
        with monkeypatch.context() as patch, rk.use_engine(engine):
            patch.setattr(input_jet, "KEPT_BYTES", 0)
            again = make(net)
            expected[engine] = results(again, theta)
            assert bytes_kept(again) == 0
    for room, runs in ((ROOM, (("plain", 2), ("fast", 1))), (40_000, (("plain", 1), ("fast", 2)))):
        monkeypatch.setattr(input_jet, "KEPT_BYTES", room)
        for engine, threads in runs:
            monkeypatch.setattr("refkan.kernels.launch.thread_count", lambda threads=threads: threads)
            with rk.use_engine(engine):
                problem.gradient(theta + 0.01)
                for name, found in results(problem, theta).items():
                    np.testing.assert_array_equal(found, expected[engine][name], err_msg=f"{engine}, {name}")
        assert bytes_kept(problem) <= room
        if room == ROOM:
            assert (bytes_kept(problem) > 0) is not case.free_knots
        problem = make(net)


def test_the_law_sees_what_is_kept_under_too_short_a_name(monkeypatch):
    right = FixedJet.once
    monkeypatch.setattr(FixedJet, "once", lambda self, owner, name, compute: right(self, owner, name[:1], compute))
    with pytest.raises((AssertionError, IndexError)):
        test_nothing_kept_shows(CASES[0], of_samples, monkeypatch)


def test_samples_are_read_only_copies():
    net, theta = CASES[0].start(samples(N))
    x = samples(N)
    problem = rk.LeastSquares(net, x, np.zeros((N, 1)))
    before = problem.value(theta)
    x[:] = 0.5
    assert problem.value(theta) == pickle.loads(pickle.dumps(problem)).value(theta) == before
    with pytest.raises(ValueError, match="read-only"):
        problem.x[:] = 0.5
    batch = samples(N)
    given = rk.Network(net.layers, net.node_maps, batch)
    batch[:] = 0.5
    np.testing.assert_array_equal(given.statistics, samples(N))
