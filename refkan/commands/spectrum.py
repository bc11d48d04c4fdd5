"""`refkan spectrum`: a conditioning study."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

from refkan.arguments import check_count
from refkan.atomic_files import write_atomically
from refkan.commands.certificates import certificate_table, certificates_json, certified
from refkan.commands.exit_codes import FAILED, INTERRUPTED, OK, USAGE
from refkan.commands.options import MOST, WIDEST, check_counts, check_folder, out_of_memory, path, text
from refkan.commands.threads import THREAD_VARIABLES
from refkan.conditioning import Study, grid, study, to_json
from refkan.conditioning.configurations import KINDS, PRECONDITIONERS
from refkan.conditioning.driver import WHICH
from refkan.conditioning.spectra import FLAGS
from refkan.engine_option import add_engine_option
from refkan.extras import needed
from refkan.interrupts import kept_interrupts
from refkan.node_maps import NODE_MAPS
from refkan.plots import conditions, to_png
from refkan.problems import regression_target
from refkan.splines.knots import MAX_INTERVALS, MAX_ORDER

MOST_WORKERS = 1000

ADDRESS = re.compile(r"((tcp|tls|ucx|wss?)://)?[^/]+:\d{1,5}|inproc://.+")


def add_spectrum(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `spectrum`."""
    p = commands.add_parser(
        "spectrum",
        help="a conditioning study: spectra of networks over orders, intervals, bases, layers and seeds",
        description="Condition numbers, ranks and nullities, numerical and analytic, of all combinations of the "
        "options given, as a table; with --output also as DIR/spectrum.json and a figure, DIR/spectrum.png.",
        epilog="Columns: params is the number of parameters; rank and nullity are numerical; known is the nullity that "
        "follows from the structure of the network alone, a lower bound; condition, smallest and largest belong to the "
        "eigenvalues in the numerical range. Flags name what is doubtful about a row: "
        + "; ".join(f"{name}: {meaning}" for name, meaning in FLAGS.items())
        + ". In the figure flagged points have hollow markers, and flagged lines of dense networks are dotted. "
        "--certify adds a table of what is proven: nullity and condition number, enclosed; by says whether the null "
        "space is proven exactly or by theory. With --output it goes to DIR/certificates.json. "
        "Points that are done are kept in DIR/points and not computed again. Exit code: 0; 1 if a point or the "
        "executor failed; 2 for wrong usage; 130 if interrupted.",
    )
    p.add_argument("--orders", type=int, nargs="+", default=[2, 3], metavar="R", help="default: 2 3")
    p.add_argument("--intervals", type=int, nargs="+", default=[4, 8], metavar="N", help="in all layers; default: 4 8")
    p.add_argument("--bases", choices=KINDS, nargs="+", default=["spline", "relu"], help="default: spline relu")
    p.add_argument(
        "--widths", type=int, nargs="+", action="append", metavar="D", help="may be repeated; default: 2 5 1"
    )
    p.add_argument("--seeds", type=int, nargs="+", default=[0], metavar="SEED", help="default: 0")
    p.add_argument("--which", choices=WHICH, default=WHICH[0], help="default: %(default)s")
    p.add_argument("--preconditioner", choices=PRECONDITIONERS)
    p.add_argument("--node-map", choices=sorted(NODE_MAPS), default="affine", help="default: %(default)s")
    p.add_argument("--samples", type=int, default=1000, metavar="N", help="uniform samples; default: %(default)s")
    p.add_argument("--output", type=path, metavar="DIR", help="where results go; nothing is written without it")
    p.add_argument(
        "--certify", action="store_true", help="also prove ranks, and enclose the condition numbers (extra: exact)"
    )
    where = p.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, metavar="N", help="processes to compute in, one thread each")
    where.add_argument("--dask", type=text, metavar="ADDRESS", help="scheduler of a dask cluster to compute on")
    add_engine_option(p)
    p.set_defaults(run=run_spectrum)


def run_spectrum(chosen: argparse.Namespace) -> int:
    """Run a conditioning study and print its table; progress goes to the standard error stream."""
    try:
        return _run(chosen)
    except KeyboardInterrupt:
        kept = "" if chosen.output is None else f"; finished points are kept in {chosen.output / 'points'}"
        return _refuse(f"interrupted{kept}", INTERRUPTED)


