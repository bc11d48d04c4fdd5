"""Lines about what a long run is doing: those that stay, and on a terminal one that is kept up to date."""

import sys
from importlib import import_module
from typing import Any, Self, TextIO


class StatusLine:
    """Writes lines to a stream, the standard error by default; on a terminal with rich one more, which changes.

    A context, at whose end the line that changes is taken away.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._status: Any = None
        self.width = 0
        if self._stream.isatty():
            try:
                console = import_module("rich.console").Console(file=self._stream)
            except ImportError:
                return
            self._status, self.width = console.status("", spinner="line"), console.width

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._status is not None:
            self._status.stop()

    def line(self, text: str) -> None:
        """Write a line that stays."""
        if self._status is not None:
            self._status.stop()
        print(text, file=self._stream, flush=True)

    def update(self, text: str) -> bool:
        """Show a text instead of the last one; return False if there is no line that can change."""
        if self._status is None:
            return False
        self._status.update(text.replace("[", "\\["))
        self._status.start()
        return True
