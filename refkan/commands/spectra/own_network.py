"""`refkan spectrum`: the spectrum of a network in a file on samples in a file, and certificates of spectra."""

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from check_certificate import Bound
from refkan.analysis import exact
from refkan.analysis.conditioning import Spectrum, spectrum
from refkan.analysis.conditioning.studies.study_rows import measured
from refkan.base import FloatArray, Frozen, check_choice
from refkan.base.atomic_files import write_atomically
from refkan.base.json_data import to_bytes
from refkan.base.long_runs.exit_codes import say
from refkan.commands.csv_tables import to_csv
from refkan.commands.input_files import read_network, read_samples
from refkan.networks import Network
from refkan.networks.layers.layer import BASES
from refkan.plots import spectrum as draw
from refkan.plots import to_png
from refkan.training.losses import LeastSquares


class CertifiedRow(Frozen, eq=True):
    """The certified numbers of a point, or the error that prevented them.

    Attributes
    ----------
    point : str
    rank, nullity : int
    low, high : float
        The condition number lies between them.
    by, bits : str and int
        As in `CertifiedSpectrum`.
    seconds : float
    error : str
        Empty if all went well.
    """

    point: str
    rank: int = -1
    nullity: int = -1
    low: float = math.nan
    high: float = math.nan
    by: str = ""
    bits: int = 0
    seconds: float = 0.0
    error: str = ""


def certified(
    point: str,
    pose: Callable[[], tuple[Any, Any]],
    progress: Callable[[str], None],
    basis: str | None,
    which: str,
) -> CertifiedRow:
    """Certify one point, the problem and the parameters that `pose` returns.

    An error becomes part of the row and does not stop the others.
    """
    began = time.perf_counter()
    try:
        problem, theta = pose()
        certificate = exact.certified_spectrum(problem, theta, basis, which=which)
        low, high = certificate.condition.floats()
    except (ValueError, RuntimeError, MemoryError) as error:
        progress(f"{point}: no certificate")
        return CertifiedRow(point, error=f"{type(error).__name__}: {error}")
    progress(f"{point}: certified")
    seconds = time.perf_counter() - began
    return CertifiedRow(
        point, certificate.rank, certificate.nullity, low, high, certificate.rank_by, certificate.bits, seconds
    )


LEGEND = """\
rank, nullity  exact, of the floats as they are: float64 takes eigenvalues below its own rounding for zeros
condition in   largest by smallest magnitude of the eigenvalues that are not zero
by             exact: the null space is proven over the rationals; theory: it is known from the structure, and proven
               to be no larger"""


def report(rows: list[CertifiedRow], folder: Path | None) -> bool:
    """Print the rows and what their columns mean, and write them into a folder; False if one is an error."""
    print(f"\n{certificate_table(rows)}\n\n{LEGEND}")
    if folder is not None:
        write_atomically(folder / "certificates.json", to_bytes([asdict(row) for row in rows]))
    return not any(row.error for row in rows)


def certificate_table(rows: list[CertifiedRow]) -> str:
    """The rows as lines of text."""
    width = max([len("certified"), *(len(row.point) for row in rows)])
    lines = [f"{'certified':<{width}}  rank  nullity  condition in                                 by"]
    for row in rows:
        bounds = f"[{_decimals(row.low, 'below')}, {_decimals(row.high, 'above')}]"
        numbers = f"{row.rank:>4}  {row.nullity:>7}  {bounds}  {row.by}"
        lines.append(f"{row.point:<{width}}  {row.error or numbers}")
    return "\n".join(lines)


def _decimals(bound: float, side: str) -> str:
    """Write a bound rounded to one side; a bound beyond the largest float, or of no certificate, has no decimals."""
    if not math.isfinite(bound):
        return str(bound)
    return f"{Bound(bound):{side} 15e}"


class Timed(NamedTuple):
    """A spectrum in a basis, and the seconds that it took."""

    basis: str | None
    spectrum: Spectrum
    seconds: float


