"""Defaults of public callables are part of what is promised: a changed one changes results without a word.

Where one is changed on purpose, ``python -m tests.package.test_defaults`` writes the file anew.
"""

import inspect
import json
from pathlib import Path

from tests.shared.public_names import public_callables

PROMISED = Path(__file__).parent / "defaults.json"

DEFAULTS = {
    name: given
    for name, function in sorted(public_callables().items())
    if (given := {p.name: repr(p.default) for p in inspect.signature(function).parameters.values()
                  if p.default not in (p.empty, None) and " at 0x" not in repr(p.default)})
}  # fmt: skip
"""Callable -> parameter -> default, as text, where it is another one than None."""


def test_defaults_are_those_that_are_promised():
    assert json.loads(PROMISED.read_text(encoding="utf-8")) == DEFAULTS


if __name__ == "__main__":
    lines = [f"{json.dumps(name)}: {json.dumps(given)}" for name, given in DEFAULTS.items()]
    PROMISED.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