def _run(chosen: argparse.Namespace) -> int:
    widths = chosen.widths or [[2, 5, 1]]
    try:
        _check_numbers(chosen, widths)
        if chosen.certify and (chosen.which != "gauss-newton" or chosen.preconditioner is not None):
            raise ValueError("--certify takes Gauss-Newton matrices without preconditioner alone")
        common = {"which": chosen.which, "preconditioner": chosen.preconditioner, "samples": chosen.samples}
        points = grid(
            chosen.bases, widths, chosen.orders, chosen.intervals, chosen.seeds, node_map=chosen.node_map, **common
        )
        if chosen.which == "hessian" and any((w[0], w[-1]) != (2, 1) for w in widths):
            raise ValueError("--which hessian needs two inputs and one output, those of the regression target of [S26]")
        if chosen.output is not None:
            check_folder("--output", chosen.output)
        if chosen.certify:
            needed("--certify", "flint")
    except (ValueError, ImportError) as error:
        return _refuse(error, USAGE)
    try:
        with kept_interrupts(), _executor(chosen.workers, chosen.dask) as executor:
            result = study(
                points,
                executor,
                None if chosen.output is None else chosen.output / "points",
                progress=lambda line: print(line, file=sys.stderr),
                target=regression_target if chosen.which == "hessian" else None,
            )
    except ImportError as error:
        return _refuse(error, USAGE)
    except MemoryError as error:
        return _refuse(out_of_memory(error, "--samples, --widths, --intervals or --orders"), FAILED)
    except (RuntimeError, OSError) as error:
        return _refuse(error, FAILED)
    print(result.table)
    if chosen.output is not None:
        try:
            _write(result, chosen.output)
        except OSError as error:
            return _refuse(error, FAILED)
    failed = bool(result.failed)
    if chosen.certify:
        certificates = [certified(point, lambda line: print(line, file=sys.stderr)) for point in points]
        print(certificate_table(certificates))
        if chosen.output is not None:
            try:
                write_atomically(chosen.output / "certificates.json", certificates_json(certificates))
            except OSError as error:
                return _refuse(error, FAILED)
        failed = failed or any(row.error for row in certificates)
    return FAILED if failed else OK


def _check_numbers(chosen: argparse.Namespace, widths: list[list[int]]) -> None:
    """Raise ValueError for numbers out of range."""
    check_counts("--orders", chosen.orders, 1, MAX_ORDER)
    check_counts("--intervals", chosen.intervals, 1, MAX_INTERVALS)
    for of_one in widths:
        if len(check_counts("--widths", of_one, 1, WIDEST)) < 2:
            raise ValueError(f"--widths must hold at least two numbers, inputs and outputs; got {of_one}")
    check_counts("--seeds", chosen.seeds)
    check_count("--samples", chosen.samples, 1, MOST)
    if chosen.workers is not None:
        check_count("--workers", chosen.workers, 1, MOST_WORKERS)
    if chosen.dask is not None and ADDRESS.fullmatch(chosen.dask) is None:
        raise ValueError(f"--dask must be an address such as tcp://host:8786; got {chosen.dask!r}")


def _write(result: Study, folder: Path) -> None:
    write_atomically(folder / "spectrum.json", to_json(result))
    write_atomically(folder / "spectrum.png", to_png(conditions(result), dpi=150))


def _refuse(error: object, code: int) -> int:
    print(f"refkan spectrum: {error}", file=sys.stderr)
    return code


@contextmanager
def _executor(workers: int | None, address: str | None) -> Iterator[Executor | None]:
    """The executor that was asked for, closed afterwards."""
    if workers is not None:
        # Fresh processes: forked ones would inherit the locks of threads that they do not have.
        with _one_thread_each(), ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            yield pool
    elif address is not None:
        distributed = needed("--dask", "distributed")
        client = distributed.Client(address, timeout=10, set_as_default=False)
        with client, client.get_executor(pure=False) as cluster:
            yield cluster
    else:
        yield None


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Tell processes that are started meanwhile to compute on one thread, unless the user has set how many."""
    added = [name for name in THREAD_VARIABLES if name not in os.environ]
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
