"""Conditioning studies: the spectra of many networks, on any executor, resumed where they stopped."""

import os
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Executor, Future, as_completed
from contextlib import closing
from functools import partial
from typing import Any

import numpy as np

from refkan.analysis.conditioning.spectrum_of_problem import spectrum
from refkan.analysis.conditioning.studies.study_rows import MEASURED, Configuration, Study, StudyRow, measured
from refkan.base import FloatArray, check_annotated
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.base.long_runs.worker_processes import submitted
from refkan.kernels.engine_choice import current_engine, use_engine
from refkan.training.losses import LeastSquares

Target = Callable[[FloatArray], Any]
Progress = Callable[[str], None]

FORMAT = 2
"""Raised when what a row holds, or how it is computed, changes: stored rows of another format are not used."""


def measure(configuration: Configuration, target: Target | None = None) -> StudyRow:
    """Compute the row of one point; its seed draws the parameters, by the scheme "linear", and uniform samples.

    Parameters
    ----------
    configuration : Configuration
    target : callable, optional
        x (N, P) -> y (N, Q). Gauss-Newton matrices and kernels do not depend on it; the Hessian needs it.

    Examples
    --------
    >>> import refkan as rk
    >>> from refkan.analysis.conditioning.studies.studies import measure
    >>> (point,) = rk.conditioning.grid(["spline"], [[2, 3, 1]], [3], [4], samples=100)
    >>> row = measure(point)
    >>> row.n_params, row.rank, row.analytic_nullity
    (54, 49, 5)
    """
    check_annotated(measure, locals())
    began = time.perf_counter()
    problem, theta = problem_of(configuration, target)
    eigenvalues = spectrum(
        problem,
        theta,
        which=configuration.which,
        basis=configuration.basis,
        preconditioner=configuration.preconditioner,
    )
    numbers = measured(eigenvalues) | {"n_params": theta.size}
    return StudyRow(configuration, **numbers, seconds=time.perf_counter() - began)


def problem_of(configuration: Configuration, target: Target | None = None) -> tuple[LeastSquares, FloatArray]:
    """Return the problem of one point, and its parameters; arguments as for `measure`."""
    if configuration.which == "hessian" and target is None:
        raise ValueError("target must be given for which='hessian', which depends on the residuals")
    unbound = configuration.network()
    parameters, points = (np.random.default_rng([configuration.seed, stream]) for stream in (0, 1))
    x = points.uniform(size=(configuration.samples, unbound.widths[0]))
    net, theta = unbound.initialize(parameters, x)
    y = np.zeros((x.shape[0], net.widths[-1]))
    if target is not None:
        y = target(x)
    return LeastSquares(net, x, y), theta


def study(
    configurations: Iterable[Configuration | Mapping[str, Any]],
    executor: Executor | None = None,
    checkpoints: Checkpoints | str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    *,
    target: Target | None = None,
) -> Study:
    """Compute the spectra of many networks.

    Parameters
    ----------
    configurations : iterable of Configuration
        Or mappings of their fields; see `grid`.
    executor : concurrent.futures.Executor, optional
        Threads, processes, a ``distributed.Client(...).get_executor()``; by default one after the other, here.
    checkpoints : Checkpoints or folder, optional
        Where each row is kept as soon as it is there; what is there already is not computed again.
    progress : callable, optional
        Called with one line of text for each row.
    target : callable, optional
        As for `measure`. With an executor or checkpoints it must be a function of a module: it is sent, and stored, by
        its name.

    Returns
    -------
    Study
        A point that raises an error has it in its row, is not kept, and does not stop the others.

    Raises
    ------
    RuntimeError
        If the executor fails (a worker was killed, a cluster went away): it says how many rows are done and kept. The
        same call resumes.
    ValueError, TypeError
        For bad configurations, before anything is computed.

    Notes
    -----
    An interruption (KeyboardInterrupt) keeps the rows that are done, cancels the others and is passed on.

    Examples
    --------
    >>> import refkan as rk
    >>> points = rk.conditioning.grid(["spline", "relu"], [[2, 1]], orders=[3], intervals=[8], samples=200)
    >>> spline, relu = rk.conditioning.study(points).rows
    >>> spline.nullity, relu.nullity, relu.condition > 1e4 * spline.condition
    (1, 1, True)
    """
    check_annotated(study, locals())
    points = list(map(_point, configurations))
    store = checkpoints
    if store is not None and not isinstance(store, Checkpoints):
        store = Checkpoints(store)
    report = progress or _silent
    common = {"task": "spectrum", "engine": current_engine(), "format": FORMAT, "target": None}
    if executor is not None or store is not None:
        common["target"] = _importable(target)
    keys = {point: common | point.as_dict() for point in points}
    done: dict[Configuration, StudyRow] = {}
    if store is not None:
        done = _kept(store, keys)
    if done:
        report(f"{len(done)} of {len(keys)} points are there already")
    attempt = partial(_attempt, target=target, engine=current_engine())
    pending = [point for point in keys if point not in done]
    with closing(_computed(pending, attempt, executor, len(keys), store)) as rows:
        for row in rows:
            point = row.configuration
            done[point] = row
            if store is not None and row.error is None:
                store.put(keys[point], {name: getattr(row, name) for name in MEASURED})
            result = row.error or f"condition {row.condition:.3e}"
            report(f"{len(done)}/{len(keys)} {point}: {result}")
    return Study(tuple(done[point] for point in points))


