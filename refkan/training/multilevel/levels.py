r"""Levels: one problem on networks whose spaces are nested, coarsest first.

After every prolongation: whether it is still the same function.
"""

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from itertools import pairwise
from typing import Any, Self

import numpy as np

from refkan.base import Checked, FloatArray, Frozen, OutsideDomainError, check_annotated
from refkan.base.arguments import as_vector, check_count, check_type, real
from refkan.networks import Network
from refkan.training.losses.mistaken import refuse_what_is_no_loss

RTOL = 1e-13
"""Relative to the contributions to a value, see `contributions`; rounding alone stays some tens of times below it."""

NUDGE = 2.0**-26
"""Relative change of the parameters by which contributions are measured: the root of eps."""

DRAWS, MEASURED = 8, 1024
"""Changes, and points at least (of more, every so many), for the size of contributions."""

ELSEWHERE = 256
"""Points off the samples."""

REACH = 0.2
"""How far these reach beyond the samples, in parts of their range."""


def require_unchanged(
    coarse: Network, theta: FloatArray, fine: Network, theta_fine: FloatArray, samples: FloatArray | None
) -> float:
    """Compare two networks on the samples and off them; return the largest relative difference.

    Raises
    ------
    RuntimeError
        If it exceeds 1e-13: an error in a prolongation, or networks that are not nested.
    """
    worst = 0.0
    for where, x in (("the samples", samples), ("points off the samples", points_elsewhere(coarse, samples))):
        if x is None or x.shape[0] == 0:
            continue
        try:
            before, after = coarse(theta, x), fine(theta_fine, x)
        except OutsideDomainError:  # outside="error": nothing to compare there
            continue
        scale = np.abs(before).max(axis=0) + contributions(coarse, theta, x, before)
        difference = np.abs(after - before).max(axis=0)
        # 0 / 0 is agreement.
        quotient = np.divide(difference, scale, out=np.where(difference > 0, np.inf, 0.0), where=scale > 0)
        relative = float(quotient.max())
        worst = max(worst, relative)
        if not relative <= RTOL:
            raise RuntimeError(
                f"prolongation changed the function by {relative:.2g}, relative, on {where} (at most {RTOL:g} is "
                "rounding): the two networks are not nested, or a prolongation is wrong"
            )
    return worst


