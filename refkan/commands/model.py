"""`refkan model`: the conditioning, refinement, faults and edge functions of trained models in files."""

import argparse
import io
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.interpolate import PPoly

from refkan.analysis.conditioning import spectrum
from refkan.base import FloatArray, as_array, as_shape, located, real
from refkan.base.atomic_files import write_atomically
from refkan.base.json_data import to_bytes
from refkan.base.long_runs.command_parser import add_command
from refkan.base.long_runs.exit_codes import FAILED, OK, refuse, say
from refkan.commands.input_files import read_network
from refkan.commands.model_export import EXPORTED, EXPORTS, add_export_options
from refkan.commands.option_values import check_file, named, path, size, whole
from refkan.interop import from_state, read_model, refined, to_state
from refkan.interop.kan_edges import Edges, disassemble
from refkan.interop.model_files import is_network, state_in
from refkan.kernels.engine_option import add_engine_option
from refkan.networks.archives import load, save
from refkan.networks.network import Network
from refkan.training.losses import LeastSquares

Model = tuple[Network, FloatArray]

FILE = "an .npz of the arrays of a state dict (refkan.interop.state_of), of refkan.save, or a .pt of model.state_dict()"

JUDGED = (
    " It is judged as pykan, efficient-kan and jaxkan hold it. A network of refkan must have a place there: B-splines "
    "on fixed knots, refkan.kan(..., outside='natural'), and node maps none, affine or frozen."
)
"""Which networks `judge` takes, and why."""

WRITTEN = (
    " OUT.json has for each edge its layer, output and input, and the arguments of scipy.interpolate.BSpline: knots, "
    "coefficients, order (degree + 1), extrapolate; of ReLU powers those of PPoly: breakpoints, coefficients. The edge "
    "adds w_b silu(x) to it. Beside the edges it has what makes them a network: names of inputs and outputs, domains "
    "of each layer and its rule outside them, node maps."
)
"""The help of `edges`."""

EPILOG = (
    "Exit code: 0; 1 if something is wrong with the model; 2 for wrong usage or a file that cannot be used; 130 if "
    "interrupted."
)

ROOM = 1e-12
"""Relative difference of values up to which a model is the same before and after refinement."""

SINGLE, SINGLE_OUTPUTS = 1e-5, 1e-4
"""The same if parameters are kept in float32, and of outputs that were computed in float32."""

UNEVEN = 1e6
"""Ratio of knot distances that is reported."""

TINY = 1e-300
"""In place of a largest value of zero."""


