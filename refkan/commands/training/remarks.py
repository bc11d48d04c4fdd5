"""What `refkan train` remarks on a training that ran: a level that made it worse, too many parameters, what matters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from refkan.commands.training.configuration import Configuration
from refkan.plots.training_pictures import MOST_EDGES, can_be_drawn
from refkan.training.multilevel import MultistartResult
from refkan.training.recipes import input_effects
from refkan.training.recipes.records import Record, chosen_level, shown


def remarks(asked: Configuration, results: Record) -> Iterator[str]:
    """Yield sentences on what a table of levels does not say: that its last line is not the best, or means nothing."""
    levels = results.levels
    best = min(range(len(levels)), key=lambda k: shown(levels[k]["error"]))
    last = levels[-1]
    if shown(last["error"]) > shown(levels[best]["error"]):
        steps = " ".join(map(str, asked.schedule[: best + 1]))
        remedy = f"; --schedule {steps} stops there"
        if best == 0 and asked.starts > 1:  # another start would go on: which one does is decided after a refinement
            remedy = ""
        of_data = asked.setup.values is not None
        kept = f"; level {best + 1} is kept, by its error on the rows kept back" if of_data else ""
        yield (
            f"the error rose: level {len(levels)} ({last['parameters']} parameters) ends with {last['error']:.2e}, "
            f"level {best + 1} ({levels[best]['parameters']}) with {levels[best]['error']:.2e}{kept}{remedy}"
        )
    if asked.setup.samples is not None and last["parameters"] > len(asked.setup.samples):
        how = "smaller --widths, --intervals or a shorter --schedule" if asked.net.basis else "smaller --widths"
        yield (
            f"more parameters ({last['parameters']}) than rows to train on ({len(asked.setup.samples)}): a small loss "
            f"says nothing then, the error does; {how} make fewer"
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
