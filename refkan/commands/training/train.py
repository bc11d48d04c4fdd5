"""`refkan train`: a network on a named problem, or on data in a file.

What `refkan train` remarks on a training that ran: a level that made it worse, too many parameters, what matters.

Progress of a training on the standard error stream: a bar where rich is installed, lines otherwise.
"""

import argparse
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from refkan.base import FloatArray
from refkan.base.atomic_files import write_atomically
from refkan.base.json_data import to_bytes
from refkan.base.long_runs.exit_codes import OK, out_of_memory, say
from refkan.base.long_runs.status_lines import StatusLine
from refkan.claims.running.run_options import add_command
from refkan.commands.data_files.trained_columns import add_gaps_options
from refkan.commands.option_values import check_folder, intervals, order, path, size, text, whole, width
from refkan.commands.threads import add_threads_option
from refkan.commands.training.configuration import Configuration, configuration
from refkan.kernels.engine_choice import current_engine
from refkan.networks import Network, save
from refkan.networks.edge_functions import layer_inputs
from refkan.networks.layers import BASES
from refkan.networks.node_maps import NODE_MAPS
from refkan.plots.training_pictures import MOST_EDGES, can_be_drawn, network_png, to_png
from refkan.training.multilevel import Level
from refkan.training.optimizers import METHODS, RESIDUAL_METHODS, State
from refkan.training.recipes import PROBLEMS, Setup, input_effects, train_starts
from refkan.training.recipes.records import chosen_level, records_of, shown

PAUSE = 2.0
"""Seconds between plain lines, and between evaluations of the true error."""

MOST_OUTSIDE = 0.5
"""Share of the inputs of a layer outside its domain from which on it is remarked."""


class Progress:
    """Told every step, shows some of them: level, step, loss and true error.

    Parameters
    ----------
    setup : Setup
    levels : int
        How many there are.
    lines : StatusLine
        Where they are shown.
    """

    def __init__(self, setup: Setup, levels: int, lines: StatusLine) -> None:
        self._setup, self._levels, self._lines = setup, levels, lines
        self._evaluated, self._error = -PAUSE, ""

    def step(self, level: Level, state: State) -> None:
        """Show a step of a level instead of the last one or, as a plain line, every two seconds and at the end."""
        seconds = time.monotonic()
        due = seconds - self._evaluated >= PAUSE or state.step == state.steps
        if due:
            self._evaluated, self._error = seconds, f"{self._setup.error(level.network, state.theta):.2e}"
        text = (
            f"level {level.index + 1} of {self._levels}, {level.network.n_params} parameters: "
            f"step {state.step} of {state.steps}, loss {2 * state.value:.3g}, error {self._error}"
        )
        if (due or self._lines.width) and not self._lines.update(text):
            self._lines.line(text)


def remarks(asked: Configuration, levels: list[dict[str, Any]]) -> Iterator[str]:
    """Yield sentences on what a table of levels does not say: that its last line is not the best, or means nothing."""
    best = min(range(len(levels)), key=lambda k: shown(levels[k]["error"]))
    last = levels[-1]
    if shown(last["error"]) > shown(levels[best]["error"]):
        steps = " ".join(map(str, asked.schedule[: best + 1]))
        of_data = asked.setup.values is not None
        kept = f"; level {best + 1} is kept, by its error on the held-out rows" if of_data else ""
        yield (
            f"the error rose: level {len(levels)} ({last['parameters']} parameters) ends with {last['error']:.2e}, "
            f"level {best + 1} ({levels[best]['parameters']}) with {levels[best]['error']:.2e}{kept}"
            f"; --schedule {steps} stops there"
        )
    if asked.setup.samples is not None and last["parameters"] > len(asked.setup.samples):
        yield (
            f"more parameters ({last['parameters']}) than rows to train on ({len(asked.setup.samples)}): a small loss "
            "says nothing then, the error does; smaller --widths, --intervals or a shorter --schedule make fewer"
        )


def outside(setup: Setup, net: Network, theta: FloatArray) -> Iterator[str]:
    """Yield a sentence on each hidden layer most of whose inputs lie outside its domain."""
    x = setup.inputs(setup.grid if setup.samples is None else setup.samples)
    for k, (z, layer) in enumerate(zip(layer_inputs(net.freeze(theta), theta, x)[0], net.layers, strict=True)):
        low, high = layer.domains.T
        share = ((z < low) | (z > high)).mean()
        if k and layer.outside is not None and share > MOST_OUTSIDE:
            yield (
                f"{share:.0%} of the inputs of layer {k + 1} lie outside its domain, where its functions go on by the "
                f"rule {layer.outside!r} and network.png does not show them; --node-map mean-std or sigmoid keeps them "
                "inside"
            )


def table(setup: Setup, levels: list[dict[str, Any]]) -> str:
    """One line a level."""
    head = f"{'parameters':>10}  {'steps':>6}  {'seconds':>8}  {'loss':>9}  {'rel. error':>10}"
    lines = [
        f"{level['parameters']:>10}  {level['steps']:>6}  {level['seconds']:>8.1f}  {level['loss']:>9.2e}  "
        f"{level['error']:>10.2e}" + ("  (kept)" if level["resumed"] else "")
        for level in levels
    ]
    return "\n".join([f"{setup.name}: {setup.equation}", head, *lines])


NOT_ASKED = ("run", "output", "engine_otherwise", "program", "sizes", "parts")
"""What the parser adds, and where results go."""

SIZES = "--points, --widths, --intervals or --order"
"""What makes a training large."""


