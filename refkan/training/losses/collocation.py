r"""Collocation: differential equations and their conditions as sums of mean squares of residuals at points."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import InitVar, field, replace
from typing import Any

import numpy as np
from scipy.linalg.blas import dsyrk

from refkan.base import Array, FloatArray, Frozen, OutsideDomainError, check_annotated
from refkan.base.arguments import as_samples, as_vector, check_flag, check_sequence, check_type, numbers, real
from refkan.kernels.launch import run_blocks
from refkan.networks import Network
from refkan.networks.hessians.memory import chunk_size, mirror, require_memory
from refkan.networks.node_maps.node_map import Constants
from refkan.networks.sweeps.sample_blocks import block_slices
from refkan.networks.sweeps.statistics_sweep import Statistics, add_constants
from refkan.training.losses.terms import Term
from refkan.training.losses.terms_on_networks import Piece, Pulled, warn_of_ends


class Collocation(Frozen):
    r"""A weighted sum of mean squares of residuals of a network at collocation points.

    ::

        value(theta) = 1/2 sum_t weight_t / N_t sum_i |lambda_ti r_ti|^2 = |r|^2 / 2

    over terms t and their points i, lambda the weights of a term's attention (1 without). The words mean what they do
    on `LeastSquares`: `residual` r is the flat vector of all ``sqrt(weight_t / N_t) lambda_ti r_ti``, `jacobian` its J,
    `gradient` J^T r, `gauss_newton` J^T J, `ntk` J J^T; `misfit` has the r_ti as they are, by term. There is no
    `hessian`: it would need third derivatives of the layers. Papers quote the sum without the 1/2, `loss`, or the mean
    squares of single terms, `mean_squares`.

    Derivatives of the network in x are exact, and so is the gradient. Node maps that take statistics have the one
    statistics batch of the network, whatever the term.

    Parameters
    ----------
    net : Network
        Bound to data by `Network.initialize`. `with_network` returns the problem on another.
    terms : sequence of Term
        With names that differ.
    domain : array (P, 2), optional
        Declared ends of each input, beyond which no point may lie; under outside="error" those of the first layer by
        default.
    check : bool
        Whether to compare the partial derivatives of every term with differences of its residual now.
    quiet : bool
        Whether to leave out the warnings below. Problems that are made from this one, on other networks by
        `with_network` or at other points by `redrawn`, do not repeat them.

    Raises
    ------
    ValueError
        If the network is not bound, terms are missing or share a name, points have another width than the network's
        inputs or lie outside the domain, the domain has no ends a < b, the network lacks a derivative (see
        `jets.require_derivatives`), or partial derivatives are wrong.

    Warns
    -----
    UserWarning
        Once, if a requested derivative jumps at the knots.
    DiscontinuousLossWarning
        If second derivatives are requested, hidden layers have outside="linear", and the maps before them are
        "min-max", which keep activations on the ends of their domains. With node_map="sigmoid" the loss is smooth.

    Examples
    --------
    The equation u'' = -1 on [0, 1] with u(0) = u(1) = 0, of which quadratic splines hold the solution:

    >>> import numpy as np, refkan as rk
    >>> from refkan.training.losses import Collocation, Side, Term, prescribed
    >>> net, theta = rk.kan([1, 1], order=4, intervals=2).initialize(np.random.default_rng(0), [[0.0], [1.0]])
    >>> inside = Side(np.linspace(0.0, 1.0, 9)[:, None], first=[[1.0]])
    >>> problem = Collocation(net, [
    ...     Term("equation", inside, lambda x, u, u_x, u_xx: u_xx + 1.0, lambda *_: (0.0, 0.0, 1.0)),
    ...     prescribed("ends", [[0.0], [1.0]], 0.0),
    ... ], check=True)
    >>> result = rk.minimize(problem, theta, method="levenberg-marquardt", steps=50)
    >>> net(result.theta, [[0.5]]).round(12)
    array([[0.125]])
    """

    net: Network
    terms: tuple[Term, ...]
    domain: Any = None
    check: bool = False
    quiet: InitVar[bool] = False
    _latest: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self, quiet: bool) -> None:
        check_type("net", self.net, Network)
        self.net.require_bound()
        terms = (self.terms,) if isinstance(self.terms, Term) else tuple(check_sequence("terms", self.terms, "Terms"))
        check_flag("check", self.check)
        check_flag("quiet", quiet)
        for k, term in enumerate(terms):
            check_type(f"terms[{k}]", term, Term)
        names = [term.name for term in terms]
        if not terms or len(set(names)) < len(names):
            raise ValueError(f"terms must be at least one, of different names; got {names}")
        vars(self).update(terms=terms)
        low, high = self._bounds()
        P = self.net.widths[0]
        for term in terms:
            for side in term.sides:
                if side.points.shape[1] != P:
                    raise ValueError(
                        f"points of term {term.name!r} must have {P} columns, the network's inputs; "
                        f"got {side.points.shape[1]}"
                    )
                outside = np.argwhere((side.points < low) | (side.points > high))
                if outside.size:
                    s, p = map(int, outside[0])
                    raise OutsideDomainError(
                        f"points of term {term.name!r} must lie in the domain; got points[{s}, {p}] = "
                        f"{side.points[s, p]} outside [{low[p]}, {high[p]}]"
                    )
        order = max(term.derivative_order for term in terms)
        # Two frames lie between the caller and this one's: __init__ of the dataclass, and __post_init__.
        self.net.require_derivatives(order, stacklevel=3, quiet=quiet)
        if order > 1 and not quiet:
            warn_of_ends(self.net, stacklevel=3)
        if self.check:
            for term in terms:
                term.check_partials(self.net.widths[-1])

    def _bounds(self) -> tuple[FloatArray, FloatArray]:
        """The least and the largest admissible value of each input (P,)."""
        P = self.net.widths[0]
        domain = self.domain
        if domain is None:
            first = self.net.layers[0]
            if first.outside != "error":
                return np.full(P, -np.inf), np.full(P, np.inf)
            domain = first.domains
        ends = numbers("domain", domain)
        if ends.shape != (P, 2):
            raise ValueError(f"domain must have shape ({P}, 2); got {ends.shape}")
        for p, (low, high) in enumerate(ends):
            if not low < high:  # NaN as well
                raise ValueError(f"domain must have a < b for each input; got ({low}, {high}) for input {p}")
        return ends[:, 0], ends[:, 1]

    # ------------------------------------------------------------- residuals

    @property
    def n_residuals(self) -> int:
        """Number of residuals."""
        return sum(term.n_residuals for term in self.terms)

    def misfit(self, theta: Any) -> dict[str, Array]:
        """Return the plain residuals of each term by name, (N, R): without weights, attention and 1/N."""
        theta, statistics = self._at(theta)
        return self._by_term(self._map(lambda term, rows: Piece.at(self.net, theta, statistics, term, rows).r))

    def residual(self, theta: Any) -> Array:
        """Return the residual r (m,), term by term and point by point, weighted: ``value = |r|^2 / 2``."""
        misfits = self.misfit(theta)
        return np.concatenate([(term.factors[:, None] * misfits[term.name]).ravel() for term in self.terms])

    def mean_squares(self, theta: Any) -> dict[str, float]:
        """Return the mean squares ``1/N sum_i |r_i|^2`` of each term by name, without weights and attention."""
        return {name: float(np.sum(np.abs(r) ** 2) / r.shape[0]) for name, r in self.misfit(theta).items()}

    def loss(self, theta: Any) -> Any:
        """Return ``2 value(theta)``, the weighted sum of mean squares that papers quote."""
        return 2.0 * self.value(theta)

    # ----------------------------------------------------- value and gradient

    def value(self, theta: Any) -> Any:
        """Return the value, a float; complex for complex theta."""
        r = self.residual(theta)
        # r * r, not |r|^2: holomorphic, so that complex steps go through.
        total = 0.5 * np.sum(r * r)
        return complex(total) if np.iscomplexobj(total) else float(total)

    def gradient(self, theta: Any) -> FloatArray:
        """Return the gradient J^T r."""
        return self.value_and_gradient(theta)[1]

    def value_and_gradient(self, theta: Any) -> tuple[float, FloatArray]:
        """Return value and gradient from one pass forward and one back; NaN gradients where the value overflows."""
        theta, statistics = self._at(theta, only_real=True)

        def pull_back(term: Term, rows: slice) -> tuple[Array, float, Pulled | None]:
            piece = Piece.at(self.net, theta, statistics, term, rows)
            return piece.r, piece.squares, piece.gradient() if np.isfinite(piece.squares) else None

        pieces = self._map(pull_back)
        if any(term.attention is not None for term in self.terms):
            self._latest.update(theta=theta, residuals=self._by_term([r for r, _, _ in pieces]))
        value = 0.5 * float(sum(squares for _, squares, _ in pieces))
        return self._sum(value, [pulled for _, _, pulled in pieces], statistics)

    # ------------------------------------------------------------- Jacobians

    def residual_and_jacobian(self, theta: Any) -> tuple[FloatArray, FloatArray]:
        """Return r (m,) and J (m, n_params): ``value = |r|^2 / 2``, ``gradient = J^T r``."""
        m, n = self.n_residuals, self.net.n_params
        require_memory(16 * m * n, f"the Jacobian of {m} residuals in {n} parameters", "use fewer points")
        pieces = list(self.residual_blocks(theta))
        return np.concatenate([r for r, _ in pieces]), np.concatenate([J for _, J in pieces])

    def jacobian(self, theta: Any) -> FloatArray:
        """Return the Jacobian J (m, n_params) of the residual r."""
        return self.residual_and_jacobian(theta)[1]

    def residual_blocks(self, theta: Any) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Yield r and J as above by blocks of consecutive residuals."""
        theta, statistics = self._at(theta, only_real=True)
        gradients = statistics.gradients if statistics.count else None  # before several threads ask for them
        n = self.net.n_params
        for term in self.terms:
            for chunk in block_slices(term.n_points, chunk_size(8 * term.components * n)):
                r, J = self._rows(term, chunk, theta, statistics, gradients)
                yield r.ravel(), J.reshape(-1, n)

    def _rows(
        self, term: Term, chunk: slice, theta: FloatArray, statistics: Statistics, gradients: FloatArray | None
    ) -> tuple[FloatArray, FloatArray]:
        """Weighted residuals (n, R) and Jacobian (n, R, n_params) at some points of a term, several blocks at once."""
        shape = chunk.stop - chunk.start, term.components
        r, J = np.empty(shape), np.zeros((*shape, self.net.n_params))
        parts = block_slices(shape[0])

        def fill(k: int) -> None:
            rows = slice(chunk.start + parts[k].start, chunk.start + parts[k].stop)
            piece = Piece.at(self.net, theta, statistics, term, rows)
            r[parts[k]] = piece.factors[:, None] * piece.r
            piece.fill_jacobian(J[parts[k]], gradients)

        run_blocks(fill, len(parts))
        return r, J

    def gauss_newton(self, theta: Any) -> FloatArray:
        """Return the Gauss-Newton matrix J^T J (n_params, n_params), symmetric to the last bit."""
        n = self.net.n_params
        H = np.zeros((n, n), order="F")
        for _, J in self.residual_blocks(theta):
            # J.T is in Fortran order: no copies, neither of J nor of H.
            dsyrk(1.0, J.T, beta=1.0, c=H, lower=1, overwrite_c=1)
        return mirror(H.T)

    def gauss_newton_vector(self, theta: Any, v: Any) -> FloatArray:
        """Return J^T J v without the matrix."""
        theta, statistics = self._at(theta, only_real=True)
        v = real("v", as_vector("v", v, self.net.n_params))
        constants = statistics.push_forward(v).constants
        pulled = self._map(lambda term, rows: Piece.at(self.net, theta, statistics, term, rows).product(v, constants))
        return self._sum(0.0, pulled, statistics)[1]

    def ntk(self, theta: Any) -> FloatArray:
        """Return the tangent kernel J J^T (m, m) of the residual."""
        J = self.jacobian(theta)
        return J @ J.T

    # ------------------------------------------------------------- variants

    def with_network(self, net: Network) -> "Collocation":
        """Return the problem on another network, as on the next level of a hierarchy, without repeating warnings."""
        return replace(self, net=net, quiet=True)

    def redrawn(self, points: Mapping[str, Any], data: Mapping[str, Any] | None = None) -> "Collocation":
        """Return the problem with new points for some terms.

        Parameters
        ----------
        points : mapping
            Name of a term -> its new points (N, P), or a tuple of them, one for each side.
        data : mapping, optional
            Name of a term -> its new data, for terms that have some.
        """
        check_annotated(Collocation.redrawn, locals())
        known = {term.name for term in self.terms}
        for name in {**points, **(data or {})}:
            if name not in known:
                raise ValueError(f"points must be for terms {', '.join(sorted(known))}; got {name!r}")
        terms = []
        for term in self.terms:
            if term.name in points:
                new = points[term.name]
                new = new if isinstance(new, tuple) else (new,)
                new = tuple(as_samples(f"points of term {term.name!r}", each, self.net.widths[0]) for each in new)
                term = term.at(*new, data=(data or {}).get(term.name))
            terms.append(term)
        return replace(self, terms=tuple(terms), check=False, quiet=True)

    def attend(self, theta: Any) -> None:
        """Update the attention of every term that has one with the residuals at theta.

        In a callback of `minimize`: ``lambda state: problem.attend(state.theta)``. Where theta is the point of the last
        gradient, its residuals are used again.
        """
        theta = real("theta", as_vector("theta", theta, self.net.n_params))
        if not np.array_equal(theta, self._latest.get("theta", ())):
            self._latest.update(theta=theta.copy(), residuals=self.misfit(theta))
        for term in self.terms:
            if term.attention is not None:
                term.attention.update(np.linalg.norm(self._latest["residuals"][term.name], axis=1))

    # ------------------------------------------------------------- sweeps

    def _at(self, theta: Any, only_real: bool = False) -> tuple[Array, Statistics]:
        theta = as_vector("theta", theta, self.net.n_params).copy()
        if only_real:
            theta = real("theta", theta)
        return theta, Statistics(self.net, theta)

    def _map(self, function: Callable[[Term, slice], Any]) -> list[Any]:
        """Call function(term, rows) for blocks of the points of all terms, several at once; the results in order."""
        tasks = [(term, rows) for term in self.terms for rows in block_slices(term.n_points)]
        return run_blocks(lambda k: function(*tasks[k]), len(tasks))

    def _by_term(self, parts: list[Array]) -> dict[str, Array]:
        """Join what `_map` returned, arrays of one entry for each point."""
        joined, start = {}, 0
        for term in self.terms:
            count = len(block_slices(term.n_points))
            joined[term.name] = np.concatenate(parts[start : start + count])
            start += count
        return joined

    def _sum(self, value: float, parts: list[Pulled | None], statistics: Statistics) -> tuple[float, FloatArray]:
        """The value and the sum of what pieces pulled back; NaN where one of them overflowed."""
        dtheta = np.zeros(self.net.n_params)
        through: list[Constants | None] = [None] * len(self.net.node_maps)
        for pulled in parts:
            if pulled is None:
                return value if not np.isfinite(value) else np.inf, np.full(self.net.n_params, np.nan)
            dtheta += pulled[0]
            for constants in pulled[1]:
                add_constants(through, constants)
        return value, dtheta + statistics.pull_back(through)
