"""Subcommands of `refkan`, one a file: each adds its parser, whose default `run` does the work and returns a code."""

from refkan.commands.certify import add_certify
from refkan.commands.conform import add_cases, add_conform
from refkan.commands.model import add_model
from refkan.commands.selftest import add_info, add_selftest
from refkan.commands.spectra.spectrum import add_spectrum
from refkan.commands.verify import add_verify

__all__ = [
    "add_cases", "add_certify", "add_conform", "add_info", "add_model", "add_selftest", "add_spectrum", "add_verify",
]  # fmt: skip
