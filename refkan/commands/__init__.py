"""Subcommands of `refkan` that are modules of their own."""

from refkan.commands.train import add_train_parser

__all__ = ["add_train_parser"]