def contributions(net: Network, theta: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """Size of what adds up to the outputs y (Q,), the largest over x: by random relative changes of the parameters.

    A change by NUDGE times normal numbers moves y by NUDGE times a normal number of standard deviation
    ``sqrt(sum_i (theta_i dy/dtheta_i)^2)``, which is larger than y where large terms cancel, as in the ReLU basis. The
    largest of several is no less than that by accident.
    """
    rows = slice(None, None, max(1, x.shape[0] // MEASURED))
    rng = np.random.default_rng(0)
    sizes = np.zeros(y.shape[1])
    for _ in range(DRAWS):
        moved = net(theta * (1.0 + NUDGE * rng.standard_normal(theta.size)), x[rows]) - y[rows]
        sizes = np.maximum(sizes, np.abs(moved).max(axis=0, initial=0.0) / NUDGE)
    return sizes


def points_elsewhere(net: Network, samples: FloatArray | None) -> FloatArray:
    """Random points over the domain of the first layer and the samples, and beyond unless that is an error.

    A layer without a domain has [0, 1].
    """
    low, high = net.layers[0].domains.T
    if net.layers[0].outside != "error":
        if samples is not None and samples.shape[0]:
            low, high = np.minimum(low, samples.min(axis=0)), np.maximum(high, samples.max(axis=0))
        low, high = low - REACH * (high - low), high + REACH * (high - low)
    return np.random.default_rng(1).uniform(low, high, (ELSEWHERE, net.widths[0]))


def samples_of(problem: Any) -> Any:
    """Return the samples of a problem (N, P): its ``x``, or the points of its terms; None if it names none."""
    if hasattr(problem, "terms"):
        points = np.concatenate([side.points for term in problem.terms for side in term.sides])
        return np.asarray(points, dtype=np.float64)
    x = getattr(problem, "x", None)
    return None if x is None else np.asarray(x, dtype=np.float64)


class Level(Frozen):
    """One level of a hierarchy.

    Attributes
    ----------
    index : int
        0 is the coarsest.
    network : Network
    problem : LeastSquares, Collocation or similar
        On this network.

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.multilevel import Hierarchy
    >>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=2), [[0.5]], [[1.0]])
    >>> coarse, fine = Hierarchy.refined(problem, [2])
    >>> coarse.index, fine.network.n_params, coarse.network.convert([0.0, 1.0, 4.0], fine.network)
    (0, 5, array([0. , 0.5, 1. , 2.5, 4. ]))
    """

    index: int
    network: Network
    problem: Any


class Hierarchy(Checked, eq=False):
    r"""Levels of properly nested networks, coarsest first: ``F_l(x; u) = F_{l+1}(x; P u)`` for every x and u.

    P is the matrix ``network.prolongation(finer)``; gradients go down by ``P^T``, and so do matrices: ``H_l = P^T
    H_{l+1} P``, Galerkin's product. Nothing here knows of splines: a network takes part if it offers ``n_params``,
    ``convert(theta, finer)`` and ``prolongation(finer)``, and, for `refined`, ``refine(factor)``.

    Parameters
    ----------
    levels : tuple of Level

    Examples
    --------
    >>> import numpy as np, refkan as rk
    >>> from refkan.training.multilevel import Hierarchy
    >>> x = np.linspace(0.0, 1.0, 30)[:, None]
    >>> net, theta = rk.kan([1, 1], order=2, intervals=2).initialize(np.random.default_rng(0), x)
    >>> hierarchy = Hierarchy.refined(rk.LeastSquares(net, x, x**2), [2, 2])
    >>> [level.network.n_params for level in hierarchy]
    [3, 5, 9]
    >>> bool(np.abs(hierarchy[2].network(hierarchy.prolong(theta, 0, 2), x) - net(theta, x)).max() < 1e-15)
    True
    """

    levels: tuple[Level, ...]

    @classmethod
    def of(cls, problem: Any, networks: Sequence[Network]) -> Self:
        """Build the problem on each of the networks, coarsest first.

        Raises
        ------
        KnotError, ValueError
            If one network's functions are not all functions of the next.
        TypeError
            If the problem cannot be had on another network.
        """
        check_annotated(Hierarchy.of, locals())
        if not networks:
            raise ValueError("networks must hold at least one network; got none")
        for net, finer in pairwise(networks):
            if not any(layer.free_knots for layer in net.layers):  # or the matrix depends on the parameters
                net.prolongation(finer)
        return cls(tuple(Level(k, net, on_network(problem, net)) for k, net in enumerate(networks)))

    @classmethod
    def refined(cls, problem: Any, factors: Sequence[Any]) -> Self:
        """Refine the network of a problem by each factor in turn.

        Parameters
        ----------
        problem : LeastSquares, Collocation or similar
            On the coarsest network, bound to its data.
        factors : sequence
            One for each refinement: a number, or one number a layer, as for `Network.refine`.
        """
        check_annotated(Hierarchy.refined, locals())
        refuse_what_is_no_loss("problem", problem)
        if not hasattr(problem, "net"):
            remedy = "rk.LeastSquares(net, x, y)" if isinstance(problem, Network) else "a LeastSquares or a Collocation"
            raise TypeError(f"problem must offer net, its network; got {type(problem).__name__}: pass {remedy}")
        networks = [problem.net]
        check_type("problem.net", problem.net, Network)
        for factor in factors:
            networks.append(networks[-1].refine(factor))
        return cls.of(problem, networks)

    def __len__(self) -> int:
        return len(self.levels)

    def __getitem__(self, index: int) -> Level:
        return self.levels[index]

    def __iter__(self) -> Iterator[Level]:
        return iter(self.levels)

    @property
    def finest(self) -> Level:
        """The last level."""
        return self.levels[-1]

    def prolong(self, theta: Any, level: int, to: int | None = None) -> FloatArray:
        """Return the parameters of the same function on the finer level `to`, by default the next one."""
        level = check_count("level", level, 0, len(self) - 1)
        to = check_count("to", level + 1 if to is None else to, level, len(self) - 1)
        theta = real("theta", as_vector("theta", theta, self[level].network.n_params))
        for k in range(level, to):
            theta = self[k].network.convert(theta, self[k + 1].network)
        return theta


def on_network(problem: Any, net: Network) -> Any:
    """Return the same problem on another network: by its ``with_network(net)``, or as a dataclass with a field net.

    Raises
    ------
    TypeError
        If it has neither.
    """
    if hasattr(problem, "with_network"):
        return problem.with_network(net)
    if is_dataclass(problem) and not isinstance(problem, type) and any(f.name == "net" for f in fields(problem)):
        return replace(problem, net=net)
    raise TypeError(
        f"problem must offer with_network(net), or be a dataclass with a field net; got {type(problem).__name__}"
    )
