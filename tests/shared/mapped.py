"""Node maps applied to activations (N, Q): values and slopes, as arrays of that shape."""

from refkan.splines.sums.channels import VALUES


def mapped(node_map, y, constants=None):
    """Values of a node map at activations y (N, Q); `constants` of a map that takes statistics."""
    return node_map.at(y[:, None], VALUES, constants).value[:, 0]


def slopes(node_map, y):
    """Derivatives of a node map without statistics at activations y (N, Q)."""
    return node_map.at(y[:, None], VALUES).slope
