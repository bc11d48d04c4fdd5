"""Write docs/programs.md: the programs of examples/ with what they print."""

import io
import runpy
import sys
from contextlib import redirect_stdout
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROGRAMS = sorted((ROOT / "examples").glob("*.py"))
HEAD = """# Twelve short programs

Each program of the folder `examples/` does one job that somebody has, in at most 40 lines: `python examples/NAME.py`.
The tests run them and compare what they print with this page, which `python docs/programs.py` writes. The
[gallery](gallery/index.rst) has longer ones, with pictures.
"""


def printed(program: Path) -> str:
    """Return what a program prints."""
    with redirect_stdout(io.StringIO()) as text:
        runpy.run_path(str(program))
    return text.getvalue()


def section(program: Path) -> str:
    """Return the section of a program: its first line, its code, and what it prints."""
    doc, _, code = program.read_text().partition('"""\n\n')
    job = doc.removeprefix('"""')
    output = "\n".join(line.rstrip() for line in printed(program).splitlines())
    return f"\n## {program.name}\n\n{job}\n\n```python\n{code}```\n\n```text\n{output}\n```\n"


if __name__ == "__main__":
    page = HEAD + "".join(section(program) for program in PROGRAMS)
    (ROOT / "docs" / "programs.md").write_text(page)
    sys.stdout.write(f"{len(PROGRAMS)} programs\n")
