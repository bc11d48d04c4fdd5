"""The figures of a training: losses by step next to the network's values against the given ones, and the network."""

from refkan.networks import Network
from refkan.plots import history, network
from refkan.plots import to_png as png_of
from refkan.training.multilevel import MultistartResult, TrainedNetwork
from refkan.training.recipes.setups.setups import Setup

SHOWN = 2000
"""Points at which a network is compared with the solution, and samples whose activations are shown."""

MOST_EDGES = 500
"""Networks with more edges in a layer are not drawn: their picture would take minutes, and show nothing."""


def to_png(setup: Setup, trained: MultistartResult, kept: TrainedNetwork) -> bytes:
    """Draw losses by step, level after level, with the true error of each, and the network against the solution."""
    from matplotlib.figure import Figure  # drawing is the only part that needs it

    canvas = Figure(figsize=(8, 3.4), layout="constrained")
    losses, values = canvas.subplots(1, 2)
    labels = [
        f"{level.network.n_params} parameters, error {setup.error(level.network, level.result.theta):.1e}"
        for level in trained.course
    ]
    history(trained, losses, labels, factor=2.0)
    losses.set_title(setup.name)
    every = max(1, len(setup.grid) // SHOWN)
    exact, given = setup.exact[::every], "solution" if setup.values is None else "data"
    values.plot(exact, kept.network(kept.result.theta, setup.inputs(setup.grid[::every]))[:, 0], ".", ms=2)
    values.axline((exact.min(), exact.min()), slope=1.0, color="k", ls="--", lw=0.8)
    values.set(xlabel=given, ylabel="network", title=f"values at {exact.size} points")
    return png_of(canvas, dpi=110)


def can_be_drawn(net: Network) -> bool:
    """Whether no layer has more edges than `MOST_EDGES`."""
    return all(layer.n_inputs * layer.n_outputs <= MOST_EDGES for layer in net.layers)


def network_png(setup: Setup, kept: TrainedNetwork) -> bytes:
    """Draw a network of data with the function of each edge, its nodes under the names of the columns."""
    assert setup.samples is not None
    x = setup.inputs(setup.samples)[:SHOWN]
    figure = network(kept.network, kept.result.theta, x, inputs=setup.variables, outputs=[setup.output])
    return png_of(figure, dpi=110)
