"""Bounds of networks of order 2 over boxes beside those of auto_LiRPA, which takes them as the ReLU networks they are.

    pip install auto-lirpa torch
    python docs/relu_bounds.py

`plain_relu_network` writes a network in the basis "relu" of order 2 as matrices and ReLUs. auto_LiRPA bounds that over
a box, by intervals (IBP), backwards by linear functions (CROWN) and with the slopes of these optimised (alpha-CROWN);
refkan bounds the network as it is, once over the box (`enclose`) and with subdivision (`extrema`). Both compute in
float64 on one thread; auto_LiRPA does not round outwards. Times are processor time, without what is done once for a
network. `refkan model export --onnx` writes such networks for other verifiers.
"""

import time

import numpy as np

import refkan as rk

NETWORKS = {"[2, 5, 1]": ([2, 5, 1], 8), "[4, 8, 1]": ([4, 8, 1], 8), "[2, 5, 5, 1]": ([2, 5, 5, 1], 8)}
HALVES = 0.5, 0.05
METHODS = {"IBP": "IBP", "CROWN": "CROWN", "alpha-CROWN": "CROWN-Optimized"}


def plain_relu_network(net, theta):
    """Matrices and biases [(A, c), ...] with F(x) = A_n relu(... relu(A_1 x + c_1) ...) + c_n.

    An edge of order 2 on the domain [a, b], with linear tails, is f(a) + s (x - a) + sum of w_j (x - t_j)_+ over the
    knots t_j inside, s the sum of the weights of all knots up to a; and x - a = (x - a)_+ - (a - x)_+.
    """
    S, m, matrices = np.eye(net.widths[0]), np.zeros(net.widths[0]), []
    for k, (layer, blocks) in enumerate(zip(net.layers, net.unpack(theta), strict=True)):
        rows, biases, columns, constant = [], [], [], np.zeros(layer.n_outputs)
        for p, space in enumerate(layer.spaces):
            W, (a, b), t = blocks["coefficients"][:, p], space.domain, space.knots[: space.dim]
            start, inside = t <= a, (a < t) & (t < b)
            slope = W[:, start].sum(axis=1)
            constant += W[:, start] @ (a - t[start])
            unit = np.eye(layer.n_inputs)[p]
            rows += [unit, -unit, *([unit] * inside.sum())]
            biases += [-a, a, *-t[inside]]
            columns += [slope, -slope, *W[:, inside].T]
        A = np.array(rows)
        matrices.append((A @ S, A @ m + biases))
        if k < len(net.node_maps):
            scale, shift = net.node_maps[k].scale, net.node_maps[k].shift
            S, m = scale[:, None] * np.transpose(columns), scale * constant + shift
    return [*matrices, (np.transpose(columns), constant)]


def timed(bounds):
    """Bounds (low, high), and the processor time that they took."""
    start = time.process_time()
    low, high = bounds()
    return float(low), float(high), time.process_time() - start


def by_refkan(net, theta, box):
    """What is printed of refkan: names, and bounds with their time."""

    def extremes():
        minima, maxima = rk.exact.extrema(net, theta, box, tolerance=1e-3)
        return minima[0, 0], maxima[0, 1]

    yield "enclose", timed(lambda: rk.exact.enclose(net, theta, box, derivatives=0).value[0])
    yield "extrema", timed(extremes)


def by_auto_lirpa(matrices):
    """A function of boxes that does the same for auto_LiRPA."""
    import torch
    from auto_LiRPA import BoundedModule, BoundedTensor
    from auto_LiRPA.perturbations import PerturbationLpNorm

    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)  # alpha-CROWN keeps its best bounds in the default type
    steps = []
    for A, c in matrices:
        step = torch.nn.Linear(*A.T.shape, dtype=torch.float64)
        step.weight.data, step.bias.data = torch.tensor(A), torch.tensor(c)
        steps += [step, torch.nn.ReLU()]
    example = torch.zeros(1, len(matrices[0][0][0]), dtype=torch.float64)
    bounded = BoundedModule(torch.nn.Sequential(*steps[:-1]), example)

    def bounds(box):
        low, high = (torch.tensor(end)[None] for end in box.T)
        x = BoundedTensor((low + high) / 2, PerturbationLpNorm(norm=np.inf, x_L=low, x_U=high))
        for name, method in METHODS.items():
            yield name, timed(lambda method=method: bounded.compute_bounds(x=(x,), method=method))

    return bounds


def main():
    """Print the table."""
    print("| network | box | range | bounds by | width over range | seconds |\n|---|---|---|---|---|---|")
    for name, (widths, intervals) in NETWORKS.items():
        rng = np.random.default_rng(0)
        points = rng.uniform(size=(2000, widths[0]))
        net, theta = rk.kan(widths, order=2, intervals=intervals, outside="linear").initialize(rng, points)
        theta = theta + 0.3 * rng.normal(size=theta.shape)
        relu = net.to_basis("relu")
        matrices, weights = plain_relu_network(relu, net.convert(theta, relu)), net.convert(theta, relu)
        neurons, others = sum(len(c) for _, c in matrices[:-1]), by_auto_lirpa(matrices)
        for half in HALVES:
            box = np.array([[0.5 - half, 0.5 + half]] * widths[0])
            results = [*by_refkan(relu, weights, box), *others(box)]
            low, high, _ = dict(results)["extrema"]
            for method, (below, above, seconds) in results:
                assert below <= low + 1e-3 * (high - low)
                assert above >= high - 1e-3 * (high - low)
                width = (above - below) / (high - low)
                network = f"{name}, {neurons} ReLUs | {2 * half:g} | {high - low:.3g}"
                print(f"| {network} | {method} | {width:.4g} | {seconds:.3f} |", flush=True)


if __name__ == "__main__":
    main()
