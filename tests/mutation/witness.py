"""A plugin of pytest that notes whether the mutant is what ran: ``-p tests.mutation.witness``.

Python's and pytest's loaders may read old code, and then every mutant survives. Each mutant therefore sets a mark in
its module; a module that was imported with another mark, or with none, is told from one that no test imports.
"""

import os
import sys
from pathlib import Path

MARK = "MUTANT_IN_FORCE"


def state(module: str, mark: str) -> str:
    """Return "loaded", "not imported", or "other code"."""
    if module not in sys.modules:
        return "not imported"
    return "loaded" if getattr(sys.modules[module], MARK, "") == mark else "other code"


def pytest_sessionfinish():
    """Write down what was loaded."""
    module, mark = os.environ["REFKAN_MUTANT"].split("=")
    Path(os.environ["REFKAN_MUTANT_LOG"]).write_text(state(module, mark), encoding="utf-8")
