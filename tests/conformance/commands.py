"""`refkan conform` and `refkan cases`, called in this process."""

import argparse

from refkan.commands.conform import add_parsers

PLAIN = "tests.broken_layers.plain_numpy:PlainNumpy"
BROKEN = "tests.broken_layers:Broken"
SELECT = ["layer/degree-3/uniform/3x2/"]


def run(*arguments):
    parser = argparse.ArgumentParser(prog="refkan")
    add_parsers(parser.add_subparsers())
    chosen = parser.parse_args(list(map(str, arguments)))
    return chosen.run(chosen)
