r"""The same splines on the edges of another layer: in another basis, on finer knots, with fixed or free knots."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp

from refkan.base import Array, FloatArray, Frozen, KnotError, check_annotated, check_choice, lazy
from refkan.networks.layers.knot_layers.knot_layer import KnotLayer, NestedSpaces, cut_alike, nested_spaces
from refkan.networks.layers.layer import BASES, Layer
from refkan.splines import change_of_basis
from refkan.splines.knots import free_breakpoints, free_parameters
from refkan.splines.local_basis import KnotTables
from refkan.splines.spaces import SplineSpace
from refkan.splines.transfer import prolong, prolongation_matrix


class SplineEdges(KnotLayer, Frozen, eq=True):
    """A layer with a spline on each edge: its conversion to other layers of the same function; see `EdgeLayer`."""

    spaces: tuple[SplineSpace, ...]
    n_outputs: int
    outside: str = "linear"
    free_knots: bool = False

    kinds: ClassVar[dict[str, Callable[..., Layer]]] = {}
    """What makes a layer of each basis from spaces, n_outputs, outside and free_knots."""

    @property
    @abstractmethod
    def basis(self) -> str:  # type: ignore[override]
        """Name of the basis that the coefficients refer to."""

    @property
    def n_inputs(self) -> int:  # type: ignore[override]
        """Number of inputs P."""
        return len(self.spaces)

    @property
    def order(self) -> int:
        """Order r of the splines."""
        return self.spaces[0].order

    @property
    def intervals(self) -> int:  # type: ignore[override]
        """Number n of intervals of each knot vector."""
        return self.spaces[0].intervals

    @property
    def dim(self) -> int:
        """Number of coefficients n + r - 1 on each edge."""
        return self.spaces[0].dim

    @lazy
    def domains(self) -> FloatArray:
        """Ends (a, b) of the domain of each input, shape (P, 2)."""
        return np.array([space.domain for space in self.spaces])

    @lazy
    def fixed_tables(self) -> KnotTables:
        """Tables of the knots that `spaces` names."""
        return KnotTables(np.array([space.knots for space in self.spaces]), self.order)

    def tables(self, theta: Array) -> KnotTables:
        """Return the tables of the knots at theta."""
        if not self.free_knots:
            return self.fixed_tables
        return KnotTables.extended(free_breakpoints(self.unpack(theta)["s"], self.domains), self.order)

    def spaces_at(self, theta: FloatArray) -> tuple[SplineSpace, ...]:
        """Return the spline spaces at theta: `spaces` themselves unless the knots are free."""
        if not self.free_knots:
            return self.spaces
        return tuple(SplineSpace(knots, self.order) for knots in self.tables(theta).knots)

    def starting_s(self) -> FloatArray:
        """Return parameters s (P, n) whose free breakpoints are those of `spaces`."""
        return free_parameters(np.array([space.breakpoints for space in self.spaces]))

    @property
    def bends_at_ends(self) -> bool:
        """Whether second derivatives jump at the ends of the domain, and not at knots as well.

        They do under linear tails for orders beyond 3; those of order 3 jump at the knots too.
        """
        return self.outside == "linear" and self.order > 3

    def with_spaces(self, spaces: Sequence[SplineSpace], free_knots: bool | None = None) -> Self:
        """Return the layer on other spaces."""
        check_annotated(SplineEdges.with_spaces, locals())
        free = self.free_knots if free_knots is None else free_knots
        return replace(self, spaces=tuple(spaces), free_knots=free)

    def spline_coefficients(self, theta: FloatArray, factors: bool = True) -> FloatArray:
        """Return the B-spline coefficients (Q, P, dim) of the edges."""
        return self.between_bases(theta, self.unpack(theta)["coefficients"], self.basis, "spline")

    def refitted(self, theta: FloatArray, spaces: Sequence[SplineSpace], c: FloatArray) -> tuple[Self, FloatArray]:
        """Return the layer on other spaces, where free knots start, and B-spline coefficients taken to its basis."""
        new = self.with_spaces(spaces)
        return new, new._starting_parameters(c)

    def _starting_parameters(self, c: Array) -> FloatArray:
        """Return parameters with B-spline coefficients c (Q, P, dim), knots where they start."""
        blocks = {"coefficients": c}
        if self.free_knots:
            blocks["s"] = self.starting_s()
        theta: FloatArray = self.pack(**blocks)
        w = self.between_bases(theta, c, "spline", self.basis)
        self.unpack(theta)["coefficients"][...] = w
        return theta

    def in_basis(self, basis: str) -> Layer:
        """Return the layer on the same spaces with its coefficients in `basis`."""
        check_choice("basis", basis, BASES)
        if basis == self.basis:
            return self
        return self.kinds[basis](self.spaces, self.n_outputs, self.outside, self.free_knots)

    def _deltas(self, theta: Array, basis: str) -> list[Array]:
        """Spans of the factorisation of A at theta, for coefficients in `basis` (a ReLU basis), (P, dim) each."""
        h: Any = 1
        if basis == "scaled-relu":
            h = np.array([[space.mean_spacing] for space in self.spaces])
        return change_of_basis.spans(self.tables(theta).knots, self.order, h)

    def between_bases(self, theta: Array, c: Array, source: str, target: str) -> Array:
        """Return coefficients (Q, P, dim) in basis `target` of the functions with coefficients c in basis `source`.

        The knots are those at theta.
        """
        if source == target:
            return c.copy()
        if source != "spline":
            c = change_of_basis.solve_transposed(self._deltas(theta, source), c)
        if target != "spline":
            c = change_of_basis.apply_transposed(self._deltas(theta, target), c)
        return c

    def change_basis(self, vector: Array, basis: str, way: str) -> Array:
        """With w = A^T u and u = A^-T w, gradients by grad_u = A grad_w and grad_w = A^-1 grad_u; for fixed knots."""
        check_choice("basis", basis, BASES)
        if basis == self.basis:
            return vector.copy()
        if self.free_knots:
            raise ValueError(
                "free knots: the change of basis moves with theta; train net.to_basis(...) in its own coordinates "
                "instead"
            )
        c, anywhere = vector.reshape(self.blocks["coefficients"]), np.empty(0)
        if way == "to":
            return self.between_bases(anywhere, c, self.basis, basis).reshape(-1)
        if way == "back":
            return self.between_bases(anywhere, c, basis, self.basis).reshape(-1)
        if self.basis != "spline":
            c = change_of_basis.apply(self._deltas(anywhere, self.basis), c)
        if basis != "spline":
            c = change_of_basis.solve(self._deltas(anywhere, basis), c)
        return c.reshape(-1)

    def convert(self, theta: FloatArray, target: Layer, allow_inexact: bool = False) -> FloatArray:
        """Return parameters of `target` that make it the same function as this layer at theta.

        The change of basis is w = A^T u and its inverse; if the knots of the target contain those of this layer, the
        prolongation is u_f = P u.
        """
        check_annotated(SplineEdges.convert, locals())
        if not isinstance(target, SplineEdges) or self == target:
            return super().convert(theta, target)
        self._require_alike(target)
        if not allow_inexact:
            self._require_exact(target)
        c = self.unpack(theta)["coefficients"]
        blocks = {}
        if target.free_knots:
            blocks["s"] = self._free_parameters(theta, target)
        empty: FloatArray = target.pack(coefficients=np.zeros(target.blocks["coefficients"]), **blocks)
        coarse, fine = self.tables(theta), target.tables(empty)
        if np.array_equal(coarse.knots, fine.knots):
            c = self.between_bases(theta, c, self.basis, target.basis)
        elif self.basis == target.basis != "spline" and not (self.free_knots or target.free_knots):
            c = self._prolongation(target) @ c.reshape(-1)
            c = c.reshape(target.blocks["coefficients"])
        else:
            u = self.between_bases(theta, c, self.basis, "spline")
            c = np.empty(target.blocks["coefficients"], u.dtype)
            for pair in self._nested_spaces(coarse, fine):
                c[:, pair.inputs] = prolong(pair.coarse, pair.fine, u[:, pair.inputs])
            c = target.between_bases(empty, c, "spline", target.basis)
        return target.pack(coefficients=c, **blocks)

    def _nested_spaces(self, coarse: KnotTables, fine: KnotTables) -> list[NestedSpaces]:
        try:
            return nested_spaces(coarse, fine)
        except KnotError as error:
            if not self.free_knots or np.array_equal(coarse.knots, self.fixed_tables.knots):
                raise
            raise KnotError(f"{error}; free knots are not where they started: with_fixed_knots(theta) first") from None

    def _free_parameters(self, theta: FloatArray, target: "SplineEdges") -> Array:
        """Parameters s of the target's free knots: those of this layer, repeated if every interval was cut evenly."""
        ends = [[space.breakpoints for space in layer.spaces] for layer in (self, target)]
        if self.free_knots and cut_alike(*ends):
            # q = (1 - eps) softmax(s) + eps/n: repeating s halves every share, the floor included.
            return np.repeat(self.unpack(theta)["s"], target.intervals // self.intervals, axis=1)
        return target.starting_s()

    def prolongation(self, target: Layer) -> sp.csr_array:
        """Return the block diagonal matrix of the prolongations P of all edges."""
        check_annotated(SplineEdges.prolongation, locals())
        if not isinstance(target, SplineEdges) or self == target:
            return super().prolongation(target)
        self._require_alike(target)
        self._require_exact(target)
        if self.free_knots or target.free_knots:
            raise ValueError("prolongation is a matrix for fixed knots only; use net.convert")
        if self.basis != target.basis:
            raise ValueError(f"other must have the basis {self.basis!r}; got {target.basis!r}")
        return self._prolongation(target)

    def _prolongation(self, target: "SplineEdges") -> sp.csr_array:
        matrices: dict[int, sp.csr_array] = {}
        for pair in nested_spaces(self.fixed_tables, target.fixed_tables):
            matrices |= dict.fromkeys(pair.inputs, prolongation_matrix(pair.coarse, pair.fine, self.basis))
        return sp.block_diag([matrices[p] for p in range(self.n_inputs)] * self.n_outputs, format="csr")

    def _require_alike(self, target: "SplineEdges") -> None:
        names = ("n_inputs", "order", "n_outputs", "outside")
        alike = all(getattr(self, name) == getattr(target, name) for name in names)
        if not alike or not np.array_equal(self.domains, target.domains):
            raise ValueError(
                f"other must have the same order, outputs, domains and outside rule as {self}; got {target}"
            )

    def _require_exact(self, target: "SplineEdges") -> None:
        """Raise under natural tails unless exterior knots and basis agree: they determine the tails."""
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
        for p, pair in enumerate(zip(self.spaces, target.spaces, strict=True)):
            ours, others = (np.delete(space.knots, slice(r, -r)) for space in pair)
            if not np.array_equal(ours, others):
                raise ValueError(
                    "under outside='natural' the basis functions decay to zero at the exterior knots, which "
                    f"differ for input {p}, so that the functions differ outside the domain; use 'linear' or "
                    "'polynomial', insert knots instead of refining, or allow_inexact=True"
                )

    def jumps(self) -> FloatArray:
        """Return the matrix from the coefficients of an output to w_j at the knots inside, in the scaled ReLU basis."""
        if self.free_knots:
            return super().jumps()
        P, dim, inside = self.n_inputs, self.dim, self.intervals - 1
        unit = np.broadcast_to(np.eye(dim)[:, None], (dim, P, dim))
        w = self.between_bases(np.empty(0), unit, self.basis, "scaled-relu")
        rows = np.zeros((P, inside, P, dim))
        for p in range(P):
            rows[p, :, p] = w[:, p, self.order :].T
        return rows.reshape(P * inside, P * dim)
