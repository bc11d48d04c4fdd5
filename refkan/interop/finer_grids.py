r"""Finer grids for the same function everywhere, outside the domain too.

Libraries that extend a grid fit samples, and the function changes. Here knots are inserted by the algorithm of Boehm,
into all intervals of the extended knot vector, those beyond the domain as well: there the basis functions decay, and
splines on finer knots inside the domain alone could not follow them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from refkan.base.annotations import check_annotated
from refkan.base.arguments import check_count
from refkan.base.array_types import FloatArray
from refkan.interop.kan_edges import ConversionError, Edges, assemble, disassemble
from refkan.networks.network import Network


def refined(net: Network, theta: Any, factor: int = 2) -> tuple[Network, FloatArray]:
    """Return the network whose grids have `factor` intervals for each of now, and the parameters: the same function.

    Parameters
    ----------
    net : Network
        Of splines with outside="natural", as `from_pykan` and the like return it.
    theta : array (n_params,)
    factor : int

    Examples
    --------
    >>> import numpy as np
    >>> from refkan.interop import Edges, assemble, refined
    >>> one = np.ones(1)
    >>> edges = Edges(np.arange(-3.0, 9.0)[None], np.arange(8.0)[None, None] ** 2, one[None], one[None], one, 0 * one)
    >>> net, theta = assemble([edges])
    >>> fine, fine_theta = refined(net, theta)
    >>> x = np.linspace(-5.0, 10.0, 301)[:, None]
    >>> net.n_params, fine.n_params, bool(np.abs(fine(fine_theta, x) - net(theta, x)).max() < 1e-13)
    (10, 21, True)
    """
    check_annotated(refined, locals())
    factor = check_count("factor", factor, 1)
    return assemble([_finer(edges, factor, k) for k, edges in enumerate(disassemble(net, theta))])


def _finer(edges: Edges, factor: int, k: int) -> Edges:
    rows, columns = [], []
    for p, knots in enumerate(edges.knots):
        wide = np.flatnonzero(np.diff(knots) > 0)
        new = [knots[m] + (knots[m + 1] - knots[m]) * j / factor for m in wide for j in range(1, factor)]
        t, C = insert(knots, edges.coefficients[:, p], edges.order, np.array(new))
        rows.append(t)
        columns.append(C)
    if len({row.size for row in rows}) > 1:
        raise ConversionError(f"layer {k}: inputs have different numbers of repeated knots, which no grid can hold")
    return replace(edges, knots=np.array(rows), coefficients=np.stack(columns, axis=1))


def insert(knots: FloatArray, C: FloatArray, order: int, new: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Knots with new ones, and the coefficients (Q, dim') of the same sums over all B-splines on them, everywhere.

    Beyond the knots lie others, whose B-splines have coefficients zero before and after.
    """
    d = order - 1
    step = float(knots[-1] - knots[0])
    left, right = knots[0] - step * np.arange(d, 0, -1), knots[-1] + step * np.arange(1, d + 1)
    t = np.concatenate([left, knots, right])
    C = np.pad(C, ((0, 0), (d, d)))
    for u in new:
        m = int(np.searchsorted(t, u, side="right")) - 1
        i = np.arange(m - d + 1, m + 1)
        share = (u - t[i]) / (t[i + d] - t[i])
        between = share * C[:, i] + (1 - share) * C[:, i - 1]
        C = np.concatenate([C[:, : m - d + 1], between, C[:, m:]], axis=1)
        t = np.insert(t, m + 1, u)
    return t[d : t.size - d], C[:, d : C.shape[1] - d]
