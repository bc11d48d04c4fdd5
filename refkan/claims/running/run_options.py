"""The options of commands that run claims."""

import argparse
from functools import partial
from pathlib import Path

from refkan.base.long_runs.command_parser import count
from refkan.kernels.engine_option import add_engine_option

EPILOG = (
    "Exit code: 0 if everything ran, whatever the verdicts; 1 if a file crashed or a mutation of a claim was not"
    " refuted; 2 for wrong usage or an unwritable folder; 130 if interrupted. Finished files are kept and not run again"
    " until a source that they depend on changes; at full size, so are finished parts of a file, such as one training."
)


def parser(program: str) -> argparse.ArgumentParser:
    """Return the parser of a program that answers a ledger, such as ``python -m validation``."""
    p = argparse.ArgumentParser(
        prog=program,
        description="Answer every claim of the ledger with a verdict computed from measurements.",
        epilog=EPILOG,
    )
    p.add_argument("names", nargs="*", metavar="NAME", help="row ids, files or subjects to run (default: all)")
    add_options(p, Path("validation-report"))
    return p


def add_options(p: argparse.ArgumentParser, output: Path) -> None:
    """Add the options of every program that runs claims; reports go to the folder `output` by default."""
    p.add_argument("--full", action="store_true", help="at full size instead of seconds a file")
    p.add_argument("--list", action="store_true", help="list the rows and the files that answer them, run nothing")
    p.add_argument("--output", type=Path, default=output, metavar="DIR", help="default: %(default)s")
    p.add_argument(
        "--cell",
        metavar="CHOICE",
        help="run one cell of the experiment of NAME again, such as start=normal,target=scaled, and print its numbers;"
        " what is not named is at its default, an unknown name lists those that exist",
    )
    p.add_argument("--seed", type=int, metavar="N", help="of --cell (default: 1234)")
    p.add_argument(
        "--seeds", type=count, metavar="N", help="at full size: at most N seeds, where a file offers fewer than all"
    )
    p.add_argument(
        "--recorded",
        type=Path,
        metavar="RECORD",
        help="record.json of a run with --full, whose verdicts on experiments a quick run tells beside its direction",
    )
    where = p.add_mutually_exclusive_group()
    where.add_argument(
        "--workers",
        type=partial(count, minimum=0),
        metavar="N",
        help="processes that run claim files at once, with --full parts of them too; default: one for each processor,"
        " at most 4; files that measure time run alone in any case. 0: in this process, which a debugger sees, and"
        " which ends if a file ends it",
    )
    where.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="scheduler of a dask cluster that runs the files, with --full parts of them too, but those that measure"
        " time; its workers must see the same folders",
    )
    p.add_argument(
        "--limit",
        type=count,
        metavar="SECONDS",
        help="after which a file or part is ended, in a process of this machine; default: 600, with --full none",
    )
    p.add_argument("--fresh", action="store_true", help="run again what is already finished")
    add_engine_option(p, "plain for quick runs, during which no fast form pays for its compilation, else auto")
    p.set_defaults(
        engine_otherwise=lambda chosen: "auto" if chosen.full or chosen.cell is not None else "plain",
        sizes="fewer --workers",
        parts="checkpoints",
    )
