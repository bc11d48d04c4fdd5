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
            for d in range(out.shape[0]):
                for i in range(dim):
                    power = relu_power(x[s, p], knots[p, i], order - 1, d, a, b, outside)
                    out[d, s, p, i] = factor * power


@kernel
def relu_knot_rows(first, last, x, knots, order, inverse_scale, outside, out):
    """out[s, p, j]: derivative of ((x - t_j)_+ / h)^(r-1) with respect to breakpoint t_{j+1}, h held fixed.

    Inside and for polynomial tails it is minus the x-derivative; the tangent at the end b,
    psi(b) + (x - b) psi'(b), moves with -psi'(b) - (x - b) psi''(b). x (N, P), out (N, P, n-1).
    """
    n_inputs = x.shape[1]
    dim = knots.shape[1] - order
    for s in range(first, last):
        for p in range(n_inputs):
            factor = falling_power(inverse_scale[p], order - 1, 0)
            a, b = knots[p, order - 1], knots[p, dim]
            at = x[s, p]
            if outside == LINEAR and at.real < a.real:
                at = a
            if outside == LINEAR and at.real > b.real:
                at = b
            for j in range(out.shape[2]):
                t = knots[p, order + j]
                slope = relu_power(at, t, order - 1, 1, a, b, outside)
                if outside == LINEAR:
                    slope += (x[s, p] - at) * relu_power(at, t, order - 1, 2, a, b, outside)
                out[s, p, j] = -factor * slope
