"""`refkan certify`: what is proven about a trained network, as text and as files that another program checks."""

import argparse
import hashlib
import json
import math
import re
from functools import partial
from pathlib import Path

import numpy as np

import refkan
from check_certificate import page, text_of
from refkan.analysis.exact import bounding_box
from refkan.analysis.exact.certificates.certified_network import Samples, certificate
from refkan.base import FloatArray, check_positive
from refkan.base.atomic_files import read_file, write_atomically
from refkan.base.long_runs.command_parser import add_command, count
from refkan.base.long_runs.exit_codes import OK, say
from refkan.commands.input_files import read_network, read_samples
from refkan.commands.option_values import check_file, path
from refkan.commands.threads import add_executor_options, chosen_executor
from refkan.kernels.engine_option import add_engine_option
from refkan.networks import Network

MOST_LEAVES = 10_000_000


def add_certify(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `certify`."""
    p = add_command(
        commands,
        "certify",
        _run,
        "fewer --leaves",
        help="prove statements about a trained network in a box, in a certificate that another program checks",
        description="Prove the range of each output in a box of inputs, where it rises and falls with each input, the "
        "Lipschitz constant and, where the box is that of samples, the largest residual, the rank of the Jacobian and "
        "the condition number of the Gauss-Newton matrix. If something cannot be proven, the output says why. "
        "With --json or --html the network, the statements and all that is needed to check them go to a file, which "
        "the program check_certificate.py accepts or rejects, over rational numbers and without refkan: "
        "python -m check_certificate FILE --network NETWORK.npz. "
        "A check costs more than the proof: seconds to minutes, by leaves and edges.",
        epilog="Networks of splines, ReLU powers and Chebyshev polynomials, with SiLU or without it, of refkan or "
        "of pykan, efficient-kan and jaxkan. Exit code: 0; 2 for wrong usage or a file that cannot be used; 130 if "
        "interrupted.",
    )
    add_engine_option(p)
    p.add_argument("network", type=path, metavar="NETWORK.npz", help="written by refkan, or a state dict")
    add_box_option(p)
    told = "of bounds, relative to the range; default: %(default)s"
    p.add_argument("--tolerance", type=float, default=1e-2, help=told)
    p.add_argument(
        "--leaves",
        type=partial(count, maximum=MOST_LEAVES),
        default=5000,
        metavar="N",
        help="parts of the box for a statement; default: %(default)s",
    )
    p.add_argument("--json", type=path, metavar="FILE.json", help="where to write the certificate")
    p.add_argument("--html", type=path, metavar="FILE.html", help="where to write a page that contains the certificate")
    add_executor_options(p)


def add_box_option(p: argparse.ArgumentParser) -> None:
    """Add the option --box, which `box_and_samples` reads."""
    p._negative_number_matcher = re.compile(r"-[\d.].*")  # so that -1:1 is a value and no option
    p.add_argument(
        "--box",
        nargs="+",
        metavar="DATA.csv|LOW:HIGH",
        help="a file of samples, whose box is taken: inputs, and outputs where there are any; or an interval for each "
        "input; default: the domain of the network",
    )


def _run(chosen: argparse.Namespace) -> int:
    check_positive("--tolerance", chosen.tolerance)
    used = {"NETWORK.npz": chosen.network, "--box": Path((chosen.box or [""])[0]), "--json": chosen.json}
    if chosen.json is not None:
        check_file("--json", used.pop("--json"), used)
    if chosen.html is not None:
        check_file("--html", chosen.html, used | {"--json": chosen.json})
    net, theta, notes = read_network("NETWORK.npz", chosen.network)
    box, samples = box_and_samples(chosen, net)
    with chosen_executor(chosen) as executor:
        asked = chosen.tolerance, chosen.leaves
        made = certificate(net, theta, box, samples, *asked, lambda name: say(f"  {name}"), executor)
    made["about"] = {
        "file": chosen.network.name,
        "sha256": hashlib.sha256(read_file(chosen.network)).hexdigest(),
        "network": str(net),
        "names": notes.get("columns", [*_numbered("x", net.widths[0]), *_numbered("y", net.widths[-1])]),
        "tolerance": chosen.tolerance,
        "refkan": refkan.__version__,
    }
    print(text_of(made))
    if chosen.json is not None:
        write_atomically(chosen.json, (json.dumps(made, allow_nan=False) + "\n").encode("ascii"))
    if chosen.html is not None:
        write_atomically(chosen.html, page(made).encode())
    return OK


def _numbered(letter: str, count: int) -> list[str]:
    return [f"{letter}{k + 1}" for k in range(count)]


def box_and_samples(chosen: argparse.Namespace, net: Network) -> tuple[FloatArray, Samples | None]:
    """The box (P, 2) that was asked for, and samples where a file has them."""
    given, P = chosen.box, net.widths[0]
    if given is None:
        return np.array(net.layers[0].domains), None
    if len(given) == 1 and ":" not in given[0]:
        columns = {P: "the inputs", P + net.widths[-1]: "the inputs and then the outputs"}
        rows = read_samples("--box", Path(given[0]), columns)
        x, y = rows[:, :P], rows[:, P:]
        samples = (x, y) if y.shape[1] else None
        return bounding_box(x), samples
    sides = [_side(text) for text in given]
    if len(sides) != P:
        raise ValueError(f"--box must have an interval LOW:HIGH for each of the {P} inputs; got {len(sides)}")
    return np.array(sides), None


def _side(text: str) -> tuple[float, float]:
    try:
        low, high = map(float, text.split(":"))
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(f"--box must be a file, or intervals LOW:HIGH of finite numbers, LOW <= HIGH; got {text!r}")
    return low, high
