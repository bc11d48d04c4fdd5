"""How far values of B-splines may be from exact ones."""

TINY = 1e-300  # underflow, next to a knot at 0


def value_tolerance(order):
    """Each of the r - 1 steps of the recursion rounds six times, by eps/2: 3 eps r < 1e-15 r for values up to one."""
    return 1e-15 * order
