"""`refkan spectrum`: a conditioning study."""

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from refkan.analysis.conditioning import grid, study
from refkan.analysis.conditioning.spectra import FLAGS
from refkan.analysis.conditioning.spectrum_of_problem import WHICH
from refkan.analysis.conditioning.studies.studies import problem_of
from refkan.analysis.conditioning.studies.study_rows import KINDS, MEANINGS, MEASURED, Configuration, Study, to_json
from refkan.base.atomic_files import write_atomically
from refkan.base.extras import needed
from refkan.base.long_runs.command_parser import add_command
from refkan.base.long_runs.exit_codes import FAILED, OK, say
from refkan.commands.csv_tables import to_csv
from refkan.commands.option_values import check_folder, intervals, order, path, size, whole, width
from refkan.commands.spectra.own_network import certified, only_with_networks, problem_in_files, report, show
from refkan.commands.threads import add_executor_options, chosen_executor
from refkan.kernels.engine_option import add_engine_option
from refkan.networks.node_maps import NODE_MAPS
from refkan.plots import conditions, to_png
from refkan.training.problems import regression_target

STUDIED = {
    "orders": [2, 3],
    "intervals": [4, 8],
    "bases": ["spline", "relu"],
    "widths": [[2, 5, 1]],
    "seeds": [0],
    "node_map": "affine",
    "samples": 1000,
}
"""What is studied where no option says otherwise."""


DESCRIPTION = (
    "Condition numbers, ranks and nullities, numerical and analytic, of all combinations of the options given, as a "
    "table; with --output also as DIR/spectrum.json, DIR/spectrum.csv and a figure, DIR/spectrum.png. With --network "
    "and --data the spectrum of a network in a file on samples in a file, in the --bases given or its own; "
    "DIR/spectrum.csv then has a line for each eigenvalue."
)

EPILOG = (
    "Columns: {columns}. Flags name what is doubtful about a row: {flags}. In the figure of a study markers are "
    "medians over the seeds, and bars reach from the smallest to the largest; flagged points have hollow markers, and "
    "flagged lines of dense networks are dotted. --certify adds a table of what is proven: nullity and condition "
    "number, enclosed; by says whether the null space is proven exactly or by theory. With --output it goes to "
    "DIR/certificates.json. Points that are done are kept in DIR/points and not computed again. Exit code: 0; 1 if a "
    "point or the executor failed; 2 for wrong usage; 130 if interrupted."
)


