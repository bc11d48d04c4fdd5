"""A set-up: an equation with its conditions and points, the network proposed for it, and the solution."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base import Checked, FloatArray, Frozen, Natural, RandomSource, check_annotated, lazy
from refkan.base.arguments import as_generator, check_choice, check_count, check_positive
from refkan.networks import Network, kan
from refkan.networks.node_maps import NODE_MAPS
from refkan.splines.sums.input_jet import FixedJet
from refkan.training.losses import Collocation, Term

Range = tuple[float, float]

AXES = ((1.0, 0.0), (0.0, 1.0))
"""Directions of derivatives of functions of two variables."""

BATCH = 256
"""Points of the statistics batch: node maps that take statistics cost one more sweep over them in each evaluation."""


class Shape(Checked):
    """The network that a set-up proposes, on its coarsest level.

    Attributes
    ----------
    widths : tuple of int
        Numbers of nodes: of inputs, of each hidden layer, of outputs.
    order : int
        Order r of the splines.
    intervals : tuple of int
        Intervals of every knot vector on each level, coarsest first.
    node_map : str
        Name of the node maps, one of `refkan.networks.node_maps.NODE_MAPS`.

    Examples
    --------
    >>> from validation.equations.recipes.space_time_setups import burgers_setup
    >>> burgers_setup().shape
    Shape(widths=(2, 20, 20, 1), order=4, intervals=(5, 10, 20), node_map='sigmoid')
    """

    widths: tuple[int, ...]
    order: Natural
    intervals: tuple[int, ...]
    node_map: str

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("node_map", self.node_map, NODE_MAPS)


class Setup(Frozen):
    """An equation with everything needed to train on it except the network.

    Attributes
    ----------
    name : str
    equation : str
        In one line.
    ranges : tuple of pairs
        Of the variables.
    shape : Shape
        The network as published, or proposed.
    terms : tuple of Term
        The first one is the equation.
    reference : callable
        Points (N, d) -> the solution there (N, 1).
    grid : array (N, d)
        Where errors are measured.
    inputs : callable, optional
        Points (N, d) -> inputs of the network (N, P); the points themselves by default.
    domain : tuple of pairs, optional
        Ranges of the inputs of the network, those of the variables by default.

    Examples
    --------
    >>> import numpy as np
    >>> from validation.equations.recipes.space_time_setups import burgers_setup
    >>> setup = burgers_setup(points=(16, 16))
    >>> problem, theta = setup.start(setup.kan(widths=[2, 4, 1]), np.random.default_rng(0))
    >>> sorted(problem.mean_squares(theta))
    ['boundary', 'equation', 'initial']
    >>> 0.3 < setup.error(problem.net, theta) < 30
    True
    """

    name: str
    equation: str
    ranges: tuple[Range, ...]
    shape: Shape
    terms: tuple[Term, ...]
    reference: Callable[[FloatArray], Any]
    grid: FloatArray
    inputs: Callable[[FloatArray], FloatArray] = lambda points: points
    domain: tuple[Range, ...] | None = None

    def kan(self, widths: Any = None, intervals: Any = None, order: int | None = None, **options: Any) -> Network:
        """Return the coarsest spline network, with the set-up's choice for arguments that are not given.

        Parameters
        ----------
        widths, intervals, order, **options
            As for :func:`refkan.kan`.
        """
        shape = self.shape
        chosen = {"node_map": shape.node_map, "domain": self.domain or self.ranges} | options
        if widths is None:
            widths = list(shape.widths)
        if order is None:
            order = shape.order
        if intervals is None:
            intervals = shape.intervals[0]
        return kan(widths, order, intervals, **chosen)

    def draw(self, rng: RandomSource, n: int) -> FloatArray:
        """Return n inputs of the network (n, P), drawn uniformly from the domain."""
        low, high = np.array(self.ranges).T
        points = as_generator("rng", rng).uniform(low, high, (check_count("n", n), low.size))
        return self.inputs(points)

    def start(
        self, net: Network, rng: RandomSource, scheme: str = "linear", check: bool = False
    ) -> tuple[Collocation, FloatArray]:
        """Draw parameters, bind the network to points of the domain, and return the problem with the parameters.

        Parameters
        ----------
        net : Network
        rng : numpy.random.Generator or seed
            Draws 256 points, the statistics batch, and then the parameters.
        scheme : str
            As for `Network.initialize`.
        check : bool
            Whether to check the partial derivatives of all terms now.
        """
        check_annotated(Setup.start, locals())
        rng = as_generator("rng", rng)
        batch = self.draw(rng, BATCH)
        bound, theta = net.initialize(rng, batch, scheme)
        return Collocation(bound, self.terms, self.domain or self.ranges, check), theta

    @lazy
    def exact(self) -> FloatArray:
        """The solution on the grid (N,)."""
        return np.asarray(self.reference(self.grid), dtype=float)[:, 0]

    @lazy
    def _inputs_on_grid(self) -> FixedJet:
        """The grid as networks take it, with what is known of it in their first layers."""
        return FixedJet(self.inputs(self.grid)[:, None])

    def error(self, net: Network, theta: FloatArray) -> float:
        """Return the relative error ``|F - u| / |u|`` in the 2-norm over the grid; NaN if F overflows there."""
        check_annotated(Setup.error, locals())
        with np.errstate(over="ignore", invalid="ignore"):
            wrong = net(theta, self._inputs_on_grid)[:, 0] - self.exact
            return float(np.linalg.norm(wrong) / np.linalg.norm(self.exact))

    def weighted(self, **weights: float) -> "Setup":
        """Return the set-up with new weights for the named terms.

        Raises
        ------
        ValueError
            For a name that no term has, or a weight that is not positive.
        """
        names = [term.name for term in self.terms]
        for name in weights:
            if name not in names:
                raise ValueError(f"weights must be for terms {', '.join(names) or '(none)'}; got {name!r}")
        terms = tuple(replace(term, weight=weights.get(term.name, term.weight)) for term in self.terms)
        return replace(self, terms=terms)


def check_weights(weights: Any, *names: str) -> tuple[float, ...]:
    """Return weights as a tuple of as many positive numbers as there are names of terms."""
    if not isinstance(weights, Sequence | np.ndarray) or len(weights) != len(names):
        raise ValueError(f"weights must be one for each of {', '.join(names)}; got {weights!r}")
    return tuple(check_positive(f"weights[{k}]", weight) for k, weight in enumerate(weights))


def tensor_grid(*axes: Any) -> FloatArray:
    """Points (N, d) of a tensor grid, the last variable running fastest.

    Examples
    --------
    >>> tensor_grid([0.0, 1.0], [2.0, 3.0]).tolist()
    [[0.0, 2.0], [0.0, 3.0], [1.0, 2.0], [1.0, 3.0]]
    """
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


def midpoints(low: float, high: float, n: int) -> FloatArray:
    """Midpoints of n equal cells of an interval."""
    return low + (high - low) * (np.arange(n) + 0.5) / n
