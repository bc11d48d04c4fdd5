r"""ReLU powers ((x - t_i)_+ / h)^(r-1), their derivatives, and their derivatives with respect to knots."""

from __future__ import annotations

from refkan.kernels.compilation import kernel

LINEAR, POLYNOMIAL = 0, 1


@kernel
def falling_power(y, degree, derivative):
    """Derivative of y^degree: degree (degree-1) ... (degree-derivative+1) y^(degree-derivative)."""
    value = y * 0.0 + 1.0
    if derivative > degree:
        return value * 0.0
    for d in range(derivative):
        value *= degree - d
    for _ in range(degree - derivative):
        value *= y
    return value


@kernel
def relu_power(x, t, degree, derivative, a, b, outside):
    """Derivative in x of (x - t)_+^degree, by the policy outside [a, b]; degree 0 is the step x >= t."""
    at = x
    if outside in (LINEAR, POLYNOMIAL):
        if x.real < a.real:
            at = a
        if x.real > b.real:
            at = b
    if at.real < t.real:
        return (t - at) * 0.0  # +0, not -0
    if outside != LINEAR or at == x:
        return falling_power(x - t, degree, derivative)
    if derivative == 0:
        return falling_power(at - t, degree, 0) + (x - at) * falling_power(at - t, degree, 1)
    if derivative == 1:
        return falling_power(at - t, degree, 1)
    return (x - t) * 0.0


@kernel
def fill_powers(x, at, knots, p, scale, exponent, out, d, s):
    """out[d, s, p, i] = scale (x - t_i)^exponent where at >= t_i, else 0; knots (P, K), row p.

    The exponents of low orders are written out: only loops without an inner loop of unknown length are vectorised.
    """
    dim = out.shape[3]
    zero = (x - x) * 0.0
    if exponent == 1:
        for i in range(dim):
            y = x - knots[p, i] if at.real >= knots[p, i].real else zero
            out[d, s, p, i] = scale * y
    elif exponent == 2:
        for i in range(dim):
            y = x - knots[p, i] if at.real >= knots[p, i].real else zero
            out[d, s, p, i] = scale * (y * y)
    elif exponent == 3:
        for i in range(dim):
            y = x - knots[p, i] if at.real >= knots[p, i].real else zero
            out[d, s, p, i] = scale * (y * y * y)
    else:
        for i in range(dim):
            value = scale * falling_power(x - knots[p, i], exponent, 0)
            out[d, s, p, i] = value if at.real >= knots[p, i].real else zero


@kernel
def relu_rows(first, last, x, knots, order, inverse_scale, outside, out):
    """out[d, s, p, i]: derivative d in x of ((x - t_i)_+ / h)^(r-1) at x[s, p]; inverse_scale[p] = 1/h.

    x (N, P), knots (P, K), out (D+1, N, P, dim).
    """
    n_inputs = x.shape[1]
    dim = out.shape[3]
    for s in range(first, last):
        for p in range(n_inputs):
            factor = falling_power(inverse_scale[p], order - 1, 0)
            a, b = knots[p, order - 1], knots[p, dim]
            at = x[s, p]
            if outside in (LINEAR, POLYNOMIAL):
                if at.real < a.real:
                    at = a
                if at.real > b.real:
                    at = b
            on_tangent = outside == LINEAR and at != x[s, p]
            for d in range(out.shape[0]):
                if on_tangent or d >= order:
                    for i in range(dim):
                        power = relu_power(x[s, p], knots[p, i], order - 1, d, a, b, outside)
                        out[d, s, p, i] = factor * power
                else:
                    scale = factor * falling_power(1.0, order - 1, d)
                    fill_powers(x[s, p], at, knots, p, scale, order - 1 - d, out, d, s)
