"""Optimisers: gradient descent and Adam in the four geometries, L-BFGS, and methods for least squares.

L-BFGS and self-scaled Broyden come with a line search. The methods for least squares are Gauss-Newton, natural
gradient, Levenberg-Marquardt and variable projection.

Examples
--------
>>> import refkan as rk
>>> from refkan.training.optimizers import METHODS, RESIDUAL_METHODS, STOPPED
>>> list(METHODS), list(RESIDUAL_METHODS)
(['gd', 'adam', 'lbfgs', 'self-scaled-broyden'],
 ['gauss-newton', 'natural-gradient', 'levenberg-marquardt', 'variable-projection'])
>>> def enough(state):
...     if state.step == 2:
...         raise StopIteration
>>> problem = rk.LeastSquares(rk.kan([1, 1], order=2, intervals=2), [[0.1], [0.9]], [[1.0], [0.0]])
>>> result = rk.minimize(problem, [0.0, 0.0, 0.0], "gd", learning_rate=0.1, callback=enough)
>>> result.message.startswith(STOPPED), result.message
(True, 'stopped by the callback after step 2')
"""

from refkan.training.optimizers.geometry import Geometry
from refkan.training.optimizers.minimization import METHODS, RESIDUAL_METHODS, minimize
from refkan.training.optimizers.progress import ProgressLines
from refkan.training.optimizers.results import History, Result, State
from refkan.training.optimizers.run import STOPPED

__all__ = [
    "METHODS",
    "RESIDUAL_METHODS",
    "STOPPED",
    "Geometry",
    "History",
    "ProgressLines",
    "Result",
    "State",
    "minimize",
]
