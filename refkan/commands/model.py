"""`refkan model`: the conditioning of trained models in files, finer grids, their faults, functions of edges."""

import argparse
import io
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from refkan.analysis.conditioning import spectrum
from refkan.base import FloatArray
from refkan.base.atomic_files import write_atomically
from refkan.base.json_data import to_bytes
from refkan.base.long_runs.command_parser import add_command, count
from refkan.base.long_runs.exit_codes import FAILED, OK, refuse, say
from refkan.commands.input_files import read_network
from refkan.commands.option_values import check_file, named, path, size, whole
from refkan.interop import from_state, read_model, refined, to_state
from refkan.interop.kan_edges import disassemble
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

ROOM = 1e-12
"""Relative difference of values up to which a model is the same before and after refinement."""


def add_model(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `model`."""
    p = commands.add_parser("model", help="study and refine trained models of refkan, pykan, efficient-kan and jaxkan")
    parts = p.add_subparsers(title="commands", required=True)
    _add(parts, "spectrum", run_model_spectrum, "the conditioning of a trained model: the spectrum of J^T J")
    refine = _add(parts, "refine", run_refine, "write the same function on a finer grid")
    refine.add_argument("--factor", type=count, default=2, metavar="N", help="intervals for each; default: %(default)s")
    refine.add_argument("--output", type=path, required=True, metavar="OUT.npz", help="in the format of FILE")
    judge = _add(parts, "judge", run_judge, "report what is wrong with a trained model and its values", JUDGED)
    edges = _add(parts, "edges", run_edges, "write the function of each edge for SciPy", WRITTEN, drawn=False)
    edges.add_argument("--output", type=path, required=True, metavar="OUT.json")
    judge.add_argument(
        "--outputs", type=path, metavar="VALUES.npz", help="x (N, P) and y (N, Q): values of the library to compare"
    )


def _add(parts: Any, name: str, run: Any, purpose: str, more: str = "", drawn: bool = True) -> argparse.ArgumentParser:
    """Add a command on a model in a file, with the options of samples if these are drawn."""
    p = add_command(
        parts, name, partial(_checked, run), "--samples", help=purpose,
        description=f"{purpose[0].upper()}{purpose[1:]}. FILE is {FILE}.{more}",
        epilog="Exit code: 0; 1 if something is wrong with the model; 2 for wrong usage or a file that cannot be used; "
        "130 if interrupted.",
    )  # fmt: skip
    add_engine_option(p)
    p.add_argument("file", type=path, metavar="FILE")
    if drawn:
        p.add_argument("--samples", type=size, default=1000, metavar="N", help="in the domain; default: %(default)s")
        p.add_argument("--seed", type=whole, default=0, metavar="SEED", help="of the samples; default: %(default)s")
    return p


def _checked(run: Callable[[argparse.Namespace], int], chosen: argparse.Namespace) -> int:
    with named("FILE"), np.errstate(all="ignore"):  # what overflows is said with the results
        return run(chosen)


def _read(file: Path) -> Model:
    """Network and parameters of a file, with a remark on what the file does not say."""
    net, theta = read_model(file)
    if not is_network(file) and any((part.base != 0).any() for part in disassemble(net, theta)):
        say("a state dict does not say what its base function is: SiLU is assumed")
    return net, theta


def _samples(net: Network, chosen: argparse.Namespace, beyond: float = 0.0) -> FloatArray:
    """Uniform samples in the domain of the first layer, or in one extended by a share of its length on each side."""
    low, high = net.layers[0].domains.T
    room = beyond * (high - low)
    return np.random.default_rng(chosen.seed).uniform(low - room, high + room, (chosen.samples, low.size))


def run_model_spectrum(chosen: argparse.Namespace) -> int:
    """Print the spectrum of the Gauss-Newton matrix."""
    net, theta = _read(chosen.file)
    x = _samples(net, chosen)
    eigenvalues = spectrum(LeastSquares(net, x, np.zeros((len(x), net.widths[-1]))), theta)
    values = eigenvalues.values[: eigenvalues.rank]
    print(net)
    print(f"J^T J / N on {len(x)} samples: {eigenvalues.size} parameters, rank {eigenvalues.rank}")
    if eigenvalues.rank:
        print(f"eigenvalues from {values[-1]:.3e} to {values[0]:.3e}, condition number {values[0] / values[-1]:.3e}")
    return OK


def run_refine(chosen: argparse.Namespace) -> int:
    """Write a model on finer grids."""
    if chosen.output.suffix != ".npz":
        raise ValueError(f"--output must end in .npz; got {chosen.output.name!r}")
    check_file("--output", chosen.output)
    net, theta = _read(chosen.file)
    fine = _finer(net, theta, chosen.factor)
    again = _write(chosen.file, chosen.output, fine)
    print(f"{net}\n{again[0]}")
    shares = []
    places = [("inside the domain", 0.0), ("up to half its length beyond", 0.5)]
    if net.layers[0].outside == "error":  # there is no function beyond
        places = places[:1]
    for where, beyond in places:
        x = _samples(net, chosen, beyond)
        ours = net(theta, x)
        share = float(np.abs(again[0](again[1], x) - ours).max() / max(np.abs(ours).max(), 1e-300))
        print(f"{len(x)} samples {where}: values differ by {share:.1e} of the largest")
        shares.append(share)
    limit = ROOM if _double(chosen.output) else 1e-5
    if not all(share <= limit for share in shares):  # nan is not
        return refuse("refkan model refine", f"values differ by more than {limit:g}: see {chosen.output}", FAILED)
    return OK


def _finer(net: Network, theta: FloatArray, factor: int) -> Model:
    """Insert knots; outside="natural", that of the libraries, needs the knots beyond the domain refined as well."""
    if any(layer.outside == "natural" for layer in net.layers):
        return refined(net, theta, factor)
    fine = net.refine(factor)
    return fine, net.convert(theta, fine)


def _write(source: Path, target: Path, fine: Model) -> Model:
    """Write a model in the format of a file, and return what was written."""
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
    labels = list(names or [f"x{k + 1}" for k in range(net.widths[0])] + [f"y{k + 1}" for k in range(net.widths[-1])])
    return {
        "network": repr(net),
        "inputs": labels[: net.widths[0]],
        "outputs": labels[net.widths[0] :],
        "layers": [
            {"inputs": layer.n_inputs, "outputs": layer.n_outputs, "domains": layer.domains, "outside": layer.outside}
            for layer in net.layers
        ],
        "node_maps": [node_map.truth_form() for node_map in net.freeze(theta).node_maps],
    }


def run_edges(chosen: argparse.Namespace) -> int:
    """Write the functions of all edges."""
    if chosen.output.suffix != ".json":
        raise ValueError(f"--output must end in .json; got {chosen.output.name!r}")
    check_file("--output", chosen.output)
    (net, theta), names = _read(chosen.file), read_network("FILE", chosen.file)[2].get("columns")
    edges = []
    for k, layer in enumerate(net.layers):
        if not layer.has_knots:
            say(f"refkan model edges: layer {k} has no splines and is left out")
            continue
        part = theta[net.slices[k]]
        order = layer.spaces_at(part)[0].order
        w_b = layer.unpack(part).get("w_b", np.zeros((layer.n_outputs, layer.n_inputs)))
        for q, p in np.ndindex(layer.n_outputs, layer.n_inputs):
            f = net.edge_function(theta, k, q, p)
            pieces = {"breakpoints": f.x} if hasattr(f, "x") else {"knots": f.t}
            pieces |= {"coefficients": f.c, "order": order, "extrapolate": f.extrapolate, "w_b": w_b[q, p]}
            edges.append({"layer": k, "output": q, "input": p} | pieces)
    write_atomically(chosen.output, to_bytes(_frame(net, theta, names) | {"edges": edges}))
    print(f"{net}\n{len(edges)} edges")
    return OK


def run_judge(chosen: argparse.Namespace) -> int:
    """Print what is wrong with a model."""
    net, theta = _read(chosen.file)
    print(net)
    lines = [*_health(net, theta, _samples(net, chosen))]
    wrong = False
    if chosen.outputs is not None:
        wrong, line = _compared(net, theta, chosen.outputs, _double(chosen.file))
        lines.append(line)
    print("\n".join(lines) if lines else "nothing found")
    return FAILED if wrong else OK


def _health(net: Network, theta: FloatArray, x: FloatArray) -> Iterator[str]:
    """Sentences on the faults of a trained model, layer by layer."""
    z = x
    for k, edges in enumerate(disassemble(net, theta)):
        if not np.isfinite(z).all():
            yield f"layer {k}: its inputs overflow"
            return
        r = edges.order
        a, b = edges.knots[:, r - 1], edges.knots[:, -r]
        beyond = ((z < a) | (z > b)).mean(axis=0)
        if beyond.max() > 0:
            p = int(beyond.argmax())
            yield f"layer {k}: {beyond[p]:.0%} of the inputs {p} lie outside its grid, where splines decay to 0"
        gaps = np.diff(edges.knots, axis=1)
        if (gaps == 0).any():
            count = int((gaps == 0).sum())
            yield f"layer {k}: {count} knots repeat: libraries that divide by their distance return NaN"
        elif gaps.max() > 1e6 * gaps.min():
            yield f"layer {k}: knot distances differ by a factor {gaps.max() / gaps.min():.1e}"
        dead = int(((edges.base == 0) & ((edges.factor == 0) | (edges.coefficients == 0).all(axis=2))).sum())
        if dead:
            yield f"layer {k}: {dead} of {edges.base.size} edges are zero"
        if np.array_equal(edges.knots, edges.knots.astype(np.float32)):
            steps = gaps / gaps[:, :1] - 1
            if 1e-9 < np.abs(steps).max() < 1e-5:
                yield f"layer {k}: the grid went through float32: equal spacing is off by {np.abs(steps).max():.1e}"
        z = net.layers[k].linearize(theta[net.slices[k]], z, slopes=False).value * edges.scale + edges.shift
    if not np.isfinite(z).all():
        yield "its outputs overflow"


def _compared(net: Network, theta: FloatArray, file: Path, double: bool) -> tuple[bool, str]:
    values = state_in(file)
    if not {"x", "y"} <= values.keys():
        raise ValueError(f"--outputs: {file} must hold x and y; it holds {', '.join(sorted(values)) or 'nothing'}")
    x, y = (np.asarray(values[name], np.float64) for name in ("x", "y"))
    ours = net(theta, x)
    if y.shape != ours.shape:
        raise ValueError(f"--outputs: y must have shape {ours.shape}; got {y.shape}")
    off = np.where(np.isfinite(y), np.abs(y - ours), np.inf) / max(np.abs(ours).max(), 1e-300)
    s, q = np.unravel_index(int(off.argmax()), off.shape)
    limit = ROOM if double and values["y"].dtype == np.float64 else 1e-4
    where = f"y[{s}, {q}] = {y[s, q]:.17g}, here {ours[s, q]:.17g}, at x = {x[s].tolist()}"
    wrong = not off.max() <= limit
    return wrong, f"outputs {'differ' if wrong else 'agree'}: by {off.max():.1e} of the largest at most; {where}"
