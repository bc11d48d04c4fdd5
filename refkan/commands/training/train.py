"""`refkan train`: a network on a named problem, or on data in a file.

What `refkan train` remarks on a training that ran: a level that made it worse, too many parameters, what matters.

Progress of a training on the standard error stream: a bar where rich is installed, lines otherwise.
"""

import argparse
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Self

import numpy as np

from refkan.base.atomic_files import write_atomically
from refkan.base.long_runs.exit_codes import OK, out_of_memory, say
from refkan.base.long_runs.status_lines import StatusLine
from refkan.claims.running.run_options import add_command
from refkan.commands.data_files.trained_columns import add_gaps_options
from refkan.commands.option_values import check_folder, path, text
from refkan.commands.threads import add_threads_option
from refkan.commands.training.configuration import Configuration, configuration
from refkan.networks import save
from refkan.networks.edge_functions import layer_inputs
from refkan.networks.layers import BASES
from refkan.networks.node_maps import NODE_MAPS
from refkan.plots.training_pictures import MOST_EDGES, can_be_drawn, network_png, to_png
from refkan.training.multilevel import Level, MultistartResult
from refkan.training.optimizers import METHODS, RESIDUAL_METHODS, State
from refkan.training.recipes import PROBLEMS, input_effects, train_starts
from refkan.training.recipes.records import Record, chosen_level, record, shown, to_json

PAUSE = 2.0
"""Seconds between plain lines, and between evaluations of the true error."""

MOST_OUTSIDE = 0.5
"""Share of the inputs of a layer outside its domain from which on it is remarked."""


class Progress:
    """Told every step, shows some of them: level, step, loss, true error, and how long the level will take.

    Parameters
    ----------
    asked : Configuration
    """

    def __init__(self, asked: Configuration) -> None:
        self._asked, self._sizes = asked, asked.sizes
        self._lines = StatusLine()
        self._first = 0.0
        self._evaluated = -PAUSE
        self._error = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._lines.__exit__(*error)

    def step(self, level: Level, state: State) -> None:
        """Show a step of a level, in place of the last one or, as a plain line, every two seconds and at the end."""
        seconds = time.monotonic()
        if state.step == 1:  # the time of the first step says little: kernels may be compiled in it
            self._first = seconds
        number = self._sizes.index(level.network.n_params)
        steps = self._asked.schedule[number]
        due = seconds - self._evaluated >= PAUSE or state.step == steps
        if not (due or self._lines.width):
            return
        if due:
            self._evaluated = seconds
            self._error = f"{self._asked.setup.error(level.network, state.theta):.2e}"
        left = (seconds - self._first) / max(state.step - 1, 1) * (steps - state.step)
        text = (
            f"level {number + 1} of {len(self._sizes)}, {self._sizes[number]} parameters: "
            f"step {state.step} of {steps}, loss {2 * state.value:.3g}, error {self._error}"
        ) + (f", about {left:.0f} s to go on this level" if 1 < state.step < steps else "")
        if not self._lines.update(text):
            self._lines.line(text)


def remarks(asked: Configuration, results: Record) -> Iterator[str]:
    """Yield sentences on what a table of levels does not say: that its last line is not the best, or means nothing."""
    levels = results.levels
    best = min(range(len(levels)), key=lambda k: shown(levels[k]["error"]))
    last = levels[-1]
    if shown(last["error"]) > shown(levels[best]["error"]):
        steps = " ".join(map(str, asked.schedule[: best + 1]))
        of_data = asked.setup.values is not None
        kept = f"; level {best + 1} is kept, by its error on the rows kept back" if of_data else ""
        yield (
            f"the error rose: level {len(levels)} ({last['parameters']} parameters) ends with {last['error']:.2e}, "
            f"level {best + 1} ({levels[best]['parameters']}) with {levels[best]['error']:.2e}{kept}"
            f"; --schedule {steps} stops there"
        )
    if asked.setup.samples is not None and last["parameters"] > len(asked.setup.samples):
        how = "smaller --widths, --intervals or a shorter --schedule" if asked.net.basis else "smaller --widths"
        yield (
            f"more parameters ({last['parameters']}) than rows to train on ({len(asked.setup.samples)}): a small loss "
            f"says nothing then, the error does; {how} make fewer"
        )


def outside(asked: Configuration, trained: MultistartResult) -> Iterator[str]:
    """Yield a sentence on each hidden layer most of whose inputs lie outside its domain."""
    kept, setup = chosen_level(asked.setup, trained), asked.setup
    net, theta = kept.network, kept.result.theta
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


def undrawn(asked: Configuration) -> Iterator[str]:
    """Yield a sentence where a network of data is too large for its picture."""
    if asked.setup.values is not None and not can_be_drawn(asked.net):
        yield f"network.png is left out: it shows networks with at most {MOST_EDGES} edges in each layer"


def effects(asked: Configuration, trained: MultistartResult) -> list[tuple[str, float]]:
    """Return the name and the total effect of each column of data; nothing for problems without data."""
    if asked.setup.values is None or asked.setup.samples is None:
        return []
    last = chosen_level(asked.setup, trained)
    totals = input_effects(last.network, last.result.theta, asked.setup.inputs(asked.setup.samples))[0]
    return list(zip(asked.setup.variables, totals.tolist(), strict=True))


