r"""Networks of order 2 as ReLU networks in ONNX, and questions about them in VNNLIB whose answers are proven.

An edge of order 2 on the domain [a, b], with linear tails, is a sum over its knots t_j < b,

    sum_j w_j (x - t_j)_+  +  sum over t_j <= a of -w_j (t_j - x)_+,

as x - t = (x - t)_+ - (t - x)_+. Weights and knots stand in the file as they are, and affine maps are layers of their
own: in exact arithmetic the ReLU network is the network in the basis of ReLU powers, and no number was rounded.

For an output y_q with the greatest value M in a box, L <= M <= H proven, the question whether y_q can reach a threshold
above H has the answer no ("unsat"), and one below L the answer yes ("sat").
"""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from refkan.analysis.exact.enclosures.network_intervals import with_fixed_constants
from refkan.analysis.exact.nodes.extremes_over_boxes import extrema
from refkan.base import FloatArray
from refkan.base.atomic_files import write_atomically
from refkan.base.extras import needed
from refkan.networks import Network
from refkan.networks.node_maps import AffineMap

GAP = 1e-3
"""The distance of thresholds from proven extremes, in ranges of the output."""

SECONDS = 60
"""What the list of questions allows for each."""


class LinearPart(NamedTuple):
    """z = A x + c, with max(z, 0) behind it or not."""

    weights: FloatArray
    shift: FloatArray
    relu: bool


def relu_network(net: Network, theta: FloatArray) -> list[LinearPart]:
    """Write a network in the basis "relu" of order 2, of fixed knots and maps, as linear parts and ReLUs."""
    parts = []
    for k, (layer, blocks) in enumerate(zip(net.layers, net.unpack(theta), strict=True)):
        rows, shifts, columns = [], [], []
        for p, space in enumerate(layer.spaces_at(theta[net.slices[k]])):
            weights, unit = blocks["coefficients"][:, p].T, np.eye(layer.n_inputs)[p]
            for w, t in zip(weights, space.knots, strict=False):
                rows.append(unit)
                shifts.append(-t)
                columns.append(w)
                if t <= space.domain[0]:
                    rows.append(-unit)
                    shifts.append(t)
                    columns.append(-w)
        parts.append(LinearPart(np.array(rows), np.array(shifts), relu=True))
        parts.append(LinearPart(np.transpose(columns), np.zeros(layer.n_outputs), relu=False))
        node_map = net.node_maps[k] if k < len(net.node_maps) else None
        if isinstance(node_map, AffineMap):
            parts.append(LinearPart(np.diag(np.array(node_map.scale)), np.array(node_map.shift), relu=False))
    return parts


def in_relu_basis(net: Network, theta: FloatArray) -> tuple[Network, FloatArray]:
    """The network in the basis "relu", statistics and free knots fixed.

    Raises
    ------
    ValueError
        Unless its layers are of order 2, without SiLU, with tails that are straight; and for sigmoid maps.
    """
    fixed, parameters = with_fixed_constants(net, theta)
    for k, layer in enumerate(fixed.layers):
        part = parameters[fixed.slices[k]]
        of_lines = layer.has_knots and layer.spaces_at(part)[0].order == 2
        if not of_lines or layer.outside not in ("linear", "polynomial") or "w_b" in layer.blocks:
            raise ValueError(
                "net must have layers of order 2 with outside='linear' or 'polynomial' and without SiLU to be a ReLU "
                f"network; layer {k} is {layer.describe()}, outside={layer.outside!r}"
            )
    for node_map in fixed.node_maps:
        if node_map.name not in ("none", "affine"):
            raise ValueError(f"net must have no {node_map.name} maps to be a ReLU network")
    relu = fixed.to_basis("relu")
    return relu, fixed.convert(parameters, relu)


