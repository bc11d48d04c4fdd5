"""
A conditioning study
====================

Condition numbers over orders and intervals, medians over seeds. ``refkan spectrum`` does the same from a shell. Points
that float64 cannot resolve are flagged, and hollow in the picture.
"""

import refkan as rk

points = rk.conditioning.grid(["spline", "relu"], [[2, 3, 1]], [2, 3], [2, 4, 8], [0, 1, 2], samples=300)
study = rk.conditioning.study(points)
print(study.table)

figure = rk.plots.conditions(study)
