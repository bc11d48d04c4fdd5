"""Collocation: wrong residuals and partials, points outside and missing, bad terms, low orders."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

import refkan as rk
from refkan.training.losses import Attention, Collocation, Side, Term, flux_jump, prescribed
from tests.shared.factories import samples
from tests.shared.refusals import refusals, refused
from tests.shared.tables import each_row
from tests.training.losses.collocation_terms import AXES, NU, equation, one_of_each

pytestmark = pytest.mark.filterwarnings("ignore::refkan.base.errors.DiscontinuousLossWarning")  # see test_continuity.py


def network(**options):
    return rk.kan([2, 3, 1], order=4, intervals=2, **options).initialize(np.random.default_rng(0), samples(9))


def test_wrong_partials_are_found_at_construction():
    net, _ = network()
    wrong = replace(equation(samples(9)), partials=lambda x, u, u_x, u_t, u_xx: (u_x, u, 1.0, NU))
    refused(lambda: Collocation(net, [wrong], check=True), "partials of term 'equation' are not the derivatives")
    Collocation(net, [wrong])  # not asked


def test_partials_of_residuals_that_take_no_complex_numbers_are_checked_by_differences():
    net, _ = network()
    term = Term("kink", Side(samples(9)), lambda x, u: np.abs(u).astype(float), lambda x, u: (np.sign(u.real),))
    Collocation(net, [term], check=True)
    with pytest.raises(ValueError, match="partials of term 'kink'"):
        Collocation(net, [replace(term, partials=lambda x, u: (-np.sign(u.real),))], check=True)


@each_row(
    "residual, message",
    (lambda x, u, *_: u[:, None, None], r"the residual of term 'equation' must have shape \(9,\) at 9.*\(9, 1, 1\)"),
    (lambda x, u, *_: u[:-1], r"must have shape \(9,\) at 9 points; got \(8,\)"),
    (lambda x, u, *_: 1.0, r"must have shape \(9,\) at 9 points; got \(\)"),
    (lambda x, u, *_: np.where(np.arange(len(x)) > 6, np.nan, u), "the residual of term 'equation'.*2 of 9"),
    (lambda x, u, *_: u * np.nan, r"NaN at 9 of 9 points, the first of them 0 at \[\S+ \S+\], 1 at [^a]* 2 at [^a]*$"),
)
def test_wrong_residuals_are_refused(residual, message):
    net, theta = network()
    problem = Collocation(net, [replace(equation(samples(9)), residual=residual)])
    refused(lambda: problem.value_and_gradient(theta), message)


test_functions_of_other_arguments_are_refused_at_construction = refusals(
    (
        {"residual": lambda x, u: u},
        r"TypeError: residual of term 'equation' must take 5 arguments; it takes \(x, u\); the arguments are "
        "x, u, u_1, u_2, u_11$",
    ),
    ({"partials": lambda x, u, u_x: 1.0}, r"TypeError: partials of term 'equation' must take 5 arguments; it takes"),
    ({"data": np.ones(9)}, "TypeError: residual of term 'equation' must take 5 arguments and the keyword 'data'"),
    call=lambda change: replace(equation(samples(9)), **change),
)


def test_the_arguments_of_a_term_with_two_sides_are_named():
    sides = Side(samples(9), AXES, orders=(1, 2)), Side(samples(9))
    message = "the arguments are x, u, u_1, u_2, u_22, u of side 2$"
    refused(lambda: Term("jump", sides, lambda x: x, lambda x: x), f"TypeError: residual of term 'jump' .*{message}")


@each_row(
    "partials, message",
    (lambda *_: (1.0, 1.0, 1.0), "one derivative for each of 4 quantities; got 3"),
    (lambda *_: 1.0, "one derivative for each of 4 quantities; got float"),
    (lambda *_: np.ones(4), "must return a sequence, one derivative for each of 4 quantities; got ndarray"),
    (lambda x, u, *_: (u[:-1], u, u, u), r"must be broadcastable to \(9,\); got shape \(8,\) for quantity 0"),
    (lambda x, u, *_: (u, np.nan, u, u), "the derivative by quantity 1 of term 'equation' must be a number"),
)
def test_partials_of_wrong_shape_are_refused(partials, message):
    net, theta = network()
    problem = Collocation(net, [replace(equation(samples(9)), partials=partials)])
    refused(lambda: problem.gradient(theta), message)


LINE, ENDS = rk.kan([1, 1], order=4, intervals=2), prescribed("ends", [[0.0]], 0.0)

test_messages_name_what_was_given = refusals(
    (lambda: prescribed("ends", samples(2), 1j), "TypeError: target must be real numbers; got dtype complex128"),
    (lambda: rk.periodicity("ends", [[0.0]], [[1.0]], [0.0]), "direction must not be zero"),
    (lambda: rk.periodicity("ends", [[0.0]], [[1.0]], [np.nan]), r"direction must be finite; got direction\[0\]"),
    (lambda: rk.periodicity("ends", [[0.0]], [[1.0]], [1.0, 0.0]), "direction must have length 1; got length 2"),
    (lambda: rk.periodicity("ends", [], [], [1.0]), "left must have 2 dimensions"),
    (lambda: rk.periodicity("ends", [[0.0]], [[1.0, 0.0]], [1.0]), r"right must have shape \(N, 1\); got \(1, 2\)"),
    (lambda: Collocation(LINE, [ENDS, 3]), r"TypeError: terms\[1\] must be a Term; got int"),
    (
        lambda: Collocation(LINE, [ENDS]).redrawn({"ends": [[0.0, 1.0]]}),
        r"points of term 'ends' must have shape \(N, 1\); got \(1, 2\)",
    ),
    (
        lambda: Collocation(LINE, [Term("t", Side([[0.5]]), lambda x, u: u, lambda x, u: ("a",))]).gradient([0.0] * 5),
        "TypeError: partials of term 't' must be real; got 'a' for quantity 0",
    ),
)


def test_networks_that_are_not_bound_are_refused_at_construction():
    with pytest.raises(ValueError, match="node map 'affine' after layer 0 is not bound to data"):
        Collocation(rk.kan([2, 3, 1], order=4, intervals=2), [equation(samples(9))])


@pytest.mark.parametrize("target", [lambda x: x, lambda x: np.ones(3)], ids=["(N, P)", "(3,)"])
def test_targets_of_another_shape_are_named(target):
    refused(lambda: prescribed("ends", samples(2), target), r"target of term 'ends' must be a number.*\(2,\)")
    assert prescribed("ends", samples(2), lambda x: 0.5).n_residuals == 2


def test_one_cotangent_that_overflows_leaves_no_gradient():
    net, theta = network()

    def at_first(large, other):
        return np.where(np.arange(other.size) == 0, large, other)

    term = Term("steep", Side(samples(9)), lambda x, u: at_first(1e100, u), lambda x, u: (at_first(1e250, 0 * u + 1),))
    value, gradient = Collocation(net, [term]).value_and_gradient(theta)
    assert value == np.inf
    assert np.isnan(gradient).all()


def test_one_component_that_is_no_number_is_told():
    net, theta = network()
    both = Term("both", Side(samples(9)), lambda x, u: np.stack([u, np.nan * u], 1), lambda x, u: (1.0,), components=2)
    refused(lambda: Collocation(net, [both]).value(theta), "the residual of term 'both' .*NaN at 9 of 9 points")


def test_overflow_is_a_value_not_an_error():
    """A diverging run must be told of its value; only NaN at arguments of sane size is a mistake of the residual."""
    net, theta = network()
    problem = Collocation(net, [equation(samples(9))])
    with np.errstate(all="ignore"):
        value, gradient = problem.value_and_gradient(1e180 * theta)
    assert not np.isfinite(value)
    assert np.isnan(gradient).all()


def test_one_argument_beyond_sane_size_excuses_a_residual():
    """u u_x with u = 0 and an infinite u_x is no number, however small u is."""
    net = rk.kan([1, 1], 3, 1, domain=(0.0, 1e-300))
    term = Term("steep", Side([[0.0]], [[1.0]], orders=1), lambda x, u, u_x: u * u_x * 0, lambda x, u, u_x: (u_x, u))
    with np.errstate(all="ignore"):
        assert np.isnan(Collocation(net, [term]).value(np.array([-1e10, 1e10, 0.0])))


def test_points_outside_a_declared_domain_are_refused():
    net, _ = network()
    for beyond in (1.1, -0.1):
        with pytest.raises(
            rk.OutsideDomainError, match=r"points of term 'equation' must lie in the domain; got points\[2, 1\]"
        ):
            Collocation(net, [equation([[0.1, 0.0], [0.5, 1.0], [0.3, beyond]])], domain=[(0, 1), (0, 1)])
    for ends in ((1, 0), (1, 1), (0, np.nan)):
        with pytest.raises(ValueError, match=r"domain must have a < b for each input; got \(.*\) for input 1"):
            Collocation(net, [equation(samples(9))], domain=[(0, 1), ends])
    Collocation(net, [equation(samples(9))], domain=[(0, np.inf)] * 2)


def test_activations_that_leave_the_domain_name_the_term():
    net, theta = network(outside="error")
    with pytest.raises(rk.OutsideDomainError, match=r"term 'equation', points from number 0 on: layer 1: x must lie"):
        Collocation(net, [equation(samples(9))]).value(3.0 * theta)


def test_sides_must_match():
    left, right = Side(samples(3), AXES[:1], orders=1), Side(samples(4), AXES[:1], orders=1)
    refused(lambda: flux_jump("interface", left, right, (1.0, 2.0)), r"the sides of term 'interface'.*points.*\[3, 4\]")
    refused(lambda: flux_jump("interface", left, Side(samples(3), AXES), (1.0, 2.0)), "one direction of order 1")


test_bad_terms_are_refused = refusals(
    ({"weight": -1.0}, "weight must be finite and positive"),
    ({"sides": ()}, "must have a side"),
    ({"data": np.ones(4)}, "data of term 'equation' must have 9 entries"),
    ({"attention": Attention(4)}, "attention of term 'equation' must be for 9 points; got 4"),
    call=lambda change: replace(equation(samples(9)), **change),
)


def test_bad_problems_are_refused():
    net, _ = network()
    term = equation(samples(9))
    refused(lambda: Collocation(net, [term, term]), "of different names; got")
    refused(lambda: Collocation(net, []), "at least one")
    refused(lambda: rk.Side(np.empty((0, 2)), [[1.0, 0.0]]), "points must hold at least one point; got none")
    refused(lambda: Collocation(net, [prescribed("ends", np.ones((1, 3)), 0.0)]), "must have 2 columns.*3")
    problem = Collocation(net, [term])
    refused(lambda: problem.redrawn({"other": samples(3)}), "points must be for terms equation; got 'other'")
    refused(lambda: problem.redrawn({"equation": samples(3)}, data={"equation": np.ones(3)}), "takes no data")
    refused(lambda: problem.redrawn({"equation": (samples(3), samples(3))}), "has 1 sides; got points for 2")


def test_second_derivatives_of_low_orders():
    """Order 2 is refused, order 3 allowed with one warning for the whole problem, at its construction."""

    def problem(order):
        net = rk.kan([2, 2, 1], order=order, intervals=2, node_map="sigmoid")
        net, theta = net.initialize(np.random.default_rng(0), samples(9))
        return Collocation(net, one_of_each(samples(9))), theta

    refused(lambda: problem(2), "second derivatives in x need splines of order >= 4")
    with pytest.warns(UserWarning, match="the second derivative of splines of order 3 jumps at the knots") as caught:
        cubic, theta = problem(3)
    assert len(caught) == 1
    assert (caught[0].filename, caught[0].lineno) == (__file__, problem.__code__.co_firstlineno + 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cubic.value_and_gradient(theta)
        problem(4)