def _point(given: Configuration | Mapping[str, Any]) -> Configuration:
    if isinstance(given, Configuration):
        return given
    return Configuration(**given)


def _silent(line: str) -> None:
    pass


def _kept(store: Checkpoints, keys: Mapping[Configuration, Any]) -> dict[Configuration, StudyRow]:
    """The rows that are stored already."""
    rows = {point: store.get(key) for point, key in keys.items()}
    return {point: StudyRow(point, **row) for point, row in rows.items() if row is not None}


def _attempt(configuration: Configuration, target: Target | None, engine: str) -> StudyRow:
    """Compute a row by the engine of the caller, with an error as its result: futures raise errors of the executor."""
    try:
        with use_engine(engine):
            return measure(configuration, target)
    except Exception as error:
        return StudyRow(configuration, error=f"{type(error).__name__}: {error}")


def _computed(
    pending: list[Configuration],
    attempt: Callable[[Configuration], StudyRow],
    executor: Executor | None,
    total: int,
    store: Checkpoints | None,
) -> Generator[StudyRow, None, None]:
    """Yield rows as they come in."""
    if executor is None:
        yield from map(attempt, pending)
        return
    futures: list[Future[StudyRow]] = []
    finished = total - len(pending)
    try:
        futures.extend(submitted(executor, attempt, point) for point in pending)
        for future in as_completed(list(futures)):
            row = future.result()
            finished += 1
            futures.remove(future)
            yield row
    except (Exception, KeyboardInterrupt) as error:
        # Rows that came in beside the failure are as good as the others.
        ended = [future for future in futures if future.done() and not future.cancelled()]
        rescued = [future.result() for future in ended if future.exception() is None]
        yield from rescued
        if isinstance(error, KeyboardInterrupt):
            raise
        raise _executor_failed(error, finished + len(rescued), total, store) from error
    finally:
        for future in futures:
            future.cancel()


def _executor_failed(error: Exception, done: int, total: int, store: Checkpoints | None) -> RuntimeError:
    reason = type(error).__name__
    if str(error):
        reason += f": {error}"
    fate = "none are kept: give checkpoints= to keep them"
    if store is not None:
        fate = f"they are kept in {store.folder}: the same call computes the other {total - done}"
    return RuntimeError(f"the executor failed ({reason}) when {done} of {total} points were done; {fate}")


def _importable(target: Target | None) -> str | None:
    """Return the name under which a function can be imported; ValueError if there is none."""
    if target is None:
        return None
    called = f"{getattr(target, '__module__', '<>')}:{getattr(target, '__qualname__', '<no name>')}"
    if "<" in called:
        raise ValueError(
            f"target must be a function of a module to be sent to an executor or stored with a checkpoint; got {called}"
        )
    return called