def add_train_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `train`."""
    p = add_command(
        commands,
        "train",
        run_train,
        SIZES,
        "levels",
        help="train a network on a named problem or on your data, level by level",
        description="Train a spline network on a named problem, or on the numbers of a CSV file, from the coarsest "
        "level to the finest, and print loss and true error after each (for data, on the held-out fifth of the rows); "
        "with --output also write the network of the last level, of data that of the level of least error, "
        "DIR/network.npz (see refkan.load), DIR/history.json and DIR/figure.png, and of data DIR/network.png.",
        epilog="Levels are kept in DIR/levels: finished ones are not trained again, and one that was interrupted goes "
        "on. BLAS gets one thread unless told otherwise; large networks under levenberg-marquardt on an idle machine "
        "gain by --threads. Exit code: 0; 1 if training failed; 2 for wrong usage; 130 if interrupted.",
    )
    p.add_argument(
        "problem",
        metavar="PROBLEM",
        help=f"FILE.csv, the inputs and in the last column the output; or one of: {', '.join(PROBLEMS)}",
    )
    add_gaps_options(p, "FILE.csv")
    p.add_argument("--target", type=text, metavar="NAME", help="column of FILE.csv to predict; default: the last")
    p.add_argument(
        "--inputs", type=text, nargs="+", metavar="NAME", help="columns to predict it from; default: all others"
    )
    p.add_argument("--points", type=size, metavar="N", help="collocation points (each way for tensor grids) or samples")
    network = p.add_argument_group(
        "network, by default that of the paper; of data [P, 2P+1, 1], order 3 on 4, 8 intervals, or a smaller one "
        "where that has more parameters than the data rows"
    )
    network.add_argument("--widths", type=width, nargs="+", metavar="D")
    network.add_argument("--order", type=order, metavar="R", help="degree + 1 of the splines")
    network.add_argument(
        "--intervals", type=intervals, nargs="+", metavar="N", help="coarsest level: one or one a layer"
    )
    network.add_argument("--basis", choices=BASES)
    network.add_argument("--node-map", choices=sorted(NODE_MAPS))
    training = p.add_argument_group("training")
    training.add_argument("--schedule", type=whole, nargs="+", metavar="STEPS", help="on each level, coarsest first")
    training.add_argument(
        "--optimizer", choices=(*METHODS, *RESIDUAL_METHODS), default="levenberg-marquardt", help="default: %(default)s"
    )
    training.add_argument("--learning-rate", type=float, metavar="ETA", help="adam, gd; default: 0.01")
    training.add_argument("--seed", type=whole, default=0, metavar="SEED", help="default: %(default)s")
    p.add_argument("--output", type=path, metavar="DIR", help="where to write results; without it nothing is written")
    add_threads_option(p)
    p.add_argument("--quiet", action="store_true", help="no progress")


def run_train(chosen: argparse.Namespace) -> int:
    """Train, print a line for each level, and write the files; progress goes to the standard error stream."""
    with warnings.catch_warnings(record=True) as caught:
        code = _run(chosen)
    for message in dict.fromkeys(str(warning.message) for warning in caught):  # each level and start warns anew
        say(f"refkan train: warning: {message}")
    return code


def _run(chosen: argparse.Namespace) -> int:
    try:
        plan = configuration(chosen)
        _ = plan.setup.exact  # a reference that does not converge ends the command before any training
    except MemoryError as error:
        raise ValueError(out_of_memory(error, SIZES)) from error
    if chosen.output is not None:
        check_folder("--output", chosen.output)
    with StatusLine() as lines:
        trained = train_starts(
            plan.setup,
            plan.net,
            np.random.default_rng(plan.seed),
            plan.schedule,
            plan.method,
            callback=None if chosen.quiet else Progress(plan.setup, len(plan.schedule), lines).step,
            checkpoints=None if chosen.output is None else chosen.output / "levels",
            **plan.options,
        )
    setup, levels, kept = plan.setup, records_of(plan.setup, trained), chosen_level(plan.setup, trained)
    print(table(setup, levels))
    net, theta, of_data = kept.network, kept.result.theta, setup.values is not None
    shares: list[tuple[str, float]] = []
    said = [*remarks(plan, levels), *outside(setup, net, theta)]
    if of_data and chosen.output is not None and not can_be_drawn(plan.net):
        said.append(f"network.png is left out: it shows networks with at most {MOST_EDGES} edges in each layer")
    if of_data and setup.samples is not None:
        totals = input_effects(net, theta, setup.inputs(setup.samples))[0].tolist()
        shares = list(zip(setup.variables, totals, strict=True))
        each = ", ".join(f"{name} {effect:.2g}" for name, effect in shares)
        print(f"share of the output's variance that is due to each input, alone or with others: {each}")
    for sentence in said:
        say(f"refkan train: remark: {sentence}")
    if chosen.output is not None:
        asked = {k: str(v) if isinstance(v, Path) else v for k, v in vars(chosen).items() if k not in NOT_ASKED}
        notes: dict[str, Any] = {"asked": asked}
        if of_data:
            notes["columns"] = [*setup.variables, setup.output]
            notes["medians"] = np.median(np.concatenate([setup.samples, setup.grid]), axis=0).tolist()
        save(chosen.output / "network.npz", net, theta, notes=notes)
        told: dict[str, Any] = {"asked": asked, "engine": current_engine()}
        told |= {"problem": setup.name, "equation": setup.equation}
        told |= {"levels": levels, "remarks": said, "effects": shares}
        write_atomically(chosen.output / "history.json", to_bytes(told))
        write_atomically(chosen.output / "figure.png", to_png(setup, trained, kept))
        if of_data and can_be_drawn(plan.net):
            write_atomically(chosen.output / "network.png", network_png(setup, kept))
    return OK
