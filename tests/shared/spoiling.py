"""Sabotage by one replacement in the source of a module: the spoilt copy is compiled apart, the module stays."""

import sys
from pathlib import Path
from types import ModuleType


def spoilt(module: ModuleType, old: str, new: str) -> ModuleType:
    """Return a copy of a module in whose source every `old`, which must occur, is replaced by `new`."""
    source = Path(module.__file__).read_text()
    assert old in source, f"{old!r} does not occur in {module.__name__}"
    copy = ModuleType(f"spoilt.{module.__name__}")
    sys.modules[copy.__name__] = copy  # dataclasses look their module up
    try:
        exec(compile(source.replace(old, new), module.__file__, "exec"), copy.__dict__)
    finally:
        del sys.modules[copy.__name__]
    return copy
