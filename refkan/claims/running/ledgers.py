"""What a program runs: rows, the files that answer them, and how their modules are loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from refkan.claims.rows import Row
from refkan.claims.running.discovery import ClaimFile


@dataclass(frozen=True)
class Ledger:
    """Rows with the files that answer them.

    Attributes
    ----------
    program
        How the program is called, for its messages.
    rows, files
        In the order in which they are reported and run.
    load
        Returns the module of a file.
    command
        Returns the command line that runs a row of a file again, to which options can be added.
    papers
        Full names of what sources abbreviate.
    twins
        Whether a claim without a mutated twin is an error.
    recorded
        Statuses of rows at full size, beside which quick runs of experiments are told.
    grounds
        "module:function" that is called with the rows of a file before it runs, and raises if they cannot be judged.
    """

    program: str
    rows: tuple[Row, ...]
    files: tuple[ClaimFile, ...]
    load: Callable[[ClaimFile], Any]
    command: Callable[[ClaimFile, str], str]
    papers: Mapping[str, str] = field(default_factory=dict)
    twins: bool = False
    recorded: Mapping[str, str] = field(default_factory=dict)
    grounds: str = ""
