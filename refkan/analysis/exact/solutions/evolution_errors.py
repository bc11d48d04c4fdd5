r"""Proven error bounds of networks as solutions of Burgers' and reaction-diffusion equations, by Gronwall's lemma.

    u_t + F(u)_x = nu u_xx + G(u) + f(x, t)   in a < x < b, t_0 < t < T,    u = u_0(x) at t_0,

with u = g(x, t) at both ends, or u and u_x the same at both. Let v be a network and w = v - p, with p the polynomial of
degree 1 or 2 in x, its coefficients functions of t, that gives w the values g at both ends, or makes it periodic. Then
e = w - u is zero at both ends, or periodic, and with the residual rho = w_t + F(w)_x - nu w_xx - G(w) - f

    e_t + A e_x = nu e_xx + c e + rho,    A = F'(u),    c = G'(.) - F''(.) w_x    at numbers between u and w.     (1)

*Theorem.* Let u be bounded, continuous but at the two corners (a, t_0) and (b, t_0), with u_t and u_xx locally square
integrable (under periodic conditions u_x continuous up to both ends for t > t_0), and F, G analytic, nu > 0. On a slab
s < t < s + tau let |rho| <= R and, wherever |e| < M, c <= k. If |e| <= h at t = s and

    S = max(1, exp(k tau)) (h + R tau) < M,

then |e| <= S on the slab, and |e| <= exp(k tau) h + max(1, exp(k tau)) R tau at its end. Let l be the mean of |e| over
a < x < b, r the greatest mean of |rho|, and G' <= k wherever |e| < M. Then the same holds of l with r and that k: of
F nothing enters.

*Proof.* Let |e| < M up to a time t, and H' = k H + R, H(s) = h: H is at most these bounds. With phi = (e - H - d)_+,
zero near both ends, (1) gives

    d/dt int phi^2/2  <=  -nu int phi_x^2 - int A phi phi_x + |k| int phi (phi + d)  <=  C int phi^2 + |k| d int phi

since c e <= k e and rho <= R where e > 0. At s the integral is zero, the limit of those at later times as e is bounded;
so phi = 0 by Gronwall's lemma with d -> 0, and so for -e. Thus sup |e| <= H(t) <= S < M: it is continuous in t > s,
near h at first, and cannot reach M. For l take j(e), convex, with j' = sign(e) for |e| > 2 d, zero for |e| < d, and
j'' <= 1/d between. With F(w) - F(u) = B e and G(w) - G(u) = q e

    d/dt int j(e)  =  int j' (q e + rho) + int j'' e_x (B e - nu e_x)  <=  int j' (q e + rho) + int j'' (B e)^2/(4 nu),

and the last integrand is at most 4 d sup B^2/(4 nu). Periodic ends leave no terms, as e, e_x, w and u agree there.

Residuals of networks v in u_t + F(u)_x = nu u_xx + G(u) + f, once they have the values that u has at both ends.

What is bounded is w = v - p, p the polynomial in x that p(a) = v - g, p(b) = v - g at both ends, or has the differences
of v and v_x between them. Its coefficients are functions of t, Taylor numbers of the network at both ends.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from refkan.analysis.exact.enclosures.float_intervals import (
    SMALLEST,
    Intervals,
    concatenated,
    down,
    in_tasks,
    joined,
    quiet,
    up,
)
from refkan.analysis.exact.enclosures.network_intervals import IntervalNetwork
from refkan.analysis.exact.enclosures.subdivision import CHUNK
from refkan.analysis.exact.enclosures.taylor_intervals import Expansion, TaylorIntervals, narrowed, variables
from refkan.analysis.exact.solutions.equation_functions import Order, applied, evaluated, posed_equation
from refkan.base import FloatArray, Frozen, Natural, check_positive
from refkan.networks import Network

FIRST, SECOND, TIME = (1, 0), (2, 0), (0, 1)
"""Derivatives in x, and in t."""


class EvolutionEquation(NamedTuple):
    """An equation, and a network that is to solve it, over boxes (B, 2) of x and t.

    Attributes
    ----------
    steps : IntervalNetwork
        v.
    ends : array (2, 2)
        Of x and t.
    boundary, nu, flux, reaction, source
        g, nu, F, G and f.
    order : int
        Degree of the Taylor polynomials.
    """

    steps: IntervalNetwork
    ends: FloatArray
    boundary: Callable[..., Any] | None
    nu: float
    flux: Callable[..., Any] | None
    reaction: Callable[..., Any] | None
    source: Callable[..., Any] | None
    order: int

    def expanded(self, boxes: Intervals) -> tuple[Expansion, Expansion]:
        """w = v - p, and p."""
        v, (left, right) = self.steps.sweep(boxes, self.order), (self._at_end(end, boxes) for end in self.ends[0])
        p = Expansion(
            self._fitted(left.centre, right.centre, Intervals.of(boxes.middle)),
            self._fitted(left.over, right.over, boxes),
            v.reach,
            np.minimum(left.smoothness, right.smoothness) - (self.boundary is None),
        )
        smoothness = np.minimum(v.smoothness, p.smoothness)
        return Expansion(v.centre[:, 0] - p.centre, v.over[:, 0] - p.over, v.reach, smoothness), p

    def _at_end(self, end: float, boxes: Intervals) -> Expansion:
        """The network at an end of x, less its value there."""
        boundary, order = self.boundary, self.order + (self.boundary is None)
        face = Intervals(*(np.stack([np.full(len(t), end), t], axis=1) for t in (boxes.lo[:, 1], boxes.hi[:, 1])))

        def mismatch(y: TaylorIntervals, at: Intervals) -> TaylorIntervals:
            return y[:, 0] if boundary is None else y[:, 0] - evaluated("boundary", boundary, at, order)

        return self.steps.sweep(face, order).map(mismatch, face)

    def _fitted(self, left: TaylorIntervals, right: TaylorIntervals, at: Intervals) -> TaylorIntervals:
        """The polynomial p in x: `left` and `right` at the ends, or with their differences of values and slopes."""
        a, b = map(Intervals.of, self.ends[0])
        s = (variables(at, self.order)[0] - float(a.lo)) * Intervals.of(1.0).over(b - a)
        if self.boundary is not None:
            return _of_time(left) + _of_time(right - left) * s
        turn = _of_time((right - left).derivative(FIRST)) * ((b - a) * Intervals.of(0.5))
        return _of_time(right - left) * (s - 0.5) + turn * (s * s - s)

    def over_cells(self, boxes: Intervals) -> Intervals:
        """The residual, p, w and w_x, (B, 4)."""
        w, p = self.expanded(boxes)
        rho = w.map(self._residual, boxes)._replace(smoothness=w.smoothness - 2)
        value = w.over.zero
        return joined([narrowed(rho, value), narrowed(p, value), narrowed(w, value), narrowed(w, FIRST)], 1)

    def _residual(self, w: TaylorIntervals, at: Intervals) -> TaylorIntervals:
        order = w.order - 2
        rho = w.derivative(TIME) - w.derivative(SECOND) * Intervals.of(self.nu)
        if self.flux is not None:
            rho = rho + applied("flux", self.flux, w).derivative(FIRST)
        if self.reaction is not None:
            rho = rho - applied("reaction", self.reaction, w)
        if self.source is not None:
            rho = rho - evaluated("source", self.source, at, order)
        return TaylorIntervals({index: part for index, part in rho.parts.items() if sum(index) <= order}, order)

    def at_start(self, initial: Callable[..., Any], boxes: Intervals) -> Intervals:
        """w - u_0 (B)."""
        e = self.expanded(boxes)[0].map(
            lambda w, at: w - evaluated("initial", lambda x, t: initial(x), at, w.order), boxes
        )
        return narrowed(e, e.over.zero)

    def rates(self, w: Intervals, slope: Intervals, M: float) -> tuple[float, float]:
        """Upper bounds of G', and of G' - F'' w_x, at numbers within M of w."""
        z = Intervals(down(w.lo - M), up(w.hi + M))[:, None]

        def coefficient(name: str, function: Callable[..., Any] | None, k: int) -> Intervals:
            zero = Intervals.of(np.zeros_like(w.lo))
            return zero if function is None else evaluated(name, function, z, k).parts.get((k,), zero)

        reaction = coefficient("reaction", self.reaction, 1)
        bend = coefficient("flux", self.flux, 2) * Intervals.of(2.0)
        return float(reaction.hi.max()), float((reaction - bend * slope).hi.max())


def _of_time(y: TaylorIntervals) -> TaylorIntervals:
    """At a given x, as a function of x and t."""
    return TaylorIntervals({index: part for index, part in y.parts.items() if not index[0]}, y.order)


TRIALS = 40
"""Bounds M that are tried on a slab, each twice what the one before ends with."""


class CertifiedEvolution(Frozen, eq=True):
    """Proven bounds of the error of a network v that approximates the solution u of an equation in x and t.

    Attributes
    ----------
    residual, initial : float
        Of the residual of w = v - p, which has the values at the ends; of |w - u| at the first time.
    boundary : float
        Of |p|: of |v - g| at the ends, or by how much v is not periodic.
    greatest : float
        Of |v - u| at all x and t; infinite where it is not proven.
    mean : float
        Of the mean of |v - u| over x, at every t; infinite where it is not proven.
    unproven : str
        Which hypothesis fails, and when; empty if none does.

    Examples
    --------
    A network that is zero is 1 off a solution that is 1:

    >>> import refkan as rk
    >>> net = rk.kan([2, 1], order=3, intervals=1)
    >>> bounds = rk.exact.certified_evolution(
    ...     net, [0.0] * 6, lambda x: 1.0, lambda x, t: 1.0, [[0, 1], [0, 1]], 1.0, cells=2)
    >>> isinstance(bounds, rk.exact.CertifiedEvolution), round(bounds.greatest, 9), round(bounds.boundary, 9)
    (True, 1.0, 1.0)
    """

    residual: float
    initial: float
    boundary: float
    greatest: float
    mean: float
    unproven: str


def certified_evolution(
    net: Network,
    theta: Any,
    initial: Callable[..., Any],
    boundary: Callable[..., Any] | None,
    box: Any,
    diffusion: float,
    flux: Callable[..., Any] | None = None,
    reaction: Callable[..., Any] | None = None,
    source: Callable[..., Any] | None = None,
    cells: Natural = 64,
    order: Order = 6,
) -> CertifiedEvolution:
    r"""Bound the distance of a network from the solution of u_t + F(u)_x = nu u_xx + G(u) + f in a box of x and t.

    Parameters
    ----------
    net, theta
        As for `enclose`; inputs x and t, one output, continuous first derivatives (splines of order 3 or more).
    initial : callable
        u_0(x), as `source` of `certified_error`.
    boundary : callable or None
        g(x, t), u at both ends; None for u and u_x the same at both ends, periodic.
    box : array (2, 2)
        Ends of x, and of t.
    diffusion : float
        nu.
    flux, reaction : callable, optional
        F(u) and G(u); 0 by default. Burgers' equation has the flux ``lambda u: u * u / 2``.
    source : callable, optional
        f(x, t); 0 by default.
    cells : int
        Parts of x, and slabs of t: more of them make sharper bounds.
    order : int
        Degree of the Taylor polynomials, from 2.

    Returns
    -------
    CertifiedEvolution

    Raises
    ------
    ValueError
        For other numbers of inputs and outputs, networks whose first derivatives jump, an empty box, numbers that are
        no floats, and what `enclose` refuses.
    TypeError
        If a function takes a number out of its arguments, or returns what is neither made of them nor a real constant.

    Notes
    -----
    The bounds hold of every solution of the class in the theorem of `evolution_errors`, the file of this function. They
    grow by exp of the time times the rate: of the greatest error that is sup (G' - F'' v_x), for Burgers' equation the
    steepest descent of v; of the mean sup G', none for Burgers' equation. The residual is enclosed on cells x cells
    boxes: cells that end where pieces of the splines do are bounded by more terms of their Taylor polynomials.

    Examples
    --------
    u = x + t solves u_t + u u_x = u_xx + 1 + x + t, and a spline of order 3 in each input holds it:

    >>> import refkan as rk
    >>> net, line = rk.kan([2, 1], order=3, intervals=1), [-0.5, 0.5, 1.5]
    >>> bounds = rk.exact.certified_evolution(
    ...     net, [*line, *line], lambda x: x, lambda x, t: x + t, [[0, 1], [0, 1]], 1.0,
    ...     flux=lambda u: u * u / 2, source=lambda x, t: x + t + 1, cells=8)
    >>> bounds.greatest < 1e-13, bounds.mean < 1e-13, bounds.unproven
    (True, True, '')
    """
    nu = check_positive("diffusion", diffusion)
    counts, given = {"initial": 1, "boundary": 2, "flux": 1, "reaction": 1, "source": 2}, locals()
    steps, ends = posed_equation(certified_evolution, given, counts, "an evolution", diffusion=nu)
    if (steps.n_inputs, steps.n_outputs) != (2, 1):
        raise ValueError(f"net must map x and t to one output; it maps {steps.n_inputs} inputs to {steps.n_outputs}")
    return _bounded(EvolutionEquation(steps, ends, boundary, nu, flux, reaction, source, order), initial, cells)


@quiet()
def _bounded(equation: EvolutionEquation, initial: Callable[..., Any], cells: int) -> CertifiedEvolution:
    """Cut the box into cells of x and t, and go through the slabs."""
    x, t = (np.linspace(a, b, cells + 1) for a, b in equation.ends)
    low, high = (np.stack(np.meshgrid(x[k:][:cells], t[k:][:cells]), axis=-1).reshape(-1, 2) for k in (0, 1))
    parts = concatenated(in_tasks(equation.over_cells, (Intervals(low, high),), len(low), CHUNK, None))
    rho, p, w, slope = (parts[:, k].reshape(cells, cells) for k in range(4))  # slabs, cells of x
    low, high = (np.stack([each, np.full(cells, t[0])], axis=1) for each in (x[:-1], x[1:]))
    first = equation.at_start(initial, Intervals(low, high)).magnitude
    shares = (Intervals.of(x[1:]) - Intervals.of(x[:-1])).over(Intervals.of(x[-1]) - Intervals.of(x[0]))
    start = float(first.max()), float((Intervals.of(first) * shares).sum(0).hi)
    forces = rho.magnitude.max(axis=1), (Intervals.of(rho.magnitude) * shares).sum(1).hi
    greatest, mean, unproven = _through_slabs(equation, (w, slope), t, start, forces)
    off = float(p.magnitude.max())
    greatest, mean = (float(up(bound + off)) for bound in (greatest, mean))
    return CertifiedEvolution(float(rho.magnitude.max()), start[0], off, greatest, min(greatest, mean), unproven)


def _grown(h: float, R: float, k: float, tau: Intervals) -> tuple[float, float]:
    """S, and the bound at the end of a slab of length tau."""
    growth, forced = (Intervals.of(k) * tau).exp().hi, up(R * tau.hi)
    most = np.maximum(growth, 1.0)
    return float(up(most * up(h + forced))), float(up(up(growth * h) + up(most * forced)))


def _through_slabs(
    equation: EvolutionEquation,
    over: tuple[Intervals, Intervals],
    t: FloatArray,
    start: tuple[float, float],
    forces: Any,
) -> tuple[float, float, str]:
    """Bounds of |e| and of its mean at all times, and what is not proven; `forces` are R and r on the slabs."""
    (h, l), (greatest, mean), unproven = start, start, ""
    for j, (R, r) in enumerate(zip(*forces, strict=True)):
        tau = Intervals.of(t[j + 1]) - Intervals.of(t[j])
        S, M = np.inf, 2 * _grown(h, R, 0.0, tau)[0] + SMALLEST
        for _ in range(TRIALS * (not unproven)):
            of_reaction, rate = equation.rates(over[0][j], over[1][j], M)
            S, end = _grown(h, R, rate, tau)
            if S < M:
                break
            M = 2 * S
        else:
            S, end = np.inf, np.inf
            unproven = unproven or (
                f"from t = {t[j]:.6g} on no bound M confirms itself: errors below M = {M:.3g} may grow at the rate "
                f"{rate:.3g}, beyond M"
            )
            of_reaction = 0.0 if equation.reaction is None else np.inf
        L, l = _grown(l, r, of_reaction, tau)
        h, greatest, mean = end, max(greatest, S), max(mean, L)
    return greatest, mean, unproven
