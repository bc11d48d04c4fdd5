"""A certificate: a network as it is, a box, samples, and all that is proven about them, as data for a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from refkan.analysis.exact.certificates.curvature_statements import condition_statement, rank_statement
from refkan.analysis.exact.certificates.statements import (
    MOST_INPUTS,
    NotProvenError,
    Posed,
    Statement,
    hexadecimal,
    largest_residual,
    over_box,
)
from refkan.analysis.exact.enclosures.network_intervals import with_fixed_constants
from refkan.analysis.exact.ranks.network_rows import checked
from refkan.base.array_types import FloatArray
from refkan.base.errors import ConvergenceError
from refkan.networks import Network
from refkan.networks.layers import Layer
from refkan.training.losses import LeastSquares

FORMAT = "refkan certificate 1"

KINDS = ("spline", "relu", "scaled-relu", "chebyshev")

Samples = tuple[FloatArray, FloatArray]
Plan = Iterator[tuple[str, Callable[[], Statement]]]


def certificate(
    net: Network,
    theta: FloatArray,
    box: FloatArray,
    samples: Samples | None = None,
    tolerance: float = 1e-2,
    budget: int = 5000,
    progress: Callable[[str], Any] = lambda line: None,
) -> dict[str, Any]:
    """Prove what can be proven about a network in a box (P, 2) and at samples, each statement with its witness.

    Mean-std and min-max maps are those of ``net.freeze(theta)``, free knots those of ``net.with_fixed_knots(theta)``;
    under outside="error" the end pieces go on.

    Returns
    -------
    dict
        The content of the file: "network", "box", "samples", "statements", and what could not be stated, "unproven".

    Raises
    ------
    ValueError
        For networks of other parts than the independent checker knows, and boxes that do not fit.
    """
    net.require_bound()
    fixed, theta = with_fixed_constants(net, theta)
    data = network_data(fixed, theta)
    posed = Posed.of(fixed, theta, box, tolerance, budget)
    plan = [*over_box(posed), *(() if samples is None else _at_samples(posed, fixed, theta, *samples))]
    statements, unproven = _proven(plan, progress)
    exact = None if samples is None else {"x": hexadecimal(samples[0]), "y": hexadecimal(samples[1])}
    parts = {"network": data, "box": hexadecimal(box), "samples": exact}
    return {"format": FORMAT, **parts, "statements": statements, "unproven": unproven}


def _proven(
    plan: Iterable[tuple[str, Callable[[], Statement]]], progress: Callable[[str], Any]
) -> tuple[list[Statement], list[dict[str, str]]]:
    """Statements, and what could not be stated, or not as closely as asked for."""
    statements, unproven = [], []
    for name, state in plan:
        progress(name)
        try:
            statements.append(state())
            why = statements[-1].pop("remark", "")
        except (NotProvenError, ConvergenceError, ImportError, ValueError) as error:
            why = str(error)
        if why:
            unproven.append({"statement": name, "why": why})
    return statements, unproven


def _at_samples(posed: Posed, net: Network, theta: FloatArray, x: FloatArray, y: FloatArray) -> Plan:
    for q in range(y.shape[1]):
        yield f"largest residual of output {q + 1}", partial(largest_residual, posed, q, x, y)
    problem, ranks = checked(LeastSquares(net, x, y), theta), []
    if "weights" in net.layers[-1].blocks:
        yield "rank and condition", partial(_not_handed_on, "the layer behind the last map has parameters of its own")
        return

    def of_jacobian() -> Statement:
        ranks.append(rank_statement(problem))
        return ranks[0]

    yield "rank of the Jacobian", of_jacobian
    yield (
        "condition of the Gauss-Newton matrix",
        lambda: condition_statement(problem, ranks[0]["high"] if ranks else None),
    )


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
                "a certificate takes layers of splines, ReLU powers (of order 2 or more, with SiLU or without it) and "
                f"Chebyshev polynomials; layer {k} is {layer.describe()}"
            )
        numbers = {"knots": form.get("knots", form.get("domains")), "coefficients": blocks["coefficients"]}
        exact = {name: hexadecimal(values) for name, values in numbers.items()}
        silu = {
            name: hexadecimal(blocks[w]) if w in blocks else None for name, w in (("base", "w_b"), ("scale", "w_s"))
        }
        outside = "polynomial" if form["outside"] == "error" else form["outside"]
        layers.append({"kind": form["kind"], "order": order, "outside": outside} | exact | silu)
    if net.widths[0] > MOST_INPUTS:
        raise ValueError(f"a certificate takes at most {MOST_INPUTS} inputs; the network has {net.widths[0]}")
    forms = [node_map.truth_form() for node_map in net.node_maps]
    maps = [{k: v if k == "kind" else hexadecimal(v) for k, v in form.items()} for form in forms]
    return {"layers": layers, "maps": maps}
