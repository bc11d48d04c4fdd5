"""Extremes of the 86 trained pykan networks that Karia, Lastrucci and Schweidtmann published, with proof.

    git clone https://github.com/process-intelligence-research/optimization-over-KANs
    python docs/published_networks.py optimization-over-KANs/models/kan [NAME ...]

Their paper (arXiv 2503.02807) gives them to SCIP. Here both extremes of each network are enclosed to 1e-3 of its
range, over [-3, 3]^2 for the peaks function and [-2.048, 2.048]^n for those of Rosenbrock, met with the grids of the
first layer. Results are in the units of their functions. A line is printed for
each network; with `--json FILE` all of them are written.
"""

import argparse
import json
import time
from itertools import pairwise
from pathlib import Path

import numpy as np

import refkan as rk

TOLERANCE = 1e-3


def numbers(data, name, layer, *shape):
    """An array of a dictionary whose keys are indices, joined by commas."""
    return np.array([data[name][",".join(map(str, (layer, *index)))] for index in np.ndindex(*shape)]).reshape(shape)


def read(path):
    """A network, its parameters, the box, and the scale and shift of its output."""
    data = json.loads(path.read_text())
    widths, layers, maps, blocks = data["width"], [], [], []
    for k, (inputs, outputs) in enumerate(pairwise(widths)):
        shape = (outputs, inputs)
        knots = numbers(data, "knots_dict", k, *shape, data["knots_size"])
        assert np.all(knots == knots[:1]), "all outputs of an input share its knots"
        spaces = tuple(rk.SplineSpace(each, data["degree"] + 1) for each in knots[0])
        layers.append(rk.SiluLayer(rk.SplineLayer(spaces, outputs, "natural")))
        coefficients = numbers(data, "coefs_dict", k, *shape, data["coefs_size"])
        scales = (numbers(data, name, k, *shape) for name in ("scale_base_dict", "scale_sp_dict"))
        blocks.append(layers[-1].pack(coefficients=coefficients, **dict(zip(("w_b", "w_s"), scales, strict=True))))
        bias = numbers(data, "biases_dict", k, outputs)
        maps.append(rk.networks.node_maps.AffineMap(np.ones(outputs), bias))
    mean, scale = ([data[f"{name}_input_dict"][str(p)] for p in range(widths[0])] for name in ("mean", "std"))
    reach = 3.0 if path.stem.startswith("Peaks") else 2.048
    sides = [(sign * reach - np.array(mean)) / scale for sign in (-1, 1)]
    grid = [np.array([data[f"input_{end}_dict"][f"0,0,{p}"] for p in range(widths[0])]) for end in ("lb", "ub")]
    box = np.stack([np.maximum(sides[0], grid[0]), np.minimum(sides[1], grid[1])], axis=1)
    scale, shift = data["std_output_dict"]["0"], data["mean_output_dict"]["0"]
    return rk.Network(tuple(layers), tuple(maps[:-1])), np.concatenate(blocks), box, scale, bias[0] * scale + shift


def main():
    """Enclose all networks of a folder, or those whose names are given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = []
    paths = sorted(options.folder.rglob("*_H*.json"))
    for path in paths:
        if (options.names and path.stem not in options.names) or path.stem.endswith("_results"):
            continue
        net, theta, box, scale, shift = read(path)
        start = time.process_time()
        minima, maxima = proven = rk.exact.extrema(net, theta, box, tolerance=TOLERANCE)
        seconds = time.process_time() - start
        low, high = ((each[0] * scale + shift).tolist() for each in (minima, maxima))
        gap = max(np.ptp(low), np.ptp(high)) / (high[0] - low[1])
        row = {"network": path.stem, "minimum": low, "maximum": high, "gap": gap, "boxes": proven.boxes}
        results.append(row | {"reached": proven.reached, "seconds": seconds})
        print(
            f"{path.stem:18} minimum [{low[0]:.6g}, {low[1]:.6g}], maximum [{high[0]:.6g}, {high[1]:.6g}], "
            f"{proven.boxes} boxes, {seconds:.1f} s{'' if proven.reached else ', not reached'}",
            flush=True,
        )
        if options.json:
            options.json.write_text(json.dumps(results, indent=1))
    reached = sum(row["reached"] for row in results)
    print(f"{reached} of {len(results)} to {TOLERANCE} of the range, {sum(row['seconds'] for row in results):.0f} s")


if __name__ == "__main__":
    main()
