"""Docstrings of refkan are plain text: bars are absolute values and stars products, no marks of reStructuredText."""

from __future__ import annotations

import math
import re
from typing import Any


def escape(lines: list[str]) -> list[str]:
    """Put a backslash before bars, stars and trailing underscores outside of literals, literal blocks and examples."""
    out, example, indent_of_colons = [], False, math.inf
    for line in lines:
        example = line.lstrip().startswith(">>>") or (example and bool(line.strip()))
        indent = len(line) - len(line.lstrip())
        # What is indented below a line that ends with two colons is shown as it stands.
        literal = example or indent > indent_of_colons
        if line.strip() and not literal:
            indent_of_colons = indent if line.rstrip().endswith("::") else math.inf
        parts = re.split(r"(``.+?``|:\w+:`.+?`|`[^`]+`)", line)
        plain = [part if k % 2 else re.sub(r"[|*]|(?<=\w)_(?=\W|$)", r"\\\g<0>", part) for k, part in enumerate(parts)]
        out.append(line if literal else "".join(plain))
    return out


def process(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Escape a docstring in place."""
    lines[:] = escape(lines)


def setup(app: Any) -> dict[str, bool]:
    """Come before numpydoc, which writes marks of its own."""
    app.connect("autodoc-process-docstring", process, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
