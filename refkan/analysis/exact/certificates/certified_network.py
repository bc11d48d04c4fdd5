r"""A certificate: a network, a box, samples, and all that is proven about them, as data for a file.

The rank of the Jacobian and the condition number of the Gauss-Newton matrix come with what proves them again:

    rank J >= k    a minor of size k that is not zero modulo a prime
    rank J <= k    null vectors with J Z = 0, first those of theory, or the number of rows or columns
    spectrum       J^T J/N - mu I has as many negative eigenvalues as its L D L^T has negative pivots (Sylvester)

J J^T/N has the same nonzero eigenvalues, and is used if there are fewer rows than parameters.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from functools import partial
from typing import Any

import numpy as np

from refkan.analysis.exact.certificates.statements import (
    MOST_INPUTS,
    NotProvenError,
    Posed,
    Statement,
    hexadecimal,
    largest_residual,
    over_box,
)
from refkan.analysis.exact.enclosures.float_intervals import require_rounding_to_nearest
from refkan.analysis.exact.enclosures.network_intervals import with_fixed_constants
from refkan.analysis.exact.extra import require
from refkan.analysis.exact.ranks.network_rows import Problem, checked, rational_rows, require_cost
from refkan.analysis.exact.ranks.null_directions import known_null_vectors
from refkan.analysis.exact.ranks.ranks import PRIMES, certified_rank, pivots, rank_of_matrix
from refkan.analysis.exact.spectra.certified_spectra import certified_spectrum, enclosed
from refkan.analysis.exact.spectra.curvatures import curvature
from refkan.base import ConvergenceError, FloatArray
from refkan.base.plain_text import rounded
from refkan.networks import Network
from refkan.networks.layers import Layer
from refkan.training.losses import LeastSquares

FORMAT = "refkan certificate 2"

KINDS = ("spline", "relu", "scaled-relu", "chebyshev")


SECONDS = 60.0
"""Expected time beyond which ranks are left out."""

MOST_ROWS = 150
"""Rows of the largest matrix whose condition number is handed on: over rational numbers it takes a minute."""

MOST_CONDITION = 1e32
"""The largest condition number that the checker tells in the digits it has."""

Samples = tuple[FloatArray, FloatArray]
Group = list[tuple[str, Callable[..., Statement]]]
"""Names of statements, and functions that make them, each called with the statements before it in the group."""


def certificate(
    net: Network,
    theta: FloatArray,
    box: FloatArray,
    samples: Samples | None = None,
    tolerance: float = 1e-2,
    budget: int = 5000,
    progress: Callable[[str], Any] = lambda line: None,
    executor: Executor | None = None,
) -> dict[str, Any]:
    """Prove what can be proven about a network in a box (P, 2) and at samples, each statement with its witness.

    With an executor, of processes for example, statements are proven beside one another; they are the same.

    Mean-std and min-max maps are those of ``net.freeze(theta)``, free knots those of ``net.with_fixed_knots(theta)``;
    under outside="error" the end pieces go on. Each statement names its "network": the "given" one, or the "fixed" one
    if that differs from it. Ranks and condition numbers of the given one are then under "given": they are proven here,
    but not by what the certificate holds.

    Returns
    -------
    dict
        The content of the file: "network", "box", "samples", "statements", "given", and what could not be stated,
        "unproven".

    Raises
    ------
    ValueError
        For networks of other parts than the independent checker knows, and boxes that do not fit.
    """
    net.require_bound()
    fixed, parameters = with_fixed_constants(net, theta)
    data = network_data(fixed, parameters)
    posed = Posed.of(fixed, parameters, box, tolerance, budget)
    plan: list[Group] = [[each] for each in over_box(posed)]
    of_given: list[Group] = []
    constants = fixed_constants(net, fixed)
    if samples is not None:
        plan += _at_samples(posed, fixed, parameters, *samples)
        problem = checked(LeastSquares(net, *samples), theta)
        if constants or problem.irrational:
            of_given = [_of_given_network(LeastSquares(net, *samples), theta)]
    statements, unproven = _proven(plan, progress, executor)
    more, missing = _proven(of_given, progress, executor)
    unproven += missing
    given = None
    if constants or more:
        given = {"constants": constants, "statements": more}
    which = "given"
    if constants:
        which = "fixed"
    for statement in statements:
        statement["network"] = which
    exact = None
    if samples is not None:
        exact = {"x": hexadecimal(samples[0]), "y": hexadecimal(samples[1])}
    return {
        "format": FORMAT,
        "network": data,
        "box": hexadecimal(box),
        "samples": exact,
        "statements": statements,
        "unproven": unproven,
        "given": given,
    }


def fixed_constants(net: Network, fixed: Network) -> str:
    """Name the parts of a network that were fixed, which are functions of its parameters; empty if there are none."""
    parts = []
    if net.statistics is not None:
        parts.append("the statistics of node maps")
    if fixed.n_params != net.n_params:
        parts.append("free knots")
    return " and ".join(parts)


GIVEN = "of the network as given"


def _of_given_network(problem: LeastSquares, theta: FloatArray) -> Group:
    """Rank and condition of a network whose statistics and free knots depend on its parameters."""
    rank, condition = f"rank of the Jacobian {GIVEN}", f"condition of the Gauss-Newton matrix {GIVEN}"
    return [
        (rank, partial(rank_of_given_network, rank, problem, theta)),
        (condition, partial(condition_of_given_network, condition, problem, theta)),
    ]


def rank_of_given_network(subject: str, problem: LeastSquares, theta: FloatArray) -> Statement:
    """The rank of its Jacobian, or bounds of it."""
    proof = certified_rank(problem, theta, SECONDS)
    if proof.low < proof.high:
        return {"statement": subject, "said": f"from {proof.low} to {proof.high}, of {proof.size} parameters"}
    return {"statement": subject, "said": f"{proof.low}, of {proof.size} parameters"}


def condition_of_given_network(
    subject: str, problem: LeastSquares, theta: FloatArray, of_rank: Statement | None
) -> Statement:
    """Bounds of its condition number."""
    if of_rank is not None and of_rank["said"].startswith("from"):
        raise NotProvenError("the rank is not known, and so it is not known how many eigenvalues are zero")
    spectrum = certified_spectrum(problem, theta, seconds=SECONDS)
    low, high = spectrum.condition.low, spectrum.condition.high
    bounds = f"[{rounded(low, 12):g}, {rounded(high, 12, above=True):g}]"
    return {"statement": subject, "said": f"in {bounds}, of {spectrum.rank} eigenvalues of J^T J/N that are not zero"}


def _proven(
    plan: list[Group], progress: Callable[[str], Any], executor: Executor | None
) -> tuple[list[Statement], list[dict[str, str]]]:
    """Statements, and what could not be stated, or not as closely as asked for."""
    statements: list[Statement] = []
    unproven: list[dict[str, str]] = []
    outcomes: Iterator[list[tuple[Statement | None, str]]] = map(_attempted, plan)
    if executor is not None:
        outcomes = executor.map(_attempted, plan)
    for group in plan:
        progress(", ".join(name for name, _ in group))
        for (name, _), (statement, why) in zip(group, next(outcomes), strict=True):
            if statement is not None:
                statements.append(statement)
            if why:
                unproven.append({"statement": name, "why": why})
    return statements, unproven


def _attempted(group: Group) -> list[tuple[Statement | None, str]]:
    """The statements of a group, None for those that could not be made, and why they could not, or not as closely."""
    require_rounding_to_nearest()
    made: list[tuple[Statement | None, str]] = []
    for _, state in group:
        try:
            statement = state(*(before for before, _ in made))
            made.append((statement, statement.pop("remark", "")))
        except (NotProvenError, ConvergenceError, ImportError, ValueError) as error:
            made.append((None, str(error)))
    return made


def _at_samples(posed: Posed, net: Network, theta: FloatArray, x: FloatArray, y: FloatArray) -> Iterator[Group]:
    for q in range(y.shape[1]):
        yield [(f"largest residual of output {q + 1}", partial(largest_residual, posed, q, x, y))]
    if "weights" in net.layers[-1].blocks:
        yield [
            ("rank and condition", partial(_not_handed_on, "the layer behind the last map has parameters of its own"))
        ]
        return
    problem = checked(LeastSquares(net, x, y), theta)
    of_rank, of_condition = partial(rank_statement, problem), partial(condition_statement, problem)
    yield [("rank of the Jacobian", of_rank), ("condition of the Gauss-Newton matrix", of_condition)]


def rank_statement(problem: Problem) -> Statement:
    """The rank of the Jacobian of a network with rational values."""
    if problem.irrational:
        raise NotProvenError(
            f"the Jacobian has no rational values ({', '.join(problem.irrational)}), and no minors modulo a prime; "
            "`refkan spectrum --network FILE --data SAMPLES.csv --certify` proves its rank in balls"
        )
    flint = require("flint")
    require_cost("an exact rank", problem, SECONDS, decompositions=0)
    J, _ = rational_rows(problem)
    prime, null = PRIMES[0], []
    rows, columns = (pivots(flint.nmod_mat(matrix, prime)) for matrix in (J.transpose(), J))
    if len(rows) < min(J.nrows(), J.ncols()):
        proof = rank_of_matrix(J, known_null_vectors(problem))
        prime, rows, columns, null = proof.prime, proof.rows, proof.columns, proof.null_vectors
    return {
        "kind": "rank", "low": len(rows), "high": len(rows), "prime": prime, "rows": list(rows),
        "columns": list(columns), "null": [[f"{z.numerator:x}/{z.denominator:x}" for z in row] for row in null],
    }  # fmt: skip


def condition_statement(problem: Problem, of_rank: Statement | None) -> Statement:
    """The least and the greatest eigenvalue of J^T J/N that are not zero.

    Without the statement of a rank they are those of a matrix that has none that are zero.
    """
    require("flint")
    rows, M = problem.n_rows, problem.net.n_params
    size = min(rows, M)
    rank = size
    if of_rank is not None:
        rank = of_rank["high"]
    if not rank:
        raise NotProvenError("the Jacobian is zero: there is no condition number")
    if size > MOST_ROWS:
        raise NotProvenError(
            f"the matrix has {size} rows, more than the {MOST_ROWS} of a certificate: use a smaller network or "
            "fewer samples, or `refkan spectrum --network FILE --data SAMPLES.csv --certify`"
        )
    spectrum = enclosed(problem, curvature(problem, "gauss-newton"))
    elsewhere = "`refkan spectrum --network FILE --data SAMPLES.csv --certify` proves the condition number"
    if spectrum.rank != rank and of_rank is None:
        raise NotProvenError(
            f"{size - spectrum.rank} of the {size} eigenvalues of J^T J/N are zero. The condition number refers to the "
            "others; how many there are is the rank, which this certificate does not prove, and without a proven rank "
            f"none may be zero. {elsewhere}"
        )
    if spectrum.rank != rank:
        raise NotProvenError(f"the rank is {rank}, but only {spectrum.rank} eigenvalues are bounded away from zero")
    if spectrum.condition.high > MOST_CONDITION:
        raise NotProvenError(
            f"the condition number may be as large as {spectrum.condition.floats()[1]:.3g}, beyond the "
            f"{MOST_CONDITION:g} that the arithmetic of the checker resolves. {elsewhere}"
        )
    if spectrum.values[-1].floats()[0] == 0:
        raise NotProvenError("the smallest eigenvalue that is not zero is too small for float64: use other units")
    smallest, largest = (hexadecimal(spectrum.values[k].floats()) for k in (-1, 0))
    return {"kind": "condition", "rank": rank, "smallest": smallest, "largest": largest}


def _not_handed_on(why: str) -> Statement:
    raise NotProvenError(why)


def is_identity(layer: Layer, blocks: Mapping[str, Any]) -> bool:
    """Whether the outputs of a layer are its inputs."""
    if "weights" not in blocks or layer.truth_form()["activation"] != "identity":
        return False
    return np.array_equal(blocks["weights"], np.eye(layer.n_inputs)) and not np.any(blocks.get("bias", 0.0))


def network_data(net: Network, theta: FloatArray) -> dict[str, Any]:
    """A network by its knots, coefficients and maps, every float as exact text.

    Raises
    ------
    ValueError
        If it has parts that the checker does not know.
    """
    layers = []
    for k, (layer, blocks) in enumerate(zip(net.layers, net.unpack(theta), strict=True)):
        if k and k == len(net.node_maps) and is_identity(layer, blocks):
            break  # what imported models have behind their last map
        form = layer.truth_form()
        form = form.get("spline", form)
        order = form.get("order", form.get("degree", 0) + 1)
        if form["kind"] not in KINDS or order < 2:
            raise ValueError(
                "a certificate supports layers of splines, ReLU powers (of order 2 or more, with SiLU or without it) "
                f"and Chebyshev polynomials; layer {k} is {layer.describe()}"
            )
        numbers = {"knots": form.get("knots", form.get("domains")), "coefficients": blocks["coefficients"]}
        exact = {name: hexadecimal(values) for name, values in numbers.items()}
        silu = {
            name: hexadecimal(blocks[w]) if w in blocks else None for name, w in (("base", "w_b"), ("scale", "w_s"))
        }
        outside = "polynomial" if form["outside"] == "error" else form["outside"]
        layers.append({"kind": form["kind"], "order": order, "outside": outside} | exact | silu)
    if net.widths[0] > MOST_INPUTS:
        raise ValueError(f"a certificate supports at most {MOST_INPUTS} inputs; the network has {net.widths[0]}")
    return {"layers": layers, "maps": [map_data(k, node_map) for k, node_map in enumerate(net.node_maps)]}


def map_data(k: int, node_map: Any) -> dict[str, Any]:
    """A node map, every float as exact text.

    Raises
    ------
    ValueError
        If a constant overflows: those of min-max maps do where the activations hardly differ.
    """
    form = node_map.truth_form()
    data = {}
    for name, value in form.items():
        if name != "kind" and not np.isfinite(np.asarray(value, dtype=float)).all():
            raise ValueError(
                f"node map {k} must have finite constants to be certified; its {name} overflows, as the activations "
                f"of layer {k} hardly differ from one another: use larger coefficients in that layer"
            )
        data[name] = value if name == "kind" else hexadecimal(value)
    return data
