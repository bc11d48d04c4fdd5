"""
Your own claim
==============

Statement: cubic splines interpolate a smooth function with an error of order n^-4. A claim file states it with a
criterion, measures it, and brings a mutated twin: the same measurement of a function with a kink, which must fail.
"""

import json
import tempfile
from contextlib import chdir
from pathlib import Path

import refkan as rk
from refkan.cli import main

CLAIM = """
import numpy as np, refkan as rk
from refkan.claims import Row, Verdict, judge

ROWS = (Row(id="I1", source="de Boor, A Practical Guide to Splines, XII",
            claim="interpolation by cubic splines has order 4", measured="largest error, n = 8 to 64",
            criterion="each halving of h divides the error by 16, within 25 %"),)

def errors(f):
    x, found = np.linspace(0, 1, 2001), []
    for n in (8, 16, 32, 64):
        space = rk.SplineSpace.uniform(order=4, intervals=n)
        t = np.concatenate([[0, 0.5 / n], np.arange(1, n) / n, [1 - 0.5 / n, 1]])
        c = np.linalg.solve(rk.bsplines.design_matrix(space, t).toarray(), f(t))
        found.append(float(np.abs(rk.bsplines.evaluate(space, c, x) - f(x)).max()))
    return found

def holds(e):
    return bool(np.all(np.abs(np.divide(e[:-1], e[1:]) / 16 - 1) < 0.25))

def run(quick, progress):
    smooth, kinked = errors(lambda x: np.sin(5 * x)), errors(lambda x: np.abs(x - 0.3))
    return [Verdict("I1", judge(holds(smooth)), ", ".join(f"{e:.1e}" for e in smooth),
                    data={"smooth": smooth, "kinked": kinked}, mutations={"with a kink": judge(holds(kinked))})]
"""

# %%
# The same as ``refkan verify interpolation.py`` in a shell. The record keeps what was measured.
with tempfile.TemporaryDirectory() as folder, chdir(folder):
    Path("interpolation.py").write_text(CLAIM)
    main(["verify", "interpolation.py", "--output", "report"])
    record = json.loads(Path("report/record.json").read_text())
measured = record["rows"][0]["data"]

curves = {name: ([8, 16, 32, 64], errors) for name, errors in measured.items()}
figure = rk.plots.convergence(curves, xlabel="intervals", ylabel="largest error")
