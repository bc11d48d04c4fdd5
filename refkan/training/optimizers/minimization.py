"""`minimize`: one entry for all methods."""

import inspect
from collections.abc import Callable
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

from refkan.base import as_annotated, as_array, check_annotated, check_choice, check_function, real
from refkan.kernels.blas_threads import one_blas_thread
from refkan.training.losses.mistaken import refuse_what_is_no_loss
from refkan.training.optimizers.geometry import Geometry
from refkan.training.optimizers.gradient_methods import adam, gradient_descent, lbfgs, self_scaled_broyden
from refkan.training.optimizers.progress import Report, note, report_of
from refkan.training.optimizers.results import Result
from refkan.training.optimizers.run import Callback, Ending, Halt, Run
from refkan.training.optimizers.run_files import RunFile
from refkan.training.optimizers.second_order.levenberg_marquardt import levenberg_marquardt
from refkan.training.optimizers.second_order.line_searches import gauss_newton, natural_gradient
from refkan.training.optimizers.second_order.variable_projection import variable_projection

METHODS: dict[str, Callable[..., Ending]] = {
    "gd": gradient_descent,
    "adam": adam,
    "lbfgs": lbfgs,
    "self-scaled-broyden": self_scaled_broyden,
}
"""Methods of value and gradient: name -> function of (run, start, *, options)."""

RESIDUAL_METHODS: dict[str, Callable[..., Ending]] = {
    "gauss-newton": gauss_newton,
    "natural-gradient": natural_gradient,
    "levenberg-marquardt": levenberg_marquardt,
    "variable-projection": variable_projection,
}
"""Methods that need residuals and their Jacobian as well, likewise."""

MIXED = ("gd", "adam")
"""Methods that may take the gradient in other coordinates than those of their steps."""


