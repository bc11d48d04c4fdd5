"""``python -m validation.equations PROBLEM``: train a network on a published problem, level by level."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

# The matrices here are small: threads of OpenBLAS would only wait for one another. Set before NumPy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from refkan import plots, save
from refkan.base.atomic_files import require_writable, write_atomically
from refkan.base.long_runs.status_lines import StatusLine
from validation.equations.published import PROBLEMS, table, trained


def parser() -> argparse.ArgumentParser:
    """Return the parser of ``python -m validation.equations``."""
    p = argparse.ArgumentParser(
        prog="python -m validation.equations",
        description="Train the published network on a published problem by Levenberg-Marquardt, from the coarsest "
        "level to the finest, and print loss and true error of each at the end.",
    )
    p.add_argument("problem", choices=PROBLEMS, metavar="PROBLEM", help=", ".join(PROBLEMS))
    p.add_argument("--steps", type=int, nargs="+", metavar="N", help="on each level, coarsest first; default: 30")
    p.add_argument("--quick", action="store_true", help="two levels, three steps on each")
    p.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    p.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="where to write network.npz, for refkan.load, and figure.png; finished levels are kept there, and the "
        "same call continues an interrupted one",
    )
    return p


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, print the table of levels, and write the files."""
    chosen = parser().parse_args(arguments)
    setup, folder, checkpoint = PROBLEMS[chosen.problem](), chosen.output, None
    if folder is not None:
        require_writable(folder)
        checkpoint = folder / "levels"
    with StatusLine() as lines:
        result = trained(setup, chosen.steps, chosen.quick, chosen.seed, checkpoint, lines.update)
    print(table(setup, result))
    if folder is not None:
        save(folder / "network.npz", result.network, result.theta, notes={"problem": chosen.problem})
        write_atomically(folder / "figure.png", plots.to_png(plots.history(result, factor=2.0)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
