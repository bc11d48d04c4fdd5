"""Functions in C beside networks, by a harness that knows them from docs/export.md alone.

    python -m tests.interop.foreign_harness [--points 250000] [--compiler gcc clang ...]

The command of the page, `refkan model export`, writes the code and the certificate, which states the bound. A driver in
C of its own reads inputs and writes outputs. The network is computed from its knots and coefficients by de Boor's
algorithm in long doubles (`refkan model edges` would round coefficients: it adds pieces for tails). Inputs lie anywhere
in the box, at its ends and corners, at knots and up to three numbers of the type beside them, and at zero and subnormal
numbers. The largest error divided by the bound is printed: above 1 the certificate is refuted.
"""

import argparse
import io
import json
import shutil
import subprocess
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np

import refkan as rk
from refkan.cli import main as refkan

WORDS = {"float64": "double", "float32": "float", "Q8.24": "int32_t", "Q8.8": "int16_t"}
NUMBERS = {"float64": np.float64, "float32": np.float32, "Q8.24": np.int32, "Q8.8": np.int16}
FLAGS = [(level, "-march=native", f"-ffp-contract={c}") for level in ("-O2", "-O3") for c in ("off", "fast")]

DRIVER = """#include <stdint.h>
#include <stdio.h>
int {name}(const {word} *x, {word} *y);
int main(int argc, char **argv)
{{
    {word} x[{P}], y[{Q}];
    FILE *in = fopen(argv[1], "rb"), *out = fopen(argv[2], "wb");
    long outside = 0;
    while (fread(x, sizeof x, 1, in) == 1) {{
        outside += {name}(x, y);
        fwrite(y, sizeof y, 1, out);
    }}
    printf("%ld", outside);
    return fclose(out) + (argc < 3);
}}
"""


def unit_of(dtype):
    """The distance of numbers in fixed point; None of floats."""
    if dtype[0] == "Q":
        return 2.0 ** -int(dtype.split(".")[1])
    return None


def inputs(rng, count, box, knots, dtype):
    """Points (count, P) of the type in the box; knots are those of each input."""
    number, unit = NUMBERS[dtype], unit_of(dtype)
    columns = []
    for (low, high), own in zip(box, knots, strict=True):
        uniform = rng.uniform(low, high, count)
        special = np.concatenate([own, [low, high, 0.0]])
        chosen = rng.choice(special, count)
        if unit is None:
            at, beside = chosen.astype(number), rng.integers(-3, 4, count)
            for step in range(3):
                moved = np.nextafter(at, np.where(beside > 0, number(np.inf), number(-np.inf)))
                at = np.where(np.abs(beside) > step, moved, at)
            tiny = np.finfo(number).smallest_subnormal * rng.integers(0, 2**20, count).astype(number)
            at = np.where(rng.uniform(size=count) < 0.1, tiny, at)
            anywhere = uniform.astype(number)
            ends = np.array([low, high], number)
        else:
            at = np.round(chosen / unit) + rng.integers(-3, 4, count)
            anywhere, ends = np.round(uniform / unit), np.array([low, high]) / unit
        mixed = np.where(rng.uniform(size=count) < 0.5, anywhere, at)
        columns.append(np.clip(mixed, *ends).astype(number))
    x = np.stack(columns, axis=1)
    corners = np.stack(np.meshgrid(*(np.array([low, high]) / (unit or 1.0) for low, high in box)), -1)
    corners = corners.reshape(-1, len(box)).astype(number)
    x[: len(corners)] = corners
    return x


def de_boor(t, c, z):
    """A spline with knots t and coefficients c in long doubles, at z in its domain."""
    degree = len(t) - len(c) - 1
    j = np.clip(np.searchsorted(t, z, side="right") - 1, degree, len(c) - 1)
    d = [c[j - degree + k] for k in range(degree + 1)]
    for r in range(1, degree + 1):
        for k in range(degree, r - 1, -1):
            left, right = t[j - degree + k], t[j + 1 + k - r]
            share = (z - left) / (right - left)
            d[k] = (1 - share) * d[k - 1] + share * d[k]
    return d[degree]


def edge_values(space, c, z):
    """The spline, and its tangent beyond the ends of its domain."""
    t, c, degree = space.knots.astype(np.longdouble), c.astype(np.longdouble), space.order - 1
    inside = np.clip(z, *space.domain)
    slopes = degree * np.diff(c) / (t[degree + 1 : -1] - t[1 : -degree - 1])
    return de_boor(t, c, inside) + (z - inside) * de_boor(t[1:-1], slopes, inside)


def network_values(net, theta, x):
    """A network of splines with straight tails, SiLU and affine maps, in long doubles."""
    z = x
    for k, (layer, blocks) in enumerate(zip(net.layers, net.unpack(theta), strict=True)):
        y = np.zeros((len(z), layer.n_outputs), np.longdouble)
        for q, p in np.ndindex(layer.n_outputs, layer.n_inputs):
            spline = edge_values(layer.spaces_at(theta[net.slices[k]])[p], blocks["coefficients"][q, p], z[:, p])
            if "w_b" in blocks:
                silu = z[:, p] / (1 + np.exp(-z[:, p]))
                spline = blocks["w_s"][q, p] * spline + blocks["w_b"][q, p] * silu
            y[:, q] += spline
        z = y
        if k < len(net.node_maps):
            node_map = net.node_maps[k].truth_form()
            z = np.array(node_map["scale"], np.longdouble) * y + np.array(node_map["shift"], np.longdouble)
    return z