def effects_line(named_effects: Sequence[tuple[str, float]]) -> str:
    """Write effects in one line."""
    shares = ", ".join(f"{name} {effect:.2g}" for name, effect in named_effects)
    return f"share of the output's variance that is due to each input, alone or with others: {shares}"


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
        description="Train a spline network (or a dense one, with --activation) on a named problem, or on the numbers "
        "of a CSV file, from the coarsest level to the finest, and print loss and true error after each level (of data "
        "on a fifth of the rows, which are kept back); with --output also write the network "
        "of the last level, of data that of the level with the least error, "
        "DIR/network.npz (see refkan.load), DIR/history.json and DIR/figure.png, and of data DIR/network.png.",
        epilog="Levels are kept in DIR/levels: finished ones are not trained again, and one that was interrupted goes "
        "on. BLAS gets one thread unless told otherwise, as other processes may want the cores; large networks under "
        "levenberg-marquardt on an idle machine "
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
    p.add_argument("--points", type=int, metavar="N", help="collocation points (each way for tensor grids) or samples")
    network = p.add_argument_group(
        "network, by default that of the paper; of data [P, 2P+1, 1], order 3 on 4, 8 intervals, or a smaller one "
        "where that has more parameters than the data rows"
    )
    network.add_argument("--widths", type=int, nargs="+", metavar="D")
    network.add_argument("--order", type=int, metavar="R", help="degree + 1 of the splines")
    network.add_argument("--intervals", type=int, nargs="+", metavar="N", help="coarsest level: one, or one a layer")
    network.add_argument("--basis", choices=BASES)
    network.add_argument("--node-map", choices=sorted(NODE_MAPS))
    network.add_argument("--activation", choices=("tanh", "relu3", "relu"), help="of a dense network")
    training = p.add_argument_group("training")
    training.add_argument("--schedule", type=int, nargs="+", metavar="STEPS", help="on each level, coarsest first")
    training.add_argument(
        "--optimizer", choices=(*METHODS, *RESIDUAL_METHODS), default="levenberg-marquardt", help="default: %(default)s"
    )
    training.add_argument("--learning-rate", type=float, metavar="ETA", help="adam, gd; default: 0.01")
    training.add_argument("--seed", type=int, default=0, metavar="SEED", help="default: %(default)s")
    p.add_argument("--output", type=path, metavar="DIR", help="where results go; nothing is written without it")
    add_threads_option(p)
    p.add_argument("--quiet", action="store_true", help="no progress")


def run_train(chosen: argparse.Namespace) -> int:
    """Train, print a line for each level, and write the files; progress goes to the standard error stream."""
    with _plain_warnings():
        return _run(chosen)


def _run(chosen: argparse.Namespace) -> int:
    try:
        plan = configuration(chosen)
        _ = plan.setup.exact  # a reference that does not converge ends the command before any training
    except MemoryError as error:
        raise ValueError(out_of_memory(error, SIZES)) from error
    if chosen.output is not None:
        check_folder("--output", chosen.output)
    trained = _train(plan, chosen)
    results = record(plan.setup, trained)
    print(results.table)
    shares, said = effects(plan, trained), [*remarks(plan, results), *outside(plan, trained)]
    if chosen.output is not None:
        said += undrawn(plan)
    if shares:
        print(effects_line(shares))
    for sentence in said:
        say(f"refkan train: remark: {sentence}")
    if chosen.output is not None:
        asked = {k: str(v) if isinstance(v, Path) else v for k, v in vars(chosen).items() if k not in NOT_ASKED}
        last = chosen_level(plan.setup, trained)
        notes: dict[str, Any] = {"asked": asked}
        if plan.setup.values is not None:
            notes["columns"] = [*plan.setup.variables, plan.setup.output]
            notes["medians"] = np.median(np.concatenate([plan.setup.samples, plan.setup.grid]), axis=0).tolist()
        save(chosen.output / "network.npz", last.network, last.result.theta, notes=notes)
        write_atomically(chosen.output / "history.json", to_json(results, asked, remarks=said, effects=shares))
        write_atomically(chosen.output / "figure.png", to_png(plan.setup, trained))
        if plan.setup.values is not None and can_be_drawn(plan.net):
            write_atomically(chosen.output / "network.png", network_png(plan.setup, trained))
    return OK


def _train(plan: Configuration, chosen: argparse.Namespace) -> Any:
    with nullcontext() if chosen.quiet else Progress(plan) as progress:
        return train_starts(
            plan.setup,
            plan.net,
            np.random.default_rng(plan.seed),
            plan.schedule,
            plan.method,
            callback=None if progress is None else progress.step,
            checkpoints=None if chosen.output is None else chosen.output / "levels",
            **plan.options,
        )


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Say what the library warns of once each, without lines of its source: each level and start warns anew."""
    said = set()

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if str(message) not in said:
            said.add(str(message))
            say(f"refkan train: warning: {message}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
