"""An implementation of spline networks that shares nothing with `refkan`: exact numbers and textbook formulas.

It reads a network's public fields (knots, order, rule outside, coefficients, constants of node maps), and nothing else
of the library. `polynomials` and `bases` hold the functions on edges as exact pieces, `jets` has the types of numbers
(Fractions and mpmath; for boxes those of flint, which are quicker) and differentiates, `networks` evaluates,
`one_input` writes a network of one input as a piecewise polynomial, `matrices` holds linear algebra, `draws` the random
and adversarial cases.
"""
