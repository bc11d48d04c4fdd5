"""Node maps: what takes the outputs y of one layer into the domains [a, b] of the next, node by node.

    none       z = y
    affine     z = scale y + shift, with fixed constants
    sigmoid    z = a + (b - a) sigmoid(y)
    mean-std   z = scale y + shift, scale = (b - a)/(2 kappa std), shift = (a + b)/2 - scale mean
    min-max    z = scale y + shift, scale = (b - a)/(max - min), shift = a - scale min

The last two take mean, std, min and max from the outputs Y on a statistics batch, whose samples lie in front of all
others in y. Their derivatives go through these constants.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from refkan.truth.arithmetic.functions import sigmoid, sqrt
from refkan.truth.arithmetic.number_types import (
    Matrix,
    Number,
    Numbers,
    UndecidedError,
    at_most,
    less,
    real_part,
    rounding_unit,
)

Mapped = tuple[Matrix, Callable[[Matrix], Matrix]]
"""z of all samples, and the pullback dz -> dy."""


class NodeMap(Protocol):
    """What a network asks of a node map."""

    uses_statistics: bool

    def at(self, y: Matrix, batch: int, where: str) -> Mapped:
        """Return z of all samples, of which the first `batch` are the statistics batch, and the pullback dz -> dy.

        Errors name the node and say `where` it is.
        """


class PointwiseMap(ABC):
    """A function of each number alone."""

    uses_statistics = False

    @abstractmethod
    def value(self, q: int, y: Number) -> Number:
        """Return z of node q."""

    @abstractmethod
    def slope(self, q: int, y: Number) -> Number:
        """Return dz/dy of node q."""

    def at(self, y: Matrix, batch: int, where: str) -> Mapped:
        """dy = dz/dy dz."""

        def pull_back(dz: Matrix) -> Matrix:
            rows = zip(y, dz, strict=True)
            return [[self.slope(q, v) * d for q, (v, d) in enumerate(zip(*row, strict=True))] for row in rows]

        return [[self.value(q, v) for q, v in enumerate(row)] for row in y], pull_back


@dataclass(frozen=True)
class Unmapped(PointwiseMap):
    """z = y."""

    def value(self, q: int, y: Number) -> Number:
        """Return y."""
        return y

    def slope(self, q: int, y: Number) -> Number:
        """Return 1."""
        return 1


@dataclass(frozen=True)
class Affine(PointwiseMap):
    """z = scale y + shift."""

    scales: Numbers
    shifts: Numbers

    def value(self, q: int, y: Number) -> Number:
        """Return scale y + shift."""
        return self.scales[q] * y + self.shifts[q]

    def slope(self, q: int, y: Number) -> Number:
        """Return scale."""
        return self.scales[q]


@dataclass(frozen=True)
class Sigmoid(PointwiseMap):
    """z = a + (b - a) sigmoid(y)."""

    domains: Sequence[Numbers]

    def value(self, q: int, y: Number) -> Number:
        """Return a + (b - a) sigmoid(y)."""
        a, b = self.domains[q]
        return a + (b - a) * sigmoid(y)

    def slope(self, q: int, y: Number) -> Number:
        """Return (b - a) g h, g = sigmoid(y), h = sigmoid(-y) = 1 - g."""
        a, b = self.domains[q]
        return (b - a) * sigmoid(y) * sigmoid(-y)


Constants = tuple[Number, Number, Callable[[Number, Number], list[Number]]]
"""Scale and shift of a node, and the pullback (dscale, dshift) -> dY to its outputs on the statistics batch."""


@dataclass(frozen=True)
class StatisticsMap(ABC):
    """z = scale y + shift with constants from the statistics batch."""

    domains: Sequence[Numbers]
    uses_statistics = True

    @abstractmethod
    def constants(self, Y: Numbers, domain: Numbers, where: str) -> Constants:
        """Return scale, shift and their pullback of a node with outputs Y on the batch; raise where Y is constant."""

    def at(self, y: Matrix, batch: int, where: str) -> Mapped:
        """dy = scale dz, and on the batch what comes from dscale = sum_s dz_s y_s, dshift = sum_s dz_s."""
        if batch == 0:
            raise ValueError(f"the statistics batch must hold at least one sample {where}; got none")
        nodes, constants = list(zip(*y, strict=True)), []
        for q, (Y, domain) in enumerate(zip(nodes, self.domains, strict=True)):
            try:
                constants.append(self.constants(Y[:batch], domain, f"node {q} {where}"))
            except UndecidedError as error:
                raise UndecidedError(f"node {q} {where}, on the statistics batch: {error}") from None
        z = [[scale * v + shift for (scale, shift, _), v in zip(constants, row, strict=True)] for row in y]

        def pull_back(dz: Matrix) -> Matrix:
            columns = []
            for Y, d, (scale, _, back) in zip(nodes, zip(*dz, strict=True), constants, strict=True):
                dY = back(sum(d_s * y_s for d_s, y_s in zip(d, Y, strict=True)), sum(d))
                through = [*dY, *([0] * (len(d) - batch))]
                columns.append([scale * d_s + t for d_s, t in zip(d, through, strict=True)])
            return [list(row) for row in zip(*columns, strict=True)]

        return z, pull_back


@dataclass(frozen=True)
class MeanStd(StatisticsMap):
    """scale = reach/std, reach = (b - a)/(2 kappa); shift = (a + b)/2 - scale mean; std with ddof = 0."""

    kappa: Number

    def constants(self, Y: Numbers, domain: Numbers, where: str) -> Constants:
        """dmean = -scale dshift, dstd = -(scale/std) (dscale - mean dshift), dY = dmean/S + dstd (Y - mean)/(S std)."""
        (a, b), S = domain, len(Y)
        mean = sum(Y) / S
        variance = sum((v - mean) ** 2 for v in Y) / S
        require_spread(variance, Y, 2, f"{where} has standard deviation 0")
        std = sqrt(variance)
        scale = (b - a) / (2 * self.kappa * std)

        def pull_back(dscale: Number, dshift: Number) -> list[Number]:
            dmean = -scale * dshift
            dstd = -(scale / std) * (dscale - mean * dshift)
            return [dmean / S + dstd * (v - mean) / (S * std) for v in Y]

        return scale, (a + b) / 2 - scale * mean, pull_back


@dataclass(frozen=True)
class MinMax(StatisticsMap):
    """scale = (b - a)/(max - min), shift = a - scale min; its derivative follows the extremes, the first of equals."""

    def constants(self, Y: Numbers, domain: Numbers, where: str) -> Constants:
        """With ds = dscale - min dshift: dmax = -scale ds/(max - min), dmin = -dmax - scale dshift."""
        (a, b), low, high = domain, 0, 0
        for s, v in enumerate(Y):
            low, high = s if less(v, Y[low]) else low, s if less(Y[high], v) else high
        spread = Y[high] - Y[low]
        require_spread(spread, Y, 1, f"{where} has range 0")
        scale = (b - a) / spread

        def pull_back(dscale: Number, dshift: Number) -> list[Number]:
            dY = [0 * v for v in Y]
            dY[high] = -scale / spread * (dscale - Y[low] * dshift)
            dY[low] = -dY[high] - scale * dshift
            return dY

        return scale, a - scale * Y[low], pull_back


def require_spread(spread: Number, Y: Numbers, power: int, owner: str) -> None:
    """Raise ValueError unless spread > (8 eps max |Y|)^power: rounding alone gives a constant such a spread.

    Over exact numbers eps is 0.
    """
    rounding = 8 * rounding_unit(Y[0]) * max(abs(real_part(v)) for v in Y)
    if at_most(spread, rounding**power):
        raise ValueError(
            f"{owner} on the statistics batch: its outputs are constant, and no map takes them to a domain"
        )
