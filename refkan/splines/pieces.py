"""Tables of the polynomials that B-splines are on each interval and beyond the ends of the domain."""

from refkan.base import FloatArray, Frozen, IntArray
from refkan.kernels import polynomial_layer
from refkan.kernels.launch import launch


class Pieces(Frozen):
    """Tables of `kernels.polynomial_layer`, with those of the search for an interval, see `KnotTables.search`.

    Attributes
    ----------
    places, values, slopes : arrays
        Flat (P, n+2, 4), (P, n+2, r, r), (P, n+2, r-1, r).
    windows : array (P, n+2)
        Number of the first of the r B-splines on a piece.
    cells : array (4, pairs)
        For each pair of a block: both ends of the domain, cells per unit of x, and the allowance for rounding.
    origins : array (pairs,)
        Number of the first piece of its input.
    guide, halvings
        Equal intervals are the cells themselves; then the guide is empty and halvings -1.
    """

    places: FloatArray
    values: FloatArray
    slopes: FloatArray
    windows: IntArray
    cells: FloatArray
    origins: IntArray
    guide: IntArray
    halvings: int

    @property
    def search(self) -> tuple[FloatArray, IntArray, IntArray, int]:
        """The arguments of kernels that find pieces."""
        return self.cells, self.origins, self.guide, self.halvings

    def fill_basis(self, x: FloatArray, linear: bool, start: IntArray, rows: FloatArray) -> None:
        """Write the first B-splines at x (N, P), and values and, for rows of two, slopes (D, N, P, r).

        Outside the domain of the pieces either tangents or the polynomials of the intervals next to it.
        """
        depth, (n_samples, n_inputs), order = rows.shape[0], x.shape, rows.shape[3]
        rule = polynomial_layer.LINEAR if linear else polynomial_layer.POLYNOMIAL
        n_blocks = -(-n_samples * n_inputs // self.cells.shape[1])
        if order == 1:
            rows[1:] = 0.0
        launch(
            polynomial_layer.local_basis, n_blocks, (depth + 1) * order**2 * x.size,
            x, *self.search, self.places, self.values, self.slopes, self.windows, rule,
            (0,) * order, (0,) * depth, start, rows,
        )  # fmt: skip