def add_model(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `model`."""
    p = commands.add_parser("model", help="study and refine trained models of refkan, pykan, efficient-kan and jaxkan")
    parts = p.add_subparsers(title="commands", required=True)
    spectrum_of = _add(
        parts, "spectrum", run_model_spectrum, "the conditioning of a trained model: the spectrum of J^T J"
    )
    refine = _add(parts, "refine", run_refine, "write the same function on a grid of half the spacing")
    judge = _add(parts, "judge", run_judge, "report what is wrong with a trained model and its values", JUDGED)
    edges = _add(parts, "edges", run_edges, "write the function of each edge for SciPy", WRITTEN)
    export = _add(parts, "export", run_export, "write a model in C with a proven bound, or in ONNX", EXPORTED)
    for drawing in (spectrum_of, refine, judge):
        drawing.add_argument(
            "--samples", type=size, default=1000, metavar="N", help="drawn in the domain; default: %(default)s"
        )
        drawing.add_argument(
            "--seed", type=whole, default=0, metavar="SEED", help="of the samples; default: %(default)s"
        )
    refine.add_argument("--output", type=path, required=True, metavar="OUT.npz", help="in the format of FILE")
    judge.add_argument(
        "--outputs", type=path, metavar="VALUES.npz", help="x (N, P) and y (N, Q): values of the library to compare"
    )
    edges.add_argument("--output", type=path, required=True, metavar="OUT.json")
    add_export_options(export)


def _add(
    parts: Any, name: str, run: Callable[[argparse.Namespace], int], purpose: str, more: str = ""
) -> argparse.ArgumentParser:
    p = add_command(
        parts,
        name,
        partial(_checked, run),
        "--samples",
        help=purpose,
        description=f"{purpose[0].upper()}{purpose[1:]}. FILE is {FILE}.{more}",
        epilog=EPILOG,
    )
    add_engine_option(p)
    p.add_argument("file", type=path, metavar="FILE")
    return p


def _checked(run: Callable[[argparse.Namespace], int], chosen: argparse.Namespace) -> int:
    with named("FILE"), np.errstate(all="ignore"):  # what overflows is said with the results
        return run(chosen)


def _read(file: Path) -> Model:
    """Read network and parameters, with a remark on what the file does not say."""
    net, theta = read_model(file)
    if not is_network(file) and any((part.base != 0).any() for part in disassemble(net, theta)):
        say("a state dict does not say what its base function is: SiLU is assumed")
    return net, theta


def _samples(net: Network, chosen: argparse.Namespace, beyond: float = 0.0) -> FloatArray:
    """Draw samples in the domain of the first layer, or in one longer by a share of its length on each side."""
    low, high = net.layers[0].domains.T
    room = beyond * (high - low)
    rng = np.random.default_rng(chosen.seed)
    return rng.uniform(low - room, high + room, (chosen.samples, low.size))


def run_model_spectrum(chosen: argparse.Namespace) -> int:
    """Print the spectrum of the Gauss-Newton matrix."""
    net, theta = _read(chosen.file)
    x = _samples(net, chosen)
    y = np.zeros((len(x), net.widths[-1]))
    eigenvalues = spectrum(LeastSquares(net, x, y), theta)
    size, rank = eigenvalues.size, eigenvalues.rank
    print(net)
    print(f"J^T J / N on {len(x)} samples: {size} parameters, rank {rank}")
    if rank:
        largest, smallest = eigenvalues.values[0], eigenvalues.values[rank - 1]
        print(f"eigenvalues from {smallest:.3e} to {largest:.3e}, condition number {largest / smallest:.3e}")
    return OK


def run_refine(chosen: argparse.Namespace) -> int:
    """Write a model on finer grids."""
    _check_output(chosen, ".npz")
    net, theta = _read(chosen.file)
    written, w = _write(chosen.file, chosen.output, _finer(net, theta))
    print(f"{net}\n{written}")
    places = {"inside the domain": 0.0, "up to half its length beyond": 0.5}
    if net.layers[0].outside == "error":  # there is no function beyond
        del places["up to half its length beyond"]
    shares = []
    for where, beyond in places.items():
        x = _samples(net, chosen, beyond)
        before = net(theta, x)
        off = np.abs(written(w, x) - before).max()
        share = float(off / max(np.abs(before).max(), TINY))
        print(f"{len(x)} samples {where}: values differ by {share:.1e} of the largest")
        shares.append(share)
    limit = SINGLE
    if _double(chosen.output):
        limit = ROOM
    if all(share <= limit for share in shares):  # nan is not
        return OK
    return refuse("refkan model refine", f"values differ by more than {limit:g}: see {chosen.output}", FAILED)


def _check_output(chosen: argparse.Namespace, suffix: str) -> None:
    """Raise ValueError unless --output has a suffix and can be written."""
    if chosen.output.suffix != suffix:
        raise ValueError(f"--output must end in {suffix}; got {chosen.output.name!r}")
    check_file("--output", chosen.output)


def _finer(net: Network, theta: FloatArray) -> Model:
    """Halve the spacing; under outside="natural" the knots beyond the domain are refined as well."""
    if any(layer.outside == "natural" for layer in net.layers):
        return refined(net, theta, 2)
    fine = net.refine()
    return fine, net.convert(theta, fine)


def _write(source: Path, target: Path, fine: Model) -> Model:
    """Write a model in the format of a file, and return it as it was written."""
    if is_network(source):
        save(target, *fine)
        return load(target)
    state = to_state(*fine, state_in(source))
    buffer = io.BytesIO()
    np.savez(buffer, **state)
    write_atomically(target, buffer.getvalue())
    return from_state(state)


def _double(file: Path) -> bool:
    return not any(np.asarray(array).dtype == np.float32 for array in state_in(file).values())


def _frame(net: Network, theta: FloatArray, names: Sequence[str] | None) -> dict[str, Any]:
    """A network without its edges: names, layers and node maps, with their constants at theta."""
    inputs, outputs = net.widths[0], net.widths[-1]
    if names is None:
        names = [f"x{k + 1}" for k in range(inputs)] + [f"y{k + 1}" for k in range(outputs)]
    layers = [
        {"inputs": layer.n_inputs, "outputs": layer.n_outputs, "domains": layer.domains, "outside": layer.outside}
        for layer in net.layers
    ]
    return {
        "network": repr(net),
        "inputs": list(names[:inputs]),
        "outputs": list(names[inputs:]),
        "layers": layers,
        "node_maps": [node_map.truth_form() for node_map in net.freeze(theta).node_maps],
    }


def run_edges(chosen: argparse.Namespace) -> int:
    """Write the functions of all edges."""
    _check_output(chosen, ".json")
    net, theta = _read(chosen.file)
    names = read_network("FILE", chosen.file)[2].get("columns")
    edges: list[dict[str, Any]] = []
    for k, layer in enumerate(net.layers):
        if layer.has_knots:
            edges += _edges_of(net, theta, k)
        else:
            say(f"refkan model edges: layer {k} has no splines and is left out")
    write_atomically(chosen.output, to_bytes(_frame(net, theta, names) | {"edges": edges}))
    print(f"{net}\n{len(edges)} edges")
    return OK


def run_export(chosen: argparse.Namespace) -> int:
    """Write a network in C, or in ONNX."""
    suffix, write = EXPORTS[chosen.onnx]
    _check_output(chosen, suffix)
    return write(*_read(chosen.file), chosen)


def _edges_of(net: Network, theta: FloatArray, k: int) -> Iterator[dict[str, Any]]:
    """Yield the functions of the edges of layer k, as arguments of classes of SciPy."""
    layer = net.layers[k]
    part = theta[net.slices[k]]
    order = layer.spaces_at(part)[0].order
    base = layer.unpack(part).get("w_b", np.zeros((layer.n_outputs, layer.n_inputs)))
    for q, p in np.ndindex(layer.n_outputs, layer.n_inputs):
        f = net.edge_function(theta, k, q, p)
        edge: dict[str, Any] = {"layer": k, "output": q, "input": p}
        if isinstance(f, PPoly):
            edge["breakpoints"] = f.x
        else:
            edge["knots"] = f.t
        yield edge | {"coefficients": f.c, "order": order, "extrapolate": f.extrapolate, "w_b": base[q, p]}


def run_judge(chosen: argparse.Namespace) -> int:
    """Print what is wrong with a model."""
    net, theta = _read(chosen.file)
    print(net)
    lines = list(_health(net, theta, _samples(net, chosen)))
    wrong = False
    if chosen.outputs is not None:
        wrong, line = _compared(net, theta, chosen.outputs, _double(chosen.file))
        lines.append(line)
    print("\n".join(lines or ["no fault was found"]))
    if wrong:
        return FAILED
    return OK


def _health(net: Network, theta: FloatArray, x: FloatArray) -> Iterator[str]:
    """Yield sentences on the faults of a trained model, layer by layer."""
    z = x
    for k, edges in enumerate(disassemble(net, theta)):
        if not np.isfinite(z).all():
            yield f"layer {k}: its inputs overflow"
            return
        for sentence in (_outside(edges, z), _knots(edges), _dead(edges), _rounded(edges)):
            if sentence:
                yield f"layer {k}: {sentence}"
        z = net.layers[k].linearize(theta[net.slices[k]], z, slopes=False).value * edges.scale + edges.shift
    if not np.isfinite(z).all():
        yield "its outputs overflow"


def _outside(edges: Edges, z: FloatArray) -> str:
    r = edges.order
    low, high = edges.knots[:, r - 1], edges.knots[:, -r]
    shares = ((z < low) | (z > high)).mean(axis=0)
    p = int(shares.argmax())
    if shares[p] == 0:
        return ""
    return f"{shares[p]:.0%} of the inputs {p} lie outside its grid, where splines decay to 0"


def _knots(edges: Edges) -> str:
    gaps = np.diff(edges.knots, axis=1)
    repeated = int((gaps == 0).sum())
    if repeated:
        return f"{repeated} knots repeat: libraries that divide by their distance return NaN"
    ratio = gaps.max() / gaps.min()
    if ratio > UNEVEN:
        return f"knot distances differ by a factor {ratio:.1e}"
    return ""


def _dead(edges: Edges) -> str:
    no_spline = (edges.factor == 0) | (edges.coefficients == 0).all(axis=2)
    dead = int(((edges.base == 0) & no_spline).sum())
    if dead == 0:
        return ""
    return f"{dead} of {edges.base.size} edges are zero"


def _rounded(edges: Edges) -> str:
    if not np.array_equal(edges.knots, edges.knots.astype(np.float32)):
        return ""
    gaps = np.diff(edges.knots, axis=1)
    off = np.abs(gaps / gaps[:, :1] - 1).max()
    if 1e-9 < off < 1e-5:
        return f"the grid went through float32: equal spacing is off by {off:.1e}"
    return ""


def _compared(net: Network, theta: FloatArray, file: Path, double: bool) -> tuple[bool, str]:
    """Compare the values y at x in a file with those of the network: whether they differ, and a sentence."""
    with named("--outputs"), located("--outputs", (ValueError, TypeError)):
        arrays = state_in(file)
        if not {"x", "y"} <= arrays.keys():
            raise ValueError(f"{file} must hold x and y; it holds {', '.join(sorted(arrays)) or 'nothing'}")
        x, y = (real(name, as_array(name, arrays[name], finite=False)) for name in ("x", "y"))
        here = net(theta, x)
        y = as_shape("y", y, here.shape, finite=False)
        if not y.size:
            raise ValueError("x must hold at least one sample; got none")
    distances = np.where(np.isfinite(y), np.abs(y - here), np.inf)
    off = distances / max(np.abs(here).max(), TINY)
    s, q = np.unravel_index(int(off.argmax()), off.shape)
    limit = SINGLE_OUTPUTS
    if double and arrays["y"].dtype == np.float64:
        limit = ROOM
    where = f"y[{s}, {q}] = {y[s, q]:.17g}, here {here[s, q]:.17g}, at x = {x[s].tolist()}"
    sizes = f"by {off.max():.1e} of the largest at most; {where}"
    if off.max() <= limit:
        return False, f"outputs agree: {sizes}"
    return True, f"outputs differ: {sizes}"
