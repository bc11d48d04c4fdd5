"""`refkan model export`: a model in a file as a function in C."""

import argparse
import hashlib

from refkan.base import FloatArray
from refkan.base.atomic_files import read_file
from refkan.base.long_runs.exit_codes import OK
from refkan.commands.certify import add_box_option, box_and_samples
from refkan.commands.option_values import path, whole
from refkan.interop import export_c
from refkan.networks import Network

EXPORTED = (
    " NAME.c has a function in C99 that needs nothing else. NAME.json is a certificate of how far its values are from "
    "the network at most, over all inputs of the box that the type holds: python -m check_certificate NAME.json --code "
    "NAME.c --network FILE checks it."
)
"""The help of `export`."""


def add_export_options(p: argparse.ArgumentParser) -> None:
    """Add the options that say what is written, and where."""
    p.add_argument("--output", type=path, required=True, metavar="NAME.c", help="also writes NAME.json")
    p.add_argument(
        "--dtype", default="float64", help="float64, float32 or fixed point such as Q8.24; default: %(default)s"
    )
    add_box_option(p)
    p.add_argument(
        "--leaves", type=whole, default=32, metavar="N", help="parts of the box, at most; default: %(default)s"
    )


def write_code(net: Network, theta: FloatArray, chosen: argparse.Namespace) -> int:
    """Write a network in C, and its certificate."""
    box, _ = box_and_samples(chosen, net)
    about = {"file": chosen.file.name, "sha256": hashlib.sha256(read_file(chosen.file)).hexdigest()}
    code = export_c(net, theta, box, chosen.output, chosen.dtype, chosen.leaves, about)
    print(f"{net}\n{code.path}: in {code.dtype} within {code.bound:.3g} of the network; proof: {code.certificate}")
    return OK
