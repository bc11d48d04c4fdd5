"""The published problems by name, and their training level by level."""

from collections.abc import Callable, Sequence
from functools import partial
from os import PathLike

from refkan.training.multilevel.levels import Level
from refkan.training.multilevel.staged_results import StagedResult
from refkan.training.optimizers import State
from validation.equations.recipes.ordinary_setups import ORDINARY, ordinary_setup
from validation.equations.recipes.poisson_setup import poisson_setup
from validation.equations.recipes.setups import Setup
from validation.equations.recipes.space_time_setups import allen_cahn_setup, burgers_setup
from validation.equations.recipes.starts import train_starts

PROBLEMS: dict[str, Callable[[], Setup]] = {
    "poisson": poisson_setup,
    "burgers": burgers_setup,
    "allen-cahn": allen_cahn_setup,
}
PROBLEMS |= {name: partial(ordinary_setup, name) for name in ORDINARY}

STEPS, QUICK_STEPS = 30, 3
"""Steps of Levenberg-Marquardt on each level, and those of a quick run."""


def trained(
    setup: Setup,
    schedule: Sequence[int] | None = None,
    quick: bool = False,
    seed: int = 0,
    checkpoint: str | PathLike[str] | None = None,
    show: Callable[[str], None] | None = None,
) -> StagedResult:
    """Train the network of a set-up from its coarsest level to its finest by Levenberg-Marquardt.

    A quick run has the first two levels, a few steps on each.
    """
    levels = len(setup.shape.intervals)
    if schedule is None:
        schedule = [QUICK_STEPS] * 2 if quick else [STEPS] * levels

    def show_step(level: Level, state: State) -> None:
        if show is not None:
            show(f"level {level.index + 1}: step {state.step} of {state.steps}, loss {2 * state.value:.3g}")

    return train_starts(setup, setup.kan(), seed, schedule, callback=show_step, checkpoint=checkpoint)


def table(setup: Setup, result: StagedResult) -> str:
    """Return a line for each level: its parameters, steps, processor time, loss and true error."""
    lines = [
        f"{setup.name}: {setup.equation}",
        f"{'parameters':>10}  {'steps':>6}  {'seconds':>8}  {'loss':>9}  {'rel. error':>10}",
    ]
    for level in result.course:
        run = level.result
        error = setup.error(level.network, run.theta)
        lines.append(
            f"{level.network.n_params:>10}  {run.history.value.size - 1:>6}  {run.history.seconds[-1]:>8.1f}  "
            f"{2 * run.value:>9.2e}  {error:>10.2e}"
        )
    return "\n".join(lines)
