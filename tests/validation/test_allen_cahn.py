"""Q3, Q4: the claims about the Allen-Cahn equation under readings, on made-up runs; its terms, points and spectra."""

import json

import numpy as np
import pytest

from tests.shared.pictures import NO_PICTURE
from validation.equations.allen_cahn import allen_cahn_cells, allen_cahn_claims, allen_cahn_observed


def found(spline=0.5, ours=0.5, relu=0.9, dense=0.9, widths=None, readings=allen_cahn_claims.LIST, seeds=range(3)):
    claim = allen_cahn_claims
    errors = dict(zip(claim.UNDECAYED, (spline, relu, dense, ours), strict=True))
    bands = dict.fromkeys(errors, (2.0, 2.0)) | {claim.UNDECAYED[k]: band for k, band in (widths or {}).items()}
    made = {}
    for reading in readings:
        for curve, error in errors.items():
            for cell in claim.cells_of(seeds, reading, [curve], **claim.PAPER):
                scale = 1 + 0.01 * cell.seed
                band = [width * scale for width in bands[curve]]
                record = {"errors": [error * scale] * 2, "error": error * scale, "loss": 1.0, "parameters": [10, 20]}
                record |= {"bandwidths": band, "bandwidth": band[-1]}
                made[cell] = record | {"residual": np.ones((4, 33, 256)), "solution": np.zeros((4, 33, 256))}
    return made


def test_the_equation_of_a_cell():
    grid = allen_cahn_cells.GRID
    random, lattice = (
        allen_cahn_cells.setup_of(grid.cell(0, points="900", layout=kind)) for kind in ("random", "grid")
    )
    assert random.terms[0].n_points == lattice.terms[0].n_points == 900
    x = lattice.terms[0].sides[0].points
    assert np.unique(x[:, 0]).size == np.unique(x[:, 1]).size == 30
    assert np.unique(random.terms[0].sides[0].points[:, 0]).size == 900
    names = [term.name for term in allen_cahn_cells.setup_of(grid.cell(0, points="900", periodic="without")).terms]
    assert names == ["equation", "initial"]
    rates = {rate: options_of(rate=rate)["schedule"] for rate in ("1e-2", "1e-3")}
    assert (rates["1e-2"](0), rates["1e-2"](10), rates["1e-3"]) == (1e-4, 1e-2, 1e-3)


def options_of(**choice):
    cell = allen_cahn_cells.GRID.cell(0, points="900", **choice)
    return allen_cahn_cells.model_of(cell, allen_cahn_cells.setup_of(cell)).options


def test_half_of_the_energy():
    x = allen_cahn_observed.X
    wave = np.cos(np.pi * 7 * x)[None, :] * np.ones((33, 1))
    energy = allen_cahn_observed.spectrum(wave)
    assert np.argmax(energy) == 7
    assert energy[7] == pytest.approx(energy.sum())
    assert allen_cahn_observed.half_energy(energy) == pytest.approx(7.5)
    assert allen_cahn_observed.half_energy([1.0, 1.0, 2.0, 0.0]) == 2.0
    # Parseval: the energies add up to the mean square.
    noise = np.random.default_rng(0).standard_normal((33, 256))
    assert allen_cahn_observed.spectrum(noise).sum() / 256**2 == pytest.approx(np.mean(noise**2))


def test_observations_are_on_the_grid_of_times_and_places():
    setup = allen_cahn_cells.setup_of(allen_cahn_cells.GRID.cell(0, points="300"))
    problem, theta = setup.start(setup.kan(widths=[2, 1]), np.random.default_rng(0))
    seen = allen_cahn_observed.observed(problem, theta)
    x, t = allen_cahn_observed.X[3], allen_cahn_observed.T[5]
    assert seen["solution"][5, 3] == pytest.approx(float(problem.net(theta, [[x, t]])[0, 0]), rel=1e-12)
    jet = problem.net.jet(theta, [[x, t]], np.eye(2), orders=(2, 1))
    u, u_t, u_xx = jet.value[0, 0], jet.first[0, 1, 0], jet.second[0, 0, 0]
    assert seen["residual"][5, 3] == pytest.approx(u_t - 1e-4 * u_xx - 5 * (u - u**3), rel=1e-10)


def test_verdicts_can_be_stored_and_have_every_seed(monkeypatch):
    for drawn in ("solutions", "residuals"):
        monkeypatch.setattr(allen_cahn_claims, drawn, lambda *arguments: NO_PICTURE)
    verdict, _ = allen_cahn_claims.verdicts(found())
    json.dumps(verdict.readings, allow_nan=False)
    assert verdict.data == {"seeds": [0, 1, 2]}
    assert {tuple(cell["seeds"]) for cell in verdict.readings[0]["cells"]} == {(0, 1, 2)}
