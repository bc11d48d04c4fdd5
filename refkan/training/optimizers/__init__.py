"""Optimisers: gradient descent and Adam in the four geometries, L-BFGS, and methods for least squares.

L-BFGS and self-scaled Broyden come with a line search. The methods for least squares are Gauss-Newton, natural
gradient, Levenberg-Marquardt and variable projection.

Examples
--------
>>> import refkan as rk
>>> def enough(state):
...     if state.step == 2:
...         raise StopIteration
>>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=2), [[0.1], [0.9]], [[1.0], [0.0]])
>>> result = rk.minimize(problem, [0.0, 0.0, 0.0], "gd", learning_rate=0.1, callback=enough)
>>> result.message
'stopped by the callback after step 2'
"""

from refkan.training.optimizers.minimization import minimize
from refkan.training.optimizers.results import Result, State

__all__ = [
    "Result",
    "State",
    "minimize",
]
