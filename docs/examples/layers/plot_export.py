"""
A network as a function in C
============================

A trained network becomes one function in C, for a processor without floating point. The bound of its errors holds for
every input of the box; the steps of 16 bits show in the picture, where a C compiler is there.
"""

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import refkan as rk

x = np.linspace(0.0, 1.0, 60)[:, None]
y = np.sin(7 * x) * x
net, theta = rk.kan([1, 2, 1], order=3, intervals=3).initialize(np.random.default_rng(0), x)
theta = rk.minimize(rk.LeastSquares(net, x, y), theta, method="levenberg-marquardt", steps=40).theta

figure = Figure(figsize=(6.0, 3.8), layout="constrained")
axes = figure.subplots()
t = np.arange(257) / 256  # all numbers of the box that Q8.8 holds
axes.plot(t, net(theta, t[:, None]), "k", lw=1, label="network")
with tempfile.TemporaryDirectory() as folder:
    code = rk.interop.export_c(net, theta, [[0.0, 1.0]], Path(folder) / "model.c", dtype="Q8.8")
    print(f"proven: |code - network| <= {code.bound:.4f}")
    if shutil.which("gcc"):
        subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", f"{folder}/model.so", code.path], check=True)
        model, out = ctypes.CDLL(f"{folder}/model.so").model, (ctypes.c_int16 * 1)()
        values = []
        for k in range(257):
            model((ctypes.c_int16 * 1)(k), out)
            values.append(out[0] / 256)
        off = np.abs(np.array(values) - net(theta, t[:, None])[:, 0]).max()
        print(f"measured: {off:.4f}")
        axes.plot(t, values, drawstyle="steps-mid", lw=1, label="code in Q8.8")
axes.legend(frameon=False)
