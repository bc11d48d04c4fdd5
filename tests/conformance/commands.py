"""`refkan conform` and `refkan cases`, called in this process."""

from refkan.cli import main

PLAIN = "tests.broken_layers.plain_numpy:PlainNumpy"
BROKEN = "tests.broken_layers:Broken"
SELECT = ["layer/degree-3/uniform/3x2/"]


def run(*arguments):
    return main(list(map(str, arguments)))
