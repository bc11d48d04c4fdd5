"""What a training leaves: a table of its levels, and its whole history as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from refkan.base.json_data import to_bytes
from refkan.base.short_reprs import ShortRepr
from refkan.kernels.engine_choice import current_engine
from refkan.training.multilevel.levels import on_network
from refkan.training.multilevel.multistart import MultistartResult
from refkan.training.multilevel.trainings import TrainedNetwork
from refkan.training.recipes.setups.setups import Setup


@dataclass(frozen=True)
class Record(ShortRepr):
    """Numbers of a training, as plain data.

    Attributes
    ----------
    problem, equation : str
    chosen : int
        The start that went on.
    values : list of float
        Of all starts when it was chosen.
    levels : list of dict
        For each level: parameters, steps, evaluations, seconds, loss, error, mean squares of each term, message,
        resumed, and the history as columns.
    """

    problem: str
    equation: str
    chosen: int
    values: list[float]
    levels: list[dict[str, Any]]

    @property
    def table(self) -> str:
        """One line a level; of several starts, the number of the one that went on."""
        head = f"{'parameters':>10}  {'steps':>6}  {'seconds':>8}  {'loss':>9}  {'rel. error':>10}"
        lines = [
            f"{level['parameters']:>10}  {level['steps']:>6}  {level['seconds']:>8.1f}  {level['loss']:>9.2e}  "
            f"{level['error']:>10.2e}" + ("  (kept)" if level["resumed"] else "")
            for level in self.levels
        ]
        starts = f"start {self.chosen} of {len(self.values)}, " if len(self.values) > 1 else ""
        return "\n".join([f"{starts}{self.problem}: {self.equation}", head, *lines])


def record(setup: Setup, trained: MultistartResult) -> Record:
    """Evaluate each level on the points of the set-up: loss, mean squares of terms, and true error."""
    levels = []
    for level in trained.course:
        result, history = level.result, level.result.history
        problem = on_network(trained.problem, level.network)
        theta = result.theta
        squares = {"values": problem.mse(theta)} if setup.samples is not None else problem.mean_squares(theta)
        columns = {
            name: column.tolist()
            for name in ("value", "gradient_norm", "seconds", "evaluations", "damping", "step_length")
            if (column := getattr(history, name)) is not None
        }
        levels.append(
            {
                "parameters": level.network.n_params,
                "network": repr(level.network),
                "steps": history.value.size - 1,
                "evaluations": result.n_evaluations,
                "seconds": float(history.seconds[-1]),
                "loss": 2.0 * float(problem.value(theta)),
                "error": setup.error(level.network, theta),
                "mean squares": squares,
                "message": result.message,
                "resumed": level.resumed,
                "history": columns,
            }
        )
    return Record(setup.name, setup.equation, trained.chosen, trained.values.tolist(), levels)


def kept_level(setup: Setup, errors: Sequence[float]) -> int:
    """Which of the levels with these errors is kept: of data the one with the least error on samples kept back.

    Of problems with a known solution the last one is kept, as choosing by that solution would be of no use where none
    is known. Errors that look equal in a table are equal; the finer level is kept then.
    """
    if setup.values is None:
        return len(errors) - 1
    return min(range(len(errors)), key=lambda k: (shown(errors[k]), -k))


def chosen_level(setup: Setup, trained: MultistartResult) -> TrainedNetwork:
    """The level that is kept, see `kept_level`."""
    errors = [setup.error(level.network, level.result.theta) for level in trained.course]
    return trained.course[kept_level(setup, errors)]


def shown(error: float) -> float:
    """An error as it is printed: what looks equal is; what is no number is worst."""
    return float(f"{error:.2e}") if error == error else float("inf")


def to_json(results: Record, asked: Mapping[str, Any], **more: Any) -> bytes:
    """The record with what was asked for, the engine in use and `more`, as JSON; NaN and infinity become null."""
    return to_bytes({"asked": asked, "engine": current_engine(), **vars(results), **more})
