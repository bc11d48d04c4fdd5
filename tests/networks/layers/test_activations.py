"""Derivatives of saturating activations: to the last digits where the function has levelled off, against mpmath."""

import mpmath
import numpy as np
import pytest

from refkan.networks import node_maps
from refkan.networks.layers import activations
from refkan.splines.sums.channels import VALUES
from tests.shared.factories import EPS

# Stationary points and inflexions, where terms cancel; tiny arguments; far out, where exp underflows.
Z = np.concatenate(
    [
        np.linspace(-800.0, 800.0, 201),
        np.linspace(-40.0, 40.0, 321) + 1 / 7,
        [-1.2784645427610738, 2.399357280515468, -2.399357280515468, 0.6584789484624084],
        [s * 10.0**k for s in (-1, 1) for k in range(-300, 0, 23)],
        [0.0],
    ]
)
TINIEST = np.finfo(np.float64).tiny  # of the numbers with all their digits


def tanh(z):
    """Derivatives of tanh, and sums of the sizes of their terms."""
    t, s = mpmath.tanh(z), mpmath.sech(z) ** 2
    return [t, s, -2 * t * s, 2 * s * (2 - 3 * s)], [abs(t), s, abs(2 * t * s), 2 * s * (2 + 3 * s)]


def sigmoid(z):
    """Those of the sigmoid."""
    g, h = 1 / (1 + mpmath.exp(-z)), 1 / (1 + mpmath.exp(z))
    d = h - g
    return [g, g * h, g * h * d, g * h * (1 - 6 * g * h)], [g, g * h, abs(g * h * d), g * h * (1 + 6 * g * h)]


def silu(z):
    """Those of z sigmoid(z), by the rule of products."""
    terms, sizes = sigmoid(z)
    rows = [z * terms[0], *(z * terms[k] + k * terms[k - 1] for k in (1, 2, 3))]
    return rows, [abs(z) * sizes[0], *(abs(z) * sizes[k] + k * sizes[k - 1] for k in (1, 2, 3))]


EXACT = {"tanh": tanh, "sigmoid": sigmoid, "silu": silu}

VANISHING = {"tanh": 1, "sigmoid": 1, "silu": 2}
"""The first derivative that is small on both sides."""


@pytest.fixture(scope="module")
def exact():
    """Derivatives and sizes (4, Z) of each function, rounded once."""
    with mpmath.workdps(700):  # so that differences near 1e-300 keep digits
        rows = {name: [function(mpmath.mpf(float(z))) for z in Z] for name, function in EXACT.items()}
    return {
        name: tuple(np.array([[float(x) for x in part[j]] for part in of_all]).T for j in (0, 1))
        for name, of_all in rows.items()
    }


def computed(name, z):
    """Value and three derivatives in turn, by each way to them."""
    if name == "sigmoid":
        domains = np.tile([0.0, 1.0], (z.size, 1))
        node_map = node_maps.SigmoidMap(domains)
        yield activations.sigmoid_derivatives(z, 4)
        jet = node_map.at(z[None, None], VALUES)
        yield np.stack([jet.value[0, 0], jet.slope[0], jet.curvature[0]])
        yield node_map.derivatives(z[None], 4)[:, 0]
    else:
        f = activations.ACTIVATIONS[name]
        yield from (f.derivatives(z, count) for count in (1, 2, 3, 4))


@pytest.mark.parametrize("kind", [np.float64, np.complex128])
@pytest.mark.parametrize("name", sorted(EXACT))
def test_derivatives_keep_their_digits_where_functions_level_off(name, kind, exact):
    truth, sizes = exact[name]
    for rows in computed(name, Z.astype(kind)):
        for k, row in enumerate(rows):
            # A subnormal factor exp(-|z|) has fewer digits; SiLU multiplies it by z, which makes a normal number again.
            normal = sizes[k] >= TINIEST * np.where(name == "silu", np.maximum(np.abs(Z), 1.0), 1.0)
            assert row.dtype == kind
            np.testing.assert_array_less(
                np.abs(row.real - truth[k])[normal], 6 * EPS * sizes[k][normal] + 1e-323, err_msg=f"derivative {k}"
            )
            np.testing.assert_allclose(row.real[~normal], truth[k][~normal], rtol=0.0, atol=800 * 5e-324)


@pytest.mark.parametrize("name", sorted(EXACT))
def test_complex_steps_keep_their_digits_where_functions_level_off(name, exact):
    sizes, step = exact[name][1], 1e-20
    # Where the imaginary part has all its digits; nearer to 0 than the step, the step is not a small one.
    at = np.abs(Z) > 1e-8
    for rows in computed(name, Z + 1j * step):
        for k, row in enumerate(rows[:3]):
            normal = at & (sizes[k + 1] * step >= TINIEST * np.maximum(np.abs(Z), 1.0))
            # Near 0 products of complex numbers cancel where the formula of the derivative does not.
            scale = np.maximum(sizes[k + 1], sizes[VANISHING[name]] if k > 0 else 0.0)
            error = np.abs(row.imag / step - exact[name][0][k + 1])
            np.testing.assert_array_less(error[normal], 8 * EPS * scale[normal], err_msg=f"derivative {k + 1}")


@pytest.mark.parametrize("kind", [np.float64, np.complex128])
@pytest.mark.parametrize("name", sorted(EXACT))
def test_no_derivative_overflows(name, kind):
    far = np.array([-1.7e308, -1e5, 1e5, 1.7e308]).astype(kind)
    for rows in computed(name, far):
        assert np.isfinite(rows).all()
        np.testing.assert_array_equal(rows[2:], np.zeros_like(rows[2:]))
        if len(rows) > 1:
            np.testing.assert_array_equal(rows[1], [0, 0, name == "silu", name == "silu"])
