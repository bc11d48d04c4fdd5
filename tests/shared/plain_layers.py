"""The public layers without knots, of three inputs and two outputs: all laws of layers hold for each."""

import refkan as rk

PLAIN_LAYERS = tuple(
    rk.DenseLayer(3, 2, activation, bias)
    for activation in ("relu", "relu3", "tanh", "silu", "identity")
    for bias in (True, False)
)
PLAIN_LAYERS += tuple(
    rk.ChebyshevLayer(((0.0, 1.0), (-2.0, 2.0), (5.0, 5.6)), 2, degree, outside)
    for outside in ("linear", "polynomial", "error")
    for degree in (1, 2, 5)
)
