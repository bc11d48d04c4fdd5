r"""Sums over samples of products of local functions, as their formula says, for windows and blocks of any width.

The same arguments and result as the kernels of `gauss_newton`, which are the fast forms of this one. Equal to the
Gauss-Newton matrices of `refkan.truth` where T is made of the cotangents of its outputs.
"""

from __future__ import annotations

from refkan.kernels.compilation import kernel


@kernel
def accumulate(first, last, numbers, left, right, same, start, rows, start_right, rows_right, T, out):
    """out[n, b, start + i, (start' + j) K + l] += sum_s rows[s, p, i] rows'[s, p', j] T[b, s, l].

    p = left[n], p' = right[n] for the pairs of slots n in `numbers`; start (N, P), rows (N, P, r), T (B, N, K),
    out (pairs, B, dim, dim' K). Items are these pairs times blocks. `same` leaves out sums j < i of a slot with itself,
    which are those of (j, i).
    """
    blocks, K = T.shape[0], T.shape[2]
    for item in range(first, last):
        n, b = numbers[item // blocks], item % blocks
        p, p_right = left[n], right[n]
        for s in range(T.shape[1]):
            m, m_right = start[s, p], start_right[s, p_right]
            for i in range(rows.shape[2]):
                for j in range(i if same and p == p_right else 0, rows_right.shape[2]):
                    product = rows[s, p, i] * rows_right[s, p_right, j]
                    for l in range(K):
                        out[n, b, m + i, (m_right + j) * K + l] += product * T[b, s, l]
