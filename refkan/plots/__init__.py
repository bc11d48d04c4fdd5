"""Pictures of networks, histories, spectra, knots, residuals and refinements, each a matplotlib Figure.

Every function takes `axes=` to draw into axes that exist, and otherwise makes a figure of its own; none shows or writes
anything. Matplotlib is imported by the first call. `to_png` makes bytes of a figure.
"""

from refkan.plots.eigenvalues import conditions, spectrum
from refkan.plots.histories import convergence, history, residuals
from refkan.plots.network_edges import knots, network, refinement
from refkan.plots.style import to_png

__all__ = [
    "conditions",
    "convergence",
    "history",
    "knots",
    "network",
    "refinement",
    "residuals",
    "spectrum",
    "to_png",
]
