"""The directive `command-help`: what a command of refkan prints under --help, taken from the parser itself."""

from __future__ import annotations

import io
import os
from contextlib import redirect_stdout, suppress
from typing import Any
from unittest.mock import patch

from docutils import nodes
from docutils.parsers.rst import Directive

WIDTH = "100"


def help_of(command: str) -> str:
    """Return the help of a command, such as "spectrum" or "model refine"."""
    from refkan.cli import main

    told = io.StringIO()
    with patch.dict(os.environ, COLUMNS=WIDTH), redirect_stdout(told), suppress(SystemExit):
        main([*command.split(), "--help"])
    return told.getvalue()


class CommandHelp(Directive):
    """Show the help of the command that the argument names."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Return a literal block."""
        text = help_of(self.arguments[0])
        return [nodes.literal_block(text, text, language="text")]


def setup(app: Any) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
