r"""Learning rates as functions of the step: cyclic with shrinking amplitude, decaying, and with a ramp."""

from collections.abc import Callable

from refkan.base import Checked, Natural, NonNegative, Positive


class Cyclic(Checked):
    r"""A learning rate that follows a triangle wave between two rates, whose amplitude shrinks.

    ::

        rate_k = low + (high - low) factor^k (1 - |2 (k mod cycle)/cycle - 1|)

    Notes
    -----
    [S26] section 5.2.2 trains between 1e-4 and 1e-3, with cycle 100 and factor 0.9995.

    Examples
    --------
    >>> from validation.equations.recipes.schedules import Cyclic
    >>> rate = Cyclic(factor=1.0)
    >>> [round(rate(k), 6) for k in (0, 25, 50, 100)]
    [0.0001, 0.00055, 0.001, 0.0001]
    """

    low: Positive = 1e-4
    high: Positive = 1e-3
    cycle: Natural = 100
    factor: Positive = 0.9995

    def __call__(self, step: int) -> float:
        """Return the rate of the step."""
        height = 1.0 - abs(2.0 * (step % self.cycle) / self.cycle - 1.0)
        return self.low + (self.high - self.low) * self.factor**step * height


class Decaying(Checked):
    r"""A learning rate that falls geometrically from `first` to `last` over a number of steps, and stays there.

    Examples
    --------
    >>> from validation.equations.recipes.schedules import Decaying
    >>> rate = Decaying(1e-2, 1e-4, 100)
    >>> [round(rate(k), 6) for k in (0, 50, 100, 200)]
    [0.01, 0.001, 0.0001, 0.0001]
    """

    first: Positive
    last: Positive
    steps: int

    def __call__(self, step: int) -> float:
        """Return the rate of the step."""
        share = min(1.0, step / max(self.steps, 1))
        return float(self.first * (self.last / self.first) ** share)


class Ramped(Checked):
    r"""A learning rate that rises linearly from `first` in the first steps, and then follows another schedule.

    ::

        rate_k = first + (rate - first) k / steps    for k < steps

    Notes
    -----
    In [S26] sections 5.2.1 and 5.2.3 the rate rises from 1e-4 to 1e-2 in ten steps.

    Examples
    --------
    >>> from validation.equations.recipes.schedules import Ramped
    >>> rate = Ramped(1e-2)
    >>> [round(rate(k), 6) for k in (0, 5, 10, 1000)]
    [0.0001, 0.00505, 0.01, 0.01]
    """

    rate: Positive | Callable[[int], float]
    first: NonNegative = 1e-4
    steps: int = 10

    def __call__(self, step: int) -> float:
        """Return the rate of the step."""
        full = self.rate
        if callable(full):
            full = full(step)
        if step >= self.steps:
            return full
        return self.first + (full - self.first) * step / self.steps
