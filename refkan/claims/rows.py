"""Rows of a ledger: statements, each with what is measured and the criterion, fixed before the run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One statement: where it is made, what it says, what is measured, and when it holds."""

    id: str
    source: str
    claim: str
    measured: str
    criterion: str
