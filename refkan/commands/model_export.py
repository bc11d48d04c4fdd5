"""`refkan model export`: a model in a file as a function in C, or as a ReLU network in ONNX."""

import argparse
import hashlib

from refkan.analysis.exact import sup_difference
from refkan.base import FloatArray
from refkan.base.atomic_files import read_file
from refkan.base.long_runs.exit_codes import OK
from refkan.commands.certify import add_box_option, box_and_samples
from refkan.commands.option_values import path, size, whole
from refkan.interop import export_c
from refkan.interop.relu_networks import drawn_boxes, write_onnx
from refkan.networks import Network

BUDGET = 5000
"""Boxes that the proof of an answer may evaluate."""

EXPORTED = (
    " NAME.c has a function in C99 that needs nothing else. NAME.json is a certificate of how far its values are from "
    "the network at most, over all inputs of the box that the type holds: python -m check_certificate NAME.json --code "
    "NAME.c --network FILE checks it. With --onnx NAME.onnx has a network of order 2 as a ReLU network in float64 (it "
    "needs onnx), and NAME-....vnnlib are questions about it for verifiers, whose answers, sat or unsat, are proven."
)
"""The help of `export`."""


def add_export_options(p: argparse.ArgumentParser) -> None:
    """Add the options that say what is written, and where."""
    p.add_argument("--output", type=path, required=True, metavar="NAME.c", help="also writes NAME.json")
    p.add_argument("--onnx", action="store_true", help="write NAME.onnx, NAME-....vnnlib and their list NAME.csv")
    p.add_argument(
        "--dtype", default="float64", help="float64, float32 or fixed point such as Q8.24; default: %(default)s"
    )
    add_box_option(p)
    p.add_argument(
        "--leaves", type=whole, default=32, metavar="N", help="parts of the box, at most; default: %(default)s"
    )
    p.add_argument(
        "--boxes",
        type=size,
        default=1,
        metavar="N",
        help="with --onnx: the box, and N - 1 drawn in it, have questions; default: %(default)s",
    )
    p.add_argument(
        "--seed", type=whole, default=0, metavar="SEED", help="with --onnx: of the boxes; default: %(default)s"
    )


def write_code(net: Network, theta: FloatArray, chosen: argparse.Namespace) -> int:
    """Write a network in C, and its certificate."""
    box, _ = box_and_samples(chosen, net)
    about = {"file": chosen.file.name, "sha256": hashlib.sha256(read_file(chosen.file)).hexdigest()}
    code = export_c(net, theta, box, chosen.output, chosen.dtype, chosen.leaves, about)
    print(f"{net}\n{code.path}: in {code.dtype} within {code.bound:.3g} of the network; proof: {code.certificate}")
    return OK


def write_relu_network(net: Network, theta: FloatArray, chosen: argparse.Namespace) -> int:
    """Write a network in ONNX, and questions about it."""
    box, _ = box_and_samples(chosen, net)
    boxes = drawn_boxes(box, chosen.boxes, chosen.seed)
    relu, weights, count = write_onnx(net, theta, boxes, chosen.output, BUDGET)
    _, distance = sup_difference(net, theta, relu, weights, box)
    print(f"{net}\n{chosen.output}: in exact arithmetic within {distance:.3g} of the network; {count} questions")
    return OK


EXPORTS = {False: (".c", write_code), True: (".onnx", write_relu_network)}
"""Suffix of the file, and who writes it, without and with --onnx."""
