"""What the fast engine is compiled for in tests: few forms, which show every branch of its kernels; others in Python.

Kernels are compiled for each order, number of outputs and jet, seconds for each. Tests of the fast engine take these,
or go `in_python`: what sums there are does not depend on a compiler, and how they are compiled is seen here.
"""

from contextlib import contextmanager

from refkan.splines.sums.channels import Channels

POLYNOMIAL = ((1, 5), (2, 1), (3, 5), (4, 1), (4, 3), (6, 2))
"""Orders and outputs of sweeps by polynomials, which have branches for orders 1, 2, 3, 4 and more.

Where order and outputs are free they are those of examples and of judged cases, whose kernels are compiled anyway.
"""

OUTPUTS = {1: 5, 2: 1, 3: 5, 4: 3, 6: 2}
"""One number of outputs for each of these orders."""

SORTED = 4
"""Order of sweeps by sorted runs."""

JET, JET_ORDER = Channels(2, 1), 4
"""Jets, for few outputs and for many, and their order."""

DEPTHS = {1: (1,), 2: (1,), 3: (1,), 4: (0, 1, 2, 3), 6: (1,)}
"""Derivatives of the local basis by order: values with slopes as layers ask for, and all of order 4."""


@contextmanager
def in_python(*modules):
    """The kernels of these modules as Python runs them."""
    kept = [(module, name, f) for module in modules for name, f in vars(module).items() if hasattr(f, "py_func")]
    for module, name, kernel in kept:
        setattr(module, name, kernel.py_func)
    try:
        yield
    finally:
        for module, name, kernel in kept:
            setattr(module, name, kernel)
