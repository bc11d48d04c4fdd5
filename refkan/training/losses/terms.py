r"""Terms of a collocation loss: residuals at points as functions of a network's values and derivatives there."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base import Array, FloatArray, Frozen, Natural, check_annotated, lazy
from refkan.base.arguments import as_array, check_function, check_positive, check_sequence, check_type, real
from refkan.base.short_reprs import short
from refkan.checks import jacobian_check
from refkan.training.losses.attention import Attention
from refkan.training.losses.sides import Side

SANE = 1e100
"""Where arguments are no larger than this in size, a NaN is a residual's own, not the overflow of a diverging run."""

SAMPLED = 5
"""Points at which partial derivatives are checked."""


class Term(Frozen):
    r"""A weight times the mean square of a residual at points.

    ``residual(x, u, u_1, ..., u_K, u_11, ...)`` is a function of the points x (n, P) of the (first) side and of the
    network's value, its first derivatives along the K directions, and its second derivatives along those of order 2;
    with two sides the same quantities of the second side follow. Each quantity is an array (n,), or (n, Q) for a
    network of Q > 1 outputs. The function must act point by point; several threads call it, each with a part of the
    points.

    Parameters
    ----------
    name : str
    sides : Side, or pair of Side
        Two of them for residuals that compare the network at two points, or from two sides.
    residual : callable
        Returns (n,) or (n, R).
    partials : callable
        With the same arguments, a sequence of the derivatives of the residual by each quantity, in their order: each
        broadcastable to (n,), or to (n, R, Q) where R or Q is not 1. Zeros may be given as the number 0.
    weight : float
    components : int
        R: what a residual counts at a point is the sum of squares of its components.
    data : array (N, ...) or callable, optional
        Given for each point, and passed on as the keyword ``data``: a right-hand side, say, which is not computed
        again for every theta. A callable makes them from the points of the (first) side, so that these can be redrawn.
    attention : Attention, optional
        Weights lambda_i with which the residuals are multiplied.

    Raises
    ------
    ValueError, TypeError
        On sides with different numbers of points, data or attention for another number of points, and functions that
        cannot be called with the points, the quantities of all sides and, where there are data, ``data``.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> side = rk.Side([[0.25], [0.5]], first=[[1.0]])
    >>> term = rk.Term(  # u'' = 6 x
    ...     "equation", side, lambda x, u, ux, uxx: uxx - 6 * x[:, 0], lambda x, u, ux, uxx: (0.0, 0.0, 1.0))
    >>> problem = rk.Collocation(rk.kan([1, 1], order=4, intervals=1), [term])
    >>> problem.value([0.0, 0.0, 0.0, 6.0]) < 1e-28  # the coefficients of x^3
    True
    """

    name: str
    sides: tuple[Side, ...]
    residual: Callable[..., Any]
    partials: Callable[..., Sequence[Any]]
    weight: float = 1.0
    components: Natural = 1
    data: Any = None
    attention: Attention | None = None

    def __post_init__(self) -> None:
        check_annotated(Term, {"attention": self.attention, "name": self.name, "components": self.components})
        sides: tuple[Any, ...] = (self.sides,)
        if not isinstance(self.sides, Side):
            sides = tuple(check_sequence("sides", self.sides, "Sides"))
        if not sides:
            raise ValueError(f"term {self.name!r} must have a side; got none")
        for side in sides:
            check_type("sides", side, Side)
        vars(self).update(sides=sides, weight=check_positive("weight", self.weight))
        counts = {side.points.shape[0] for side in sides}
        if len(counts) > 1:
            raise ValueError(
                f"the sides of term {self.name!r} must have as many points as each other; got {sorted(counts)}"
            )
        if self.data is not None and not callable(self.data):
            vars(self).update(data=self.known)
        _ = self.known  # raises where data do not fit
        self._check_functions()
        if self.attention is not None and self.attention.n_points != self.n_points:
            raise ValueError(
                f"attention of term {self.name!r} must be for {self.n_points} points; got {self.attention.n_points}"
            )

    def _check_functions(self) -> None:
        """Refuse a residual or partials that cannot be called with the points, all quantities and the data."""
        names = ["x", *self.sides[0].names]
        for number, side in enumerate(self.sides[1:], 2):
            names += [f"{name} of side {number}" for name in side.names]
        keywords = () if self.data is None else ("data",)
        for function in ("residual", "partials"):
            where = f"{function} of term {self.name!r}"
            try:
                check_function(where, getattr(self, function), len(names), *keywords)
            except TypeError as error:
                raise TypeError(f"{error}; the arguments are {', '.join([*names, *keywords])}") from None

    @lazy
    def known(self) -> Array | None:
        """The data at the points, (N, ...); None without."""
        if self.data is None:
            return None
        given = self.data
        if callable(given):
            given = given(self.sides[0].points)
        data = real("data", as_array("data", given)).copy()
        if data.ndim == 0 or data.shape[0] != self.n_points:
            raise ValueError(
                f"data of term {self.name!r} must have {self.n_points} entries, one for each point; "
                f"got shape {data.shape}"
            )
        data.flags.writeable = False
        return data

    @property
    def n_points(self) -> int:
        """Number of points N."""
        return self.sides[0].points.shape[0]

    @property
    def n_residuals(self) -> int:
        """Number of residuals N R."""
        return self.n_points * self.components

    @property
    def derivative_order(self) -> int:
        """The highest derivative in x that the residual uses."""
        return max(side.seeds.channels.order for side in self.sides)

    @property
    def factors(self) -> FloatArray:
        """The factors sqrt(weight/N) lambda_i (N,) of the residuals; the squares of the products add up to value."""
        root = np.sqrt(self.weight / self.n_points)
        if self.attention is None:
            return np.full(self.n_points, root)
        return root * self.attention.weights

    def at(self, *points: Any, data: Any = None) -> "Term":
        """Return the same term at new points, one array for each side, with its attention restarted."""
        if len(points) != len(self.sides):
            raise ValueError(f"term {self.name!r} has {len(self.sides)} sides; got points for {len(points)}")
        if data is None and callable(self.data):
            data = self.data
        if data is None and self.data is not None:
            raise ValueError(f"term {self.name!r} needs data with new points")
        if data is not None and self.data is None:
            raise ValueError(f"term {self.name!r} takes no data with new points")
        sides = tuple(side.at(new) for side, new in zip(self.sides, points, strict=True))
        attention = self.attention
        if attention is not None:
            attention = attention.restart(sides[0].points.shape[0])
        return replace(self, sides=sides, data=data, attention=attention)

    def quantities(self, jets: Sequence[Array]) -> list[Array]:
        """Return all arguments of the residual except x and data, from the jets of the sides."""
        return [part for side, jet in zip(self.sides, jets, strict=True) for part in side.quantities(jet)]

    def evaluate(self, rows: slice, quantities: Sequence[Array]) -> Array:
        """Return the residuals (n, R) at some of the points.

        Raises
        ------
        ValueError
            If the residual has another shape, or is NaN where its arguments are finite: the first points are named.
        """
        x = self.sides[0].points[rows]
        with np.errstate(all="ignore"):
            given = self.residual(x, *quantities, **self._keywords(rows))
            r = np.asarray(given)
        n, R = x.shape[0], self.components
        if r.dtype.kind not in "biufc":
            raise TypeError(f"the residual of term {self.name!r} must be an array of numbers; got {given!r:.80}")
        if r.shape != (n, R) and not (R == 1 and r.shape == (n,)):
            expected = f"({n},)" if R == 1 else f"({n}, {R})"
            raise ValueError(
                f"the residual of term {self.name!r} must have shape {expected} at {n} points; got {r.shape}"
            )
        r = r.reshape(n, R)
        self._require_numbers("residual", r, rows, quantities)
        return r

    def differentiate(self, rows: slice, quantities: Sequence[Array], n_outputs: int) -> list[FloatArray]:
        """Return the derivatives of the residuals by the channels of each side's jet, arrays (n, R, channels, Q).

        Raises
        ------
        ValueError
            If there are not as many as quantities, or one has another shape or is NaN.
        """
        x = self.sides[0].points[rows]
        with np.errstate(all="ignore"):
            given = self.partials(x, *quantities, **self._keywords(rows))
        came = type(given).__name__
        if isinstance(given, Sequence):
            came = str(len(given))
        if came != str(len(quantities)):
            raise ValueError(
                f"partials of term {self.name!r} must return a sequence, one derivative for each of {len(quantities)} "
                f"quantities; got {came}"
            )
        n, R, Q = x.shape[0], self.components, n_outputs
        single = R * Q == 1
        parts = [np.empty((n, R, len(side.numbers), Q)) for side in self.sides]
        places = [part[:, :, c] for part, side in zip(parts, self.sides, strict=True) for c in side.numbers]
        for number, (entry, place) in enumerate(zip(given, places, strict=True)):
            kind = np.asarray(entry).dtype.kind
            if kind not in "biuf":
                came = "complex ones" if kind == "c" else short(entry)
                raise TypeError(f"partials of term {self.name!r} must be real; got {came} for quantity {number}")
            try:
                if single:
                    place[:, 0, 0] = entry
                else:
                    place[...] = entry
            except (ValueError, TypeError):
                shape = (n,) if single else (n, R, Q)
                raise ValueError(
                    f"partials of term {self.name!r} must be broadcastable to {shape}; "
                    f"got shape {np.shape(entry)} for quantity {number}"
                ) from None
        if any(np.isnan(part).any() for part in parts):
            for number, place in enumerate(places):
                self._require_numbers(f"derivative by quantity {number}", place, rows, quantities)
        return parts

    def check_partials(self, n_outputs: int = 1) -> None:
        """Compare `partials` with derivatives of `residual` by complex steps or differences, at random quantities.

        Raises
        ------
        ValueError
            With the table of the entries that differ.
        """
        check_annotated(Term.check_partials, locals())
        rows = slice(0, min(SAMPLED, self.n_points))
        n, count = rows.stop, sum(side.seeds.channels.count for side in self.sides)
        shape = (count, n) if n_outputs == 1 else (count, n, n_outputs)

        def jacobian(q: Array) -> Array:
            J = np.zeros((n, self.components, count, n, n_outputs))
            parts, first = self.differentiate(rows, list(q), n_outputs), 0
            for side, part in zip(self.sides, parts, strict=True):
                behind = first + len(side.numbers)
                for k in range(n):
                    J[k, :, first:behind, k] = part[k][:, side.numbers]
                first = behind
            return J.reshape(n, self.components, *shape)

        start = np.random.default_rng(0).standard_normal(shape)
        report = jacobian_check(lambda q: self.evaluate(rows, list(q)), jacobian, start)
        if not report.ok:
            raise ValueError(f"partials of term {self.name!r} are not the derivatives of its residual:\n{report.table}")

    def _keywords(self, rows: slice) -> dict[str, Array]:
        if self.known is None:
            return {}
        return {"data": self.known[rows]}

    def _require_numbers(self, kind: str, array: Array, rows: slice, quantities: Sequence[Array]) -> None:
        """Raise ValueError at NaN that does not come from overflow."""
        bad = np.isnan(array).reshape(array.shape[0], -1).any(axis=1)
        if not bad.any():
            return
        size = np.max([np.abs(q).reshape(bad.size, -1).max(axis=1) for q in quantities], axis=0)
        own = np.flatnonzero(bad & (size <= SANE))
        if own.size:
            x = self.sides[0].points[rows]
            first = (rows.start or 0) + own[:3]
            where = ", ".join(f"{i} at {x[s].tolist()}" for i, s in zip(first, own, strict=False))
            raise ValueError(
                f"the {kind} of term {self.name!r} must be a number at finite arguments; got NaN at {own.size} of "
                f"{bad.size} points, the first of them {where}"
            )