def add_spectrum(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `spectrum`."""
    p = add_command(
        commands,
        "spectrum",
        run_spectrum,
        "--samples, --widths, --intervals or --orders, or by a shorter --data",
        "points",
        help="a conditioning study: spectra of networks over orders, intervals, bases, layers and seeds",
        description=DESCRIPTION,
        epilog=EPILOG.format(columns=_listed(MEANINGS), flags=_listed(FLAGS)),
    )
    add_engine_option(p)
    _add_study(p)
    p.add_argument(
        "--which",
        choices=WHICH,
        default=WHICH[0],
        help="default: %(default)s",
    )
    _add_files(p)
    p.add_argument(
        "--output",
        type=path,
        metavar="DIR",
        help="where to write results; without it nothing is written",
    )
    p.add_argument(
        "--certify",
        action="store_true",
        help="also prove ranks, and enclose the condition numbers (extra: exact)",
    )
    add_executor_options(p)


def _listed(meanings: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {meaning}" for name, meaning in meanings.items())


def _add_study(p: argparse.ArgumentParser) -> None:
    """Add the options of studies."""
    p.add_argument(
        "--orders",
        type=order,
        nargs="+",
        metavar="R",
        help=f"orders r of the splines; {_default('orders')}",
    )
    p.add_argument(
        "--intervals",
        type=intervals,
        nargs="+",
        metavar="N",
        help=f"in all layers; {_default('intervals')}",
    )
    p.add_argument(
        "--seeds",
        type=whole,
        nargs="+",
        metavar="SEED",
        help=f"of parameters and samples; {_default('seeds')}",
    )
    p.add_argument(
        "--bases",
        choices=KINDS,
        nargs="+",
        help=_default("bases"),
    )
    p.add_argument(
        "--widths",
        type=width,
        nargs="+",
        action="append",
        metavar="D",
        help="may be repeated; default: 2 5 1",
    )
    p.add_argument(
        "--node-map",
        choices=sorted(NODE_MAPS),
        help=_default("node_map"),
    )
    p.add_argument(
        "--samples",
        type=size,
        metavar="N",
        help=f"uniform samples; {_default('samples')}",
    )


def _default(option: str) -> str:
    value: Any = STUDIED[option]
    if isinstance(value, list):
        value = " ".join(map(str, value))
    return f"default: {value}"


def _add_files(p: argparse.ArgumentParser) -> None:
    """Add the options of a network in a file."""
    p.add_argument(
        "--network",
        type=path,
        metavar="FILE.npz",
        help="a network that rk.save wrote, with its parameters",
    )
    p.add_argument(
        "--data",
        type=path,
        metavar="FILE.csv",
        help="its samples: columns inputs, then outputs",
    )
    p.add_argument(
        "--weights",
        type=path,
        metavar="FILE.csv",
        help="one weight per sample; default: 1",
    )


def run_spectrum(chosen: argparse.Namespace) -> int:
    """Run a conditioning study and print its table; progress goes to the standard error stream."""
    only_with_networks(chosen, STUDIED)
    if chosen.network is None:
        work: Callable[[], bool] = partial(_study, _points(chosen), chosen)
    else:
        net, problem, theta = problem_in_files(chosen)
        work = partial(show, net, problem, theta, chosen)
    if chosen.output is not None:
        check_folder("--output", chosen.output)
    if chosen.certify:
        needed("--certify", "flint")
    if work():
        return OK
    return FAILED


def _points(chosen: argparse.Namespace) -> list[Configuration]:
    """The points of a study; ValueError for numbers out of range."""
    for widths in chosen.widths:
        if len(widths) < 2:
            raise ValueError(f"--widths must hold at least two numbers, inputs and outputs; got {widths}")
        if chosen.which == "hessian" and (widths[0], widths[-1]) != (2, 1):
            raise ValueError("--which hessian needs two inputs and one output, those of the regression target of [S26]")
    return grid(
        chosen.bases,
        chosen.widths,
        chosen.orders,
        chosen.intervals,
        chosen.seeds,
        node_map=chosen.node_map,
        which=chosen.which,
        samples=chosen.samples,
    )


def _study(points: list[Configuration], chosen: argparse.Namespace) -> bool:
    """Compute a study, print and write it; False if a point failed."""
    target = None
    if chosen.which == "hessian":
        target = regression_target
    kept = None
    if chosen.output is not None:
        kept = chosen.output / "points"
    with chosen_executor(chosen) as executor:
        result = study(points, executor, kept, progress=say, target=target)
    print(f"{result.table}\n\n{result.legend}")
    if chosen.output is not None:
        write_atomically(chosen.output / "spectrum.json", to_json(result))
        write_atomically(chosen.output / "spectrum.csv", _csv(result))
        write_atomically(chosen.output / "spectrum.png", to_png(conditions(result), dpi=150))
    if not chosen.certify:
        return not result.failed
    certificates = [
        certified(str(point), partial(problem_of, point, target), say, point.basis, point.which) for point in points
    ]
    return report(certificates, chosen.output) and not result.failed


def _csv(result: Study) -> bytes:
    """The rows of a study, with their JSON names as the header."""
    header = [*Configuration.__dataclass_fields__, *MEASURED]
    rows = [row.as_dict() for row in result.rows]
    return to_csv(header, [[row[name] for name in header] for row in rows])
