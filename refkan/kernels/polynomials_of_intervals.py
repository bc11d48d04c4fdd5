r"""The polynomials that B-splines are on each interval and beyond the ends of the domain, for `polynomial_layer`.

    b_{w+i}(x) = sum_k u^k v^(r-1-k) values[c, k, i]        b_{w+i}'(x) = sum_k u^k v^(r-2-k) slopes[c, k, i]

The polar form of a B-spline at arguments a_1, ..., a_{r-1} follows from Cox-de Boor with a_k in place of x in step k.
In coordinates (a, 1) of a point and (1, 0) of the direction of x it is linear in each; x = v A + u B, where A, B are
the ends of an interval of length h, or an end of the domain and h times the direction, h the length of the interval
next to it: powers of x by itself leave the range of numbers where splines do not. Hence the coefficient of
u^k v^(r-1-k) is binomial(r-1, k) times the polar form at A, r - 1 - k times, and B, k times; the derivative has the
direction for its last argument.
"""

from __future__ import annotations

import numpy as np

from refkan.kernels.compilation import kernel


@kernel
def fill_pieces(first, last, knots, inverse_spans, windows, places, values, slopes):
    """Tables of the pieces of each input, from its knots (P, K), inverse spans (P, r, K) and windows (P, n+2).

    places[p, c] = (t_m, t_{m+1}, 1/h, t_m), the last number the first point of the piece, but (e, -inf, 1/h, e) beyond
    the ends and (t_m, -inf, 1, t_m) where an interval is empty; values (P, n+2, r, r), slopes (P, n+2, r-1, r).
    """
    n, order = windows.shape[1] - 2, values.shape[2]
    v = np.empty(order)
    for p in range(first, last):
        t = knots[p]
        for c in range(n + 2):
            m = windows[p, c]
            start, end = t[m + order - 1], t[m + order]
            length = end - start if end > start else 1.0
            if c == n:
                start = end
            places[p, c, 0], places[p, c, 1] = start, end if c < n and end > start else -np.inf
            places[p, c, 2], places[p, c, 3] = 1.0 / length, start
            for derivative in range(2):
                table = values if derivative == 0 else slopes
                degree = order - 1 - derivative
                factor = 1.0 if derivative == 0 else float(order - 1)
                for k in range(degree + 1):
                    v[0] = factor
                    for step in range(1, order):
                        a, unit = start, 1.0
                        if step > degree:
                            a, unit = 1.0, 0.0
                        elif step > degree - k and c >= n:
                            a, unit = length, 0.0
                        elif step > degree - k:
                            a = end
                        carry = 0.0
                        for i in range(step):
                            q = v[i] * inverse_spans[p, step, m + order - step + i]
                            v[i] = carry + (unit * t[m + order + i] - a) * q
                            carry = (a - unit * t[m + order - step + i]) * q
                        v[step] = carry
                    for i in range(order):
                        table[p, c, k, i] = v[i]
                    factor = factor * (degree - k) / (k + 1)
