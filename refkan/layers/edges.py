r"""What spline and ReLU-power layers share: one function of a spline space on each edge from input p to output q."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp

from refkan import change_of_basis
from refkan.arguments import check_choice, check_count, check_flag
from refkan.array_types import Array, FloatArray
from refkan.errors import KnotError
from refkan.knot_tables import extended_tables
from refkan.knots import check_domain, free_breakpoints, free_parameters
from refkan.layers.base import BASES, Layer
from refkan.layers.same_splines import SpacePair, cut_alike, nested_spaces, prolong_coefficients, prolongation_matrices
from refkan.local_basis import OUTSIDE, KnotTables
from refkan.spaces import SplineSpace

NOISE = 0.1
"""Standard deviation of the noise on starting coefficients."""


@dataclass(frozen=True)
class EdgeLayer(Layer):
    r"""y_q = sum_p f_{qp}(x_p), each f_{qp} in the spline space of input p.

    Parameters
    ----------
    spaces : tuple of SplineSpace
        One for each input, all of one order and one number of intervals; knots and domains may differ.
    n_outputs : int
    outside : {"linear", "polynomial", "natural", "error"}
        What happens to inputs outside the domain.
    free_knots : bool
        Whether the interior breakpoints are parameters: a block s (P, n) follows, see `knots.free_breakpoints`;
        the breakpoints of `spaces` are where they start.

    Raises
    ------
    ValueError
        If spaces disagree in order or intervals, a count is not positive, or free knots are asked of order 1, of
        outside="natural", or from an interval shorter than the floor of the parameterisation.
    """

    spaces: tuple[SplineSpace, ...]
    n_outputs: int
    outside: str = "linear"
    free_knots: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.spaces, SplineSpace):
            raise TypeError("spaces must hold one SplineSpace for each input; got a single SplineSpace")
        object.__setattr__(self, "spaces", tuple(self.spaces))
        check_count("n_outputs", self.n_outputs, 1)
        check_choice("outside", self.outside, OUTSIDE)
        check_flag("free_knots", self.free_knots)
        if not self.spaces:
            raise ValueError("spaces must hold one SplineSpace for each input; got none")
        for p, space in enumerate(self.spaces):
            if not isinstance(space, SplineSpace):
                raise TypeError(f"spaces[{p}] must be a SplineSpace; got {type(space).__name__}")
            if (space.order, space.intervals) != (self.order, self.intervals):
                raise ValueError(
                    "a layer has one order and one number of intervals; "
                    f"got spaces[{p}] = {space} beside spaces[0] = {self.spaces[0]}"
                )
        if self.free_knots:
            if self.order < 2:
                raise ValueError("free knots need order >= 2; got order 1, whose splines jump at the knots")
            if self.outside == "natural":
                raise ValueError("free knots need outside='linear', 'polynomial' or 'error'; got 'natural'")
            self.starting_s()  # raises where the knots cannot be reached

    @property
    def n_inputs(self) -> int:  # type: ignore[override]
        """Number of inputs P."""
        return len(self.spaces)

    @property
    def order(self) -> int:
        """Order r of the splines."""
        return self.spaces[0].order

    @property
    def intervals(self) -> int:
        """Number n of intervals of each knot vector."""
        return self.spaces[0].intervals

    @property
    def dim(self) -> int:
        """Number of coefficients n + r - 1 on each edge."""
        return self.spaces[0].dim

    kinds: ClassVar[dict[str, Callable[..., EdgeLayer]]] = {}
    """What makes a layer of each basis from spaces, n_outputs, outside and free_knots."""

    @property
    @abstractmethod
    def basis(self) -> str:  # type: ignore[override]
        """Name of the basis that the coefficients refer to."""

    @property
    def window(self) -> int:
        """Number of functions that matter at an input."""
        return self.order

    def describe(self) -> str:
        """Order, intervals and basis."""
        free, plural = "free " * self.free_knots, "s" * (self.intervals > 1)
        return f"order {self.order} on {self.intervals} {free}interval{plural} ({self.basis})"

    @property
    def blocks(self) -> dict[str, tuple[int, ...]]:
        """Coefficients (Q, P, dim) and, with free knots, s (P, n)."""
        blocks: dict[str, tuple[int, ...]] = {"coefficients": (self.n_outputs, self.n_inputs, self.dim)}
        if self.free_knots:
            blocks["s"] = (self.n_inputs, self.intervals)
        return blocks

    @property
    def shared_blocks(self) -> tuple[str, ...]:  # type: ignore[override]
        """Free knots serve all outputs."""
        return ("s",) if self.free_knots else ()

    @cached_property
    def domains(self) -> FloatArray:
        """Ends (a, b) of the domain of each input, shape (P, 2)."""
        return np.array([space.domain for space in self.spaces])

    @cached_property
    def fixed_tables(self) -> KnotTables:
        """Tables of the knots that `spaces` names."""
        return KnotTables(np.array([space.knots for space in self.spaces]), self.order)

    def require_derivatives(self, order: int) -> str | None:
        """Splines of order r have r - 1 derivatives, of which the last jumps; with free knots one less."""
        which = ("values", "first", "second")[order]
        if self.order <= order and order > 0:
            raise ValueError(
                f"{which} derivatives in x need splines of order >= {order + 2} (order {order + 1}: they jump at the "
                f"knots); got order {self.order}"
            )
        if self.order == order + 1 and order > 0:
            if self.free_knots:
                raise ValueError(
                    f"{which} derivatives in x with free knots need order >= {order + 2}; got order {self.order}, of "
                    "which they jump at the knots"
                )
            return f"the {which} derivative of splines of order {self.order} jumps at the knots"
        return None

    def tables(self, theta: Array) -> KnotTables:
        """Tables of the knots at theta."""
        if not self.free_knots:
            return self.fixed_tables
        return extended_tables(free_breakpoints(self.unpack(theta)["s"], self.domains), self.order)

    def spaces_at(self, theta: FloatArray) -> tuple[SplineSpace, ...]:
        """Return the spline spaces at theta: `spaces` themselves unless the knots are free."""
        if not self.free_knots:
            return self.spaces
        return tuple(SplineSpace(knots, self.order) for knots in self.tables(theta).knots)

    def constant_coefficients(self, theta: FloatArray) -> FloatArray:
        """Coefficients (P, dim) of the function 1: B-splines sum to one."""
        return np.ones((self.n_inputs, self.dim))

    @property
    def constants_move(self) -> bool:
        """Whether the coefficients of the function 1 depend on theta."""
        return False

    def is_constant_at(self, x: FloatArray) -> bool:
        """Whether the function 1 of the spline space is 1 at all inputs x: natural tails decay."""
        a, b = self.domains.T
        return self.outside != "natural" or bool(np.all((x >= a) & (x <= b)))

    def constant_vectors(self, theta: FloatArray, x: FloatArray, translations: bool = False) -> list[FloatArray]:
        """For each output P vectors: the function 1 on one edge."""
        if not self.is_constant_at(x) or (translations and self.constants_move):
            return super().constant_vectors(theta, x, translations)
        P, size = self.n_inputs, self.n_inputs * self.dim
        ones = np.zeros((P, P, self.dim))
        ones[np.arange(P), np.arange(P)] = self.constant_coefficients(theta)
        vectors = np.zeros((self.n_outputs, P, self.n_params))
        for q in range(self.n_outputs):
            vectors[q, :, q * size : (q + 1) * size] = ones.reshape(P, size)
        return list(vectors)

    def scaling_vectors(self, theta: FloatArray) -> FloatArray:
        """Row q: the coefficients of output q."""
        size = self.n_inputs * self.dim
        vectors = np.zeros((self.n_outputs, self.n_params))
        for q in range(self.n_outputs):
            vectors[q, q * size : (q + 1) * size] = theta[q * size : (q + 1) * size]
        return vectors

    def null_vectors(self, theta: FloatArray, x: FloatArray, translations: bool = False) -> FloatArray:
        """Constants moved between the edges into a node; with free knots also s + constant, input by input."""
        vectors = super().null_vectors(theta, x, translations)
        if not self.free_knots:
            return vectors
        shifts = np.zeros((self.n_inputs, self.n_params))
        shifts[:, -self.n_inputs * self.intervals :] = np.repeat(np.eye(self.n_inputs), self.intervals, axis=1)
        return np.concatenate([vectors, shifts])

    def starting_s(self) -> FloatArray:
        """Parameters s (P, n) whose free breakpoints are those of `spaces`, see `knots.free_parameters`."""
        return free_parameters(np.array([space.breakpoints for space in self.spaces]))

    def draw_spline_coefficients(self, rng: np.random.Generator) -> FloatArray:
        r"""Draw a random linear function on each edge plus noise, in B-spline coefficients (Q, P, dim).

        c_i = g (xi_i - (a+b)/2)/(b-a) + N(0, 0.1^2), g ~ N(0, 1/P), xi the Greville points.
        """
        slope = rng.normal(0.0, 1.0 / np.sqrt(self.n_inputs), (self.n_outputs, self.n_inputs, 1))
        noise = rng.normal(0.0, NOISE, (self.n_outputs, self.n_inputs, self.dim))
        greville = np.array([space.greville for space in self.spaces])
        middle = self.domains.mean(axis=1, keepdims=True)
        length = self.domains[:, 1:] - self.domains[:, :1]
        return slope * ((greville - middle) / length) + noise

    # ------------------------------------------------ the same function elsewhere

    @property
    def has_knots(self) -> bool:
        """It has."""
        return True

    def refined(self, factor: int) -> Self:
        """Return the layer with every interval cut into `factor` equal ones."""
        return self.with_spaces([space.refine(factor) for space in self.spaces])

    def inserted(self, new_knots: Sequence[Any]) -> Self:
        """Return the layer with knots inserted into its spaces."""
        spaces = []
        for p, (space, new) in enumerate(zip(self.spaces, new_knots, strict=True)):
            try:
                fine = space.insert(new)
            except KnotError as error:
                raise KnotError(f"input {p}: {error}") from None
            # Free knots keep exterior knots that depend on a, b and n alone.
            spaces.append(SplineSpace.from_breakpoints(fine.order, fine.breakpoints) if self.free_knots else fine)
        return self.with_spaces(spaces)

    @property
    def starting_spaces(self) -> tuple[SplineSpace, ...]:
        """`spaces`."""
        return self.spaces

    def on_domains(self, domains: FloatArray) -> Self:
        """Return the layer on uniform knots on other domains: inputs with one domain share one space."""
        pairs = [(float(low), float(high)) for low, high in domains]
        made: dict[tuple[float, float], SplineSpace] = {}
        for p, (space, pair) in enumerate(zip(self.spaces, pairs, strict=True)):
            if not space.is_uniform:
                raise ValueError(f"domain_from_data needs uniform knots in the first layer; got others for input {p}")
            if pair not in made:
                domain = check_domain(pair, f"range of x[:, {p}]")
                made[pair] = SplineSpace.uniform(space.order, space.intervals, domain)
        return self.with_spaces([made[pair] for pair in pairs])

    @property
    def bends_at_ends(self) -> bool:
        """Under linear tails, for orders beyond 3: second derivatives of order 3 jump at the knots too."""
        return self.outside == "linear" and self.order > 3

    def with_spaces(self, spaces: Sequence[SplineSpace]) -> Self:
        """Return the layer on other spaces."""
        return replace(self, spaces=tuple(spaces))

    def with_fixed_knots(self, theta: FloatArray) -> Self:
        """Return the layer on its spaces at theta."""
        return replace(self, spaces=self.spaces_at(theta), free_knots=False)

    def with_free_knots(self) -> Self:
        """Return the layer whose interior knots are parameters; exterior knots at the mean spacing."""
        if self.free_knots:
            return self
        spaces = tuple(SplineSpace.from_breakpoints(space.order, space.breakpoints) for space in self.spaces)
        return replace(self, spaces=spaces, free_knots=True)

    def spline_coefficients(self, theta: FloatArray, factors: bool = True) -> FloatArray:
        """B-spline coefficients (Q, P, dim)."""
        return self.between_bases(theta, self.unpack(theta)["coefficients"], self.basis, "spline")

    def refitted(self, theta: FloatArray, spaces: Sequence[SplineSpace], c: FloatArray) -> tuple[Layer, FloatArray]:
        """Return the layer on other spaces, where free knots start, and B-spline coefficients taken to its basis."""
        new = self.with_spaces(spaces)
        blocks = {"coefficients": c, "s": new.starting_s()} if self.free_knots else {"coefficients": c}
        blocks["coefficients"] = new.between_bases(new.pack(**blocks), c, "spline", new.basis)
        return new, new.pack(**blocks)

    def in_basis(self, basis: str) -> Layer:
        """Return the layer on the same spaces with its coefficients in `basis`."""
        check_choice("basis", basis, BASES)
        if basis == self.basis:
            return self
        return self.kinds[basis](self.spaces, self.n_outputs, self.outside, self.free_knots)

    def _deltas(self, theta: Array, basis: str) -> list[Array]:
        """Spans of the factorisation of A at theta, for coefficients in `basis` (a ReLU basis), (P, dim) each."""
        knots = self.tables(theta).knots
        if basis == "scaled-relu":
            knots = knots / np.array([space.mean_spacing for space in self.spaces])[:, None]
        return change_of_basis.spans(knots, self.order)

    def between_bases(self, theta: Array, c: Array, source: str, target: str) -> Array:
        """Coefficients (Q, P, dim) in basis `target` of the functions that c is in basis `source`, knots of theta."""
        if source == target:
            return c.copy()
        if source != "spline":
            c = change_of_basis.solve_transposed(self._deltas(theta, source), c)
        if target != "spline":
            c = change_of_basis.apply_transposed(self._deltas(theta, target), c)
        return c

    def to_basis(self, vector: Array, basis: str) -> Array:
        """w = A^T u from splines to a ReLU basis."""
        return self._changed(vector, basis, lambda c: self.between_bases(np.empty(0), c, self.basis, basis))

    def from_basis(self, vector: Array, basis: str) -> Array:
        """u = A^-T w from a ReLU basis to splines."""
        return self._changed(vector, basis, lambda c: self.between_bases(np.empty(0), c, basis, self.basis))

    def gradient_to_basis(self, gradient: Array, basis: str) -> Array:
        """grad_u = A grad_w, grad_w = A^-1 grad_u."""

        def change(g: Array) -> Array:
            if self.basis != "spline":
                g = change_of_basis.apply(self._deltas(np.empty(0), self.basis), g)
            if basis != "spline":
                g = change_of_basis.solve(self._deltas(np.empty(0), basis), g)
            return g

        return self._changed(gradient, basis, change)

    def _changed(self, vector: Array, basis: str, change: Callable[[Array], Array]) -> Array:
        """A copy of the vector, changed where it belongs to coefficients; A must not move with theta."""
        check_choice("basis", basis, BASES)
        if basis == self.basis:
            return vector.copy()
        if self.free_knots:
            raise ValueError(
                "free knots: the change of basis moves with theta; train net.to_basis(...) in its own coordinates "
                "instead"
            )
        return change(vector.reshape(self.blocks["coefficients"])).reshape(-1)

    def convert(self, theta: FloatArray, target: Layer, allow_inexact: bool = False) -> FloatArray:
        """Change of basis w = A^T u and its inverse, and u_f = P u where the target's knots contain those here."""
        if not isinstance(target, EdgeLayer) or self == target:
            return super().convert(theta, target)
        self._require_alike(target)
        if not allow_inexact:
            self._require_exact(target)
        c = self.unpack(theta)["coefficients"]
        blocks = {"s": self._free_parameters(theta, target)} if target.free_knots else {}
        empty: FloatArray = target.pack(coefficients=np.zeros(target.blocks["coefficients"]), **blocks)
        coarse, fine = self.tables(theta), target.tables(empty)
        if np.array_equal(coarse.knots, fine.knots):
            c = self.between_bases(theta, c, self.basis, target.basis)
        elif self.basis == target.basis != "spline" and not (self.free_knots or target.free_knots):
            matrices = prolongation_matrices(nested_spaces(coarse, fine), self.basis)
            c = np.stack([c[:, p] @ P.T for p, P in enumerate(matrices)], axis=1)
        else:
            u = self.between_bases(theta, c, self.basis, "spline")
            c = prolong_coefficients(self._nested_spaces(coarse, fine), u)
            c = target.between_bases(empty, c, "spline", target.basis)
        result: FloatArray = target.pack(coefficients=c, **blocks)
        return result

    def _nested_spaces(self, coarse: KnotTables, fine: KnotTables) -> list[SpacePair]:
        try:
            return nested_spaces(coarse, fine)
        except KnotError as error:
            moved = self.free_knots and not np.array_equal(coarse.knots, self.fixed_tables.knots)
            hint = "; free knots are not where they started: with_fixed_knots(theta) first" if moved else ""
            raise KnotError(f"{error}{hint}") from None

    def _free_parameters(self, theta: FloatArray, target: EdgeLayer) -> Array:
        """Parameters s of the target's free knots: those here, repeated where every interval was cut alike."""
        ends = [[space.breakpoints for space in layer.spaces] for layer in (self, target)]
        if self.free_knots and cut_alike(*ends):
            # q = (1 - eps) softmax(s) + eps/n: repeating s halves every share, the floor included.
            return np.repeat(self.unpack(theta)["s"], target.intervals // self.intervals, axis=1)
        return target.starting_s()

    def prolongation(self, target: Layer) -> sp.csr_array:
        """P of every edge."""
        if not isinstance(target, EdgeLayer) or self == target:
            return super().prolongation(target)
        self._require_alike(target)
        self._require_exact(target)
        if self.free_knots or target.free_knots:
            raise ValueError("prolongation is a matrix for fixed knots only; use net.convert")
        if self.basis != target.basis:
            raise ValueError(f"other must have the basis {self.basis!r}; got {target.basis!r}")
        pairs = nested_spaces(self.fixed_tables, target.fixed_tables)
        return sp.block_diag(prolongation_matrices(pairs, self.basis) * self.n_outputs, format="csr")

    def _require_alike(self, target: EdgeLayer) -> None:
        mine, theirs = (
            (layer.n_inputs, layer.order, layer.n_outputs, layer.outside, layer.domains.tolist())
            for layer in (self, target)
        )
        if mine != theirs:
            raise ValueError(
                f"other must have the same order, outputs, domains and outside rule as {self}; got {target}"
            )

    def _require_exact(self, target: EdgeLayer) -> None:
        """Under natural tails functions end with the outermost knots, so that these must stay and the basis too."""
        if self.outside != "natural":
            return
        if (self.basis == "spline") != (target.basis == "spline"):
            raise ValueError(
                "under outside='natural' B-splines decay and ReLU powers grow outside the domain, so the two "
                "bases are not the same function there; use 'linear' or 'polynomial', or allow_inexact=True"
            )
        if self.spaces == target.spaces:
            return
        r = self.order
        for p, (mine, theirs) in enumerate(zip(self.spaces, target.spaces, strict=True)):
            ends = [np.concatenate([space.knots[:r], space.knots[-r:]]) for space in (mine, theirs)]
            if not np.array_equal(ends[0], ends[1]):
                raise ValueError(
                    "under outside='natural' the basis functions decay to zero at the exterior knots, which "
                    f"differ for input {p}, so that the functions differ outside the domain; use 'linear' or "
                    "'polynomial', insert knots instead of refining, or allow_inexact=True"
                )

    def jumps(self) -> FloatArray:
        """From the coefficients of an output to w_j at the knots inside, in the scaled ReLU basis."""
        if self.free_knots:
            return super().jumps()
        P, dim, inside = self.n_inputs, self.dim, self.intervals - 1
        unit = np.broadcast_to(np.eye(dim)[:, None], (dim, P, dim))
        w = self.between_bases(np.empty(0), unit, self.basis, "scaled-relu")
        rows = np.zeros((P, inside, P, dim))
        for p in range(P):
            rows[p, :, p] = w[:, p, self.order :].T
        return rows.reshape(P * inside, P * dim)