def problem_in_files(chosen: argparse.Namespace) -> tuple[Network, LeastSquares, FloatArray]:
    """The network of the files that were given, its least-squares problem, and the parameters.

    Raises
    ------
    ValueError, ImportError
        If a file cannot be used; the message names the option.
    """
    if chosen.data is None:
        raise ValueError("--network needs --data FILE.csv, the samples: columns inputs, then outputs")
    net, theta, _ = read_network("--network", chosen.network)
    P = net.widths[0]
    rows = read_samples("--data", chosen.data, {P + net.widths[-1]: "the inputs and then the outputs"})
    weights = None
    if chosen.weights is not None:
        weights = _weights(chosen.weights, len(rows))
    return net, LeastSquares(net, rows[:, :P], rows[:, P:], weights), theta


def _weights(file: Path, count: int) -> FloatArray:
    """Return the weights (N,) in a file, one for each sample."""
    weights = read_samples("--weights", file, {1: "one weight for each sample"})[:, 0]
    if len(weights) != count:
        raise ValueError(f"--weights: {file} must have a row for each of the {count} samples; got {len(weights)}")
    if (weights < 0).any():
        raise ValueError(f"--weights: {file} must hold no negative weight; got {weights.min():g}")
    return weights


def show(net: Network, problem: LeastSquares, theta: FloatArray, chosen: argparse.Namespace) -> bool:
    """Print the spectrum in each requested basis, with --certify also certificates; False if one failed.

    Raises
    ------
    ValueError
        If a layer has no such basis, or the Jacobian is not finite.
    OSError
        If a file cannot be written.
    """
    spectra = []
    for basis in chosen.bases or [net.basis]:
        began = time.perf_counter()
        result = spectrum(problem, theta, which=chosen.which, basis=basis)
        spectra.append(Timed(basis, result, time.perf_counter() - began))
    print(net)
    for each in spectra:
        print(f"\n{each.spectrum.table}")
    if chosen.output is not None:
        write_atomically(chosen.output / "spectrum.json", _json(spectra))
        write_atomically(chosen.output / "spectrum.csv", _csv(spectra))
        write_atomically(chosen.output / "spectrum.png", _figure(spectra))
    if not chosen.certify:
        return True
    certificates = [
        certified(each.basis or "own parameters", lambda: (problem, theta), say, each.basis, chosen.which)
        for each in spectra
    ]
    return report(certificates, chosen.output)


def _json(spectra: list[Timed]) -> bytes:
    rows: list[dict[str, Any]] = []
    for basis, result, seconds in spectra:
        row = {"basis": basis, "which": result.which, **measured(result)}
        rows.append(row | {"values": result.values, "seconds": seconds})
    return to_bytes(rows)


def _csv(spectra: list[Timed]) -> bytes:
    """A line for each eigenvalue: whether it belongs to the numerical range, and its value."""
    rows = [
        (basis, result.which, k + 1, k < result.n_range, value)
        for basis, result, _ in spectra
        for k, value in enumerate(result.values.tolist())
    ]
    return to_csv(("basis", "which", "number", "in_range", "eigenvalue"), rows)


def _figure(spectra: list[Timed]) -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0 * len(spectra), 3.8), layout="constrained")
    places = figure.subplots(1, len(spectra), squeeze=False)[0]
    for each, axes in zip(spectra, places, strict=True):
        draw(each.spectrum, axes)
        if each.basis is not None:
            axes.set_title(f"{each.basis}: {axes.get_title()}", fontsize=9)
    return to_png(figure)


def only_with_networks(chosen: argparse.Namespace, studied: dict[str, Any]) -> None:
    """Refuse options that belong to the other form of the command, and fill in the defaults of a study.

    Raises
    ------
    ValueError
        The message names the option.
    """
    other = ["data", "weights"]
    if chosen.network is not None:
        other = [name for name in (*studied, "workers", "dask") if name != "bases"]
    given = [name for name in other if getattr(chosen, name) not in (None, False)]
    if given:
        option = f"--{given[0].replace('_', '-')}"
        if chosen.network is None:
            raise ValueError(f"{option} belongs to a network in a file; give --network FILE.npz with it")
        raise ValueError(f"{option} describes the networks of a study; leave it out with --network, which has its own")
    if chosen.network is not None:
        for basis in chosen.bases or ():
            check_choice("--bases with --network", basis, BASES)
        return
    for name in studied:
        if getattr(chosen, name) is None:
            setattr(chosen, name, studied[name])