def ratios(file, box, dtype, count, compilers=("gcc",), flags=FLAGS, seed=0):
    """Yield compiler, flags and the largest error divided by the bound."""
    folder = Path(tempfile.mkdtemp(dir=file.parent))
    code, sides = folder / "model.c", [f"{low}:{high}" for low, high in box]
    options = ["--output", str(code), "--dtype", dtype, "--leaves", "16", "--box", *sides]
    with redirect_stdout(io.StringIO()):
        assert refkan(["model", "export", str(file), *options]) == 0
    (statement,) = json.loads(code.with_suffix(".json").read_text())["statements"]
    bound = float.fromhex(statement["bound"])
    net, theta = rk.load(file)
    spaces = net.layers[0].spaces_at(theta[net.slices[0]])
    knots = [
        space.knots[(space.knots >= low) & (space.knots <= high)]
        for space, (low, high) in zip(spaces, box, strict=True)
    ]
    x = inputs(np.random.default_rng(seed), count, box, knots, dtype)
    unit = unit_of(dtype) or 1.0
    truth = network_values(net, theta, x.astype(np.longdouble) * unit)
    words = {"name": "model", "word": WORDS[dtype], "P": x.shape[1], "Q": truth.shape[1]}
    (folder / "driver.c").write_text(DRIVER.format(**words))
    (folder / "x").write_bytes(x.tobytes())
    for compiler in compilers:
        for chosen in flags:
            program = folder / "program"
            build = [*compiler.split(), "-std=c99", *chosen, "-o", str(program), "driver.c", "model.c"]
            subprocess.run(build, check=True, cwd=folder)
            run = subprocess.run([program, "x", "y"], check=True, cwd=folder, capture_output=True, text=True)
            assert run.stdout == "0", "inputs in the box are said to lie outside"
            y = np.frombuffer((folder / "y").read_bytes(), NUMBERS[dtype]).reshape(truth.shape)
            error = np.abs(y.astype(np.longdouble) * unit - truth).max()
            yield compiler, chosen, float(error / bound)
    shutil.rmtree(folder)


def networks():
    """Ten networks with their parameters, by name."""
    rng = np.random.default_rng(7)
    x = rng.uniform(size=(200, 4))
    of_kinds = {
        "[1,1], r = 4": rk.kan([1, 1], 4, 6),
        "[2,1], r = 3": rk.kan([2, 1], 3, 7),
        "[2,2,1], r = 2": rk.kan([2, 2, 1], 2, 5),
        "[2,4,1], r = 4": rk.kan([2, 4, 1], 4, 4),
        "[3,3,2], r = 3": rk.kan([3, 3, 2], 3, 3),
        "[1,1], r = 3, SiLU": rk.kan([1, 1], 3, 4, edge="silu"),
        "[2,3,1], r = 4, SiLU": rk.kan([2, 3, 1], 4, 3, edge="silu"),
        "[2,3,2,1], r = 3": rk.kan([2, 3, 2, 1], 3, 3),
        "[2,2,2,1], r = 4, mean-std": rk.kan([2, 2, 2, 1], 4, 3, node_map="mean-std"),
    }
    for name, net in of_kinds.items():
        net, theta = net.initialize(rng, x[:, : net.widths[0]])
        yield name, net.freeze(theta), theta + 0.1 * rng.standard_normal(theta.shape)
    net, theta = rk.kan([2, 4, 1], 4, 4).initialize(rng, x[:, :2])
    problem = rk.LeastSquares(net, x[:, :2], np.sin(2 * x[:, :1]) + x[:, 1:2])
    theta = rk.minimize(problem, theta, "levenberg-marquardt", steps=20).theta
    result = rk.exact.pruned(net, theta, [[0, 1]] * 2, 0.1)
    yield f"[2,4,1], r = 4, {len(result.edges)} of 12 edges pruned", result.network, result.theta


def main():
    """Print a row for each network: the largest ratio over compilers and flags for each type."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=250_000, help="for each type; default: %(default)s")
    parser.add_argument("--compiler", nargs="+", default=["gcc"], help="commands; default: gcc")
    chosen = parser.parse_args()
    print(f"| network | {' | '.join(WORDS)} |\n|---|{'---|' * len(WORDS)}", flush=True)
    folder = Path(tempfile.mkdtemp())
    for number, (name, net, theta) in enumerate(networks()):
        file = folder / f"{number}.npz"
        rk.save(file, net, theta)
        cells = []
        for dtype in WORDS:
            box = [(0.0, 1.0)] * net.widths[0]
            found = list(ratios(file, box, dtype, chosen.points, chosen.compiler, seed=number))
            cells.append(f"{max(ratio for *_, ratio in found):.3f}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