def onnx_model(parts: list[LinearPart]) -> Any:
    """The model for ONNX, in float64, one sample at a time.

    Raises
    ------
    ImportError
        If onnx is not installed.
    """
    onnx = needed("refkan model export --onnx", "onnx")
    helper, numpy_helper, double = onnx.helper, onnx.numpy_helper, onnx.TensorProto.DOUBLE
    nodes, arrays, at = [], [], "x"
    for k, part in enumerate(parts):
        arrays.append(numpy_helper.from_array(np.ascontiguousarray(part.weights.T), f"A{k}"))
        arrays.append(numpy_helper.from_array(part.shift, f"c{k}"))
        name = "y" if k + 1 == len(parts) else f"z{k}"
        nodes.append(helper.make_node("Gemm", [at, f"A{k}", f"c{k}"], [name]))
        at = name
        if part.relu:
            at = f"h{k}"
            nodes.append(helper.make_node("Relu", [name], [at]))
    sizes = {"x": parts[0].weights.shape[1], "y": len(parts[-1].shift)}
    ends = [helper.make_tensor_value_info(name, double, [1, n]) for name, n in sizes.items()]
    graph = helper.make_graph(nodes, "network", ends[:1], ends[1:], arrays)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return model


class Question(NamedTuple):
    """Whether an output can reach a threshold in a box: at least that, or at most."""

    name: str
    box: FloatArray
    output: int
    relation: str
    threshold: float
    bound: tuple[float, float]

    def text(self, n_outputs: int) -> str:
        """The question as VNNLIB, numbers as exact decimals."""
        low, high = map(_decimal, self.bound)
        lines = [
            f"; {self.name.rpartition('-')[2]}: the extreme of Y_{self.output} is between {low} and {high}",
            *(f"(declare-const X_{p} Real)" for p in range(len(self.box))),
            *(f"(declare-const Y_{q} Real)" for q in range(n_outputs)),
        ]
        for p, (a, b) in enumerate(self.box):
            lines += [f"(assert (>= X_{p} {_decimal(a)}))", f"(assert (<= X_{p} {_decimal(b)}))"]
        lines.append(f"(assert ({self.relation} Y_{self.output} {_decimal(self.threshold)}))")
        return "\n".join(lines) + "\n"


def _decimal(number: float) -> str:
    return format(Decimal(float(number)), "f")


def questions(net: Network, theta: FloatArray, boxes: list[FloatArray], budget: int) -> Iterator[Question]:
    """Four questions for each box and output: on both sides of the least and of the greatest value."""
    for k, box in enumerate(boxes):
        minima, maxima = extrema(net, theta, box, tolerance=0.1 * GAP, budget=budget)
        for q, (least, greatest) in enumerate(zip(minima, maxima, strict=True)):
            gap = GAP * max(greatest[1] - least[0], float(np.finfo(np.float32).eps) * np.abs(greatest).max())
            name = f"{k}-y{q}"
            yield Question(f"{name}-max-unsat", box, q, ">=", greatest[1] + gap, tuple(greatest))
            yield Question(f"{name}-max-sat", box, q, ">=", greatest[0] - gap, tuple(greatest))
            yield Question(f"{name}-min-unsat", box, q, "<=", least[0] - gap, tuple(least))
            yield Question(f"{name}-min-sat", box, q, "<=", least[1] + gap, tuple(least))


def drawn_boxes(box: FloatArray, count: int, seed: int) -> list[FloatArray]:
    """The box, and boxes in it with sides of a tenth to a half of its own."""
    rng = np.random.default_rng(seed)
    low, sides = box[:, 0], box[:, 1] - box[:, 0]
    boxes = [box]
    for _ in range(count - 1):
        shares = rng.uniform(0.1, 0.5, len(box))
        start = low + rng.uniform(size=len(box)) * (1.0 - shares) * sides
        boxes.append(np.stack([start, np.minimum(start + shares * sides, box[:, 1])], axis=1))
    return boxes


def write_onnx(
    net: Network, theta: FloatArray, boxes: list[FloatArray], path: Path, budget: int
) -> tuple[Network, FloatArray, int]:
    """Write NAME.onnx, a question NAME-....vnnlib each, and NAME.csv, which lists them as competitions do.

    Returns
    -------
    net, theta : Network, array
        What the file computes in exact arithmetic.
    count : int
        Questions written.
    """
    relu, weights = in_relu_basis(net, theta)
    write_atomically(path, onnx_model(relu_network(relu, weights)).SerializeToString())
    rows = []
    for question in questions(relu, weights, boxes, budget):
        file = path.with_name(f"{path.stem}-{question.name}.vnnlib")
        write_atomically(file, question.text(net.widths[-1]).encode())
        rows.append(f"{path.name},{file.name},{SECONDS}\n")
    write_atomically(path.with_suffix(".csv"), "".join(rows).encode())
    return relu, weights, len(rows)