def minimize(
    problem: Any,
    theta: npt.ArrayLike,
    method: str = "lbfgs",
    steps: int = 100,
    geometry: str | None = None,
    gradient: str | None = None,
    callback: Callback | None = None,
    progress: bool | Report | None = False,
    checkpoint: str | PathLike[str] | None = None,
    **options: Any,
) -> Result:
    r"""Minimise a problem over the flat parameters of its network.

    Parameters
    ----------
    problem : LeastSquares or similar
        Offers ``value_and_gradient(theta)``; for the methods of least squares ``residual_and_jacobian(theta)`` too;
        and ``net.coordinates(name)``, ``net.basis`` if a geometry is named.
    theta : array_like, shape (n_params,)
        The start.
    method : str
        "lbfgs" is SciPy's L-BFGS-B; "gd"; "adam"; "self-scaled-broyden", quasi-Newton with a dense inverse Hessian. For
        least squares: "gauss-newton", minimum-norm steps with a line search; "natural-gradient", damped ones;
        "levenberg-marquardt"; "variable-projection", the same with the last layer's coefficients eliminated.
    steps : int
        Steps at most (iterations; Jacobians for least squares); 0 only evaluates the start.
    geometry : {"spline", "relu"}, optional
        The coordinates of the steps; by default the network's own parameters, which are those of the methods for least
        squares.
    gradient : {"spline", "relu"}, optional
        The coordinates of the gradient; by default those of `geometry`. They may differ for "gd" and "adam" only (Table
        1 of [S26]): ``theta += back_geometry(-eta P gradient_gradient(grad_theta))``.
    callback : callable, optional
        Called with a `State` after every step; may raise StopIteration.
    progress : bool or callable
        True: a line on the standard error stream every two seconds and at the end. Or a function called with a `State`
        after every step, such as `ProgressLines`. It changes nothing, unless it raises StopIteration as a callback may.
    checkpoint : path, optional
        A file (.npz) that is written after a step, at most once a second, and at the end. If it exists, the run goes on
        from there: the points are those of a run that was never interrupted, bit for bit, and seconds count on. More
        steps may be asked for than before. What a callback remembers is not in it, and functions among the options,
        such as a schedule, are not compared with those before.
    **options
        gd: learning_rate (required), tolerance_gradient. adam: learning_rate, beta1, beta2, epsilon, weight_decay,
        schedule, tolerance_gradient. lbfgs: history, max_line_search, tolerance_gradient, tolerance_change.
        self-scaled-broyden: max_line_search, tolerance_gradient, tolerance_change. gauss-newton: truncation, solver,
        max_line_search, tolerance_gradient, tolerance_change. natural-gradient: damping, solver, halvings,
        tolerance_gradient, tolerance_change. levenberg-marquardt: damping, solver, max_rejections, tolerance_gradient,
        tolerance_change; variable-projection: those, ridge, ridge_about and roughness.

    Returns
    -------
    Result
        With the best point seen. A value or gradient that becomes non-finite ends the run with a message; the methods
        for least squares reject that trial and go on with a shorter one.

    Raises
    ------
    ValueError
        For unknown names, negative steps, options out of range, ``gradient != geometry`` where that is not possible,
        a value or gradient that is not finite at the start, residuals that do not belong to the value, and matrices
        that exceed the memory there is (nothing is allocated then); for a checkpoint of another method, other options,
        another start, problem or engine, and for one that was altered or damaged.
    OSError
        If the checkpoint cannot be written, before the first evaluation.
    TypeError
        For options that the method does not know or misses, for a network instead of a problem, and for a problem that
        does not offer what the method needs.

    Examples
    --------
    >>> import refkan as rk
    >>> class Bowl:
    ...     def value_and_gradient(self, theta):
    ...         return 0.5 * theta @ theta, theta
    >>> result = rk.minimize(Bowl(), [3.0, -4.0], method="gd", steps=2, learning_rate=0.5)
    >>> result.theta, result.history.value
    (array([ 0.75, -1.  ]), array([12.5    ,  3.125  ,  0.78125]))
    >>> rk.minimize(Bowl(), [3.0, -4.0]).converged
    True
    """
    report = report_of(progress)
    check_annotated(minimize, locals())
    if callback is not None:
        check_function("callback", callback, 1)
    methods = METHODS | RESIDUAL_METHODS
    check_choice("method", method, methods)
    needed = ("value_and_gradient", "residual_and_jacobian")[: 1 + (method in RESIDUAL_METHODS)]
    refuse_what_is_no_loss("problem", problem, *needed)
    start = real("theta", as_array("theta", theta, ndim=1)).copy()
    solve = methods[method]
    _check_options(method, solve, options)
    if method in RESIDUAL_METHODS and (geometry, gradient) != (None, None):
        raise ValueError(
            f"geometry must be left out for method {method!r}, which works in the network's own parameters: give it "
            "the network in the other basis, net.to_basis"
        )
    coordinates = Geometry.of(problem, geometry, gradient)
    if method not in MIXED:
        coordinates.refuse_mixed(method)
    file = None
    if checkpoint is not None:
        choices = {"geometry": geometry, "gradient": gradient, **options}
        data = sorted((name, value) for name, value in choices.items() if not callable(value))
        file = RunFile(checkpoint, f"{method} with " + ", ".join(f"{name}={value!r}" for name, value in data))
    run = Run(problem, coordinates, steps, callback, report, file)
    try:
        # A method that diverges overflows on its way; the run looks at every value itself.
        with one_blas_thread(start.size), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            ending = solve(run, run.start(start), **as_annotated(solve, options))
    except Halt as halt:
        ending = Ending(False, str(halt))
    result = run.result(ending)
    note(report, f"{method}: {result.message}, value {result.value:.4g}")
    return result


def _check_options(method: str, solve: Callable[..., Ending], options: dict[str, Any]) -> None:
    parameters = inspect.signature(solve).parameters.values()
    known = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    for name in options:
        if name not in known:
            raise TypeError(f"method {method!r} has no option {name!r}; it takes {', '.join(known)}")
    for name, default in known.items():
        if default is inspect.Parameter.empty and name not in options:
            raise TypeError(f"method {method!r} needs the option {name!r}")
