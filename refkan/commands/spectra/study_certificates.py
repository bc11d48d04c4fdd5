"""What `refkan spectrum --certify` proves: ranks and condition numbers of the points of a study."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from refkan.analysis import exact
from refkan.base import Record
from refkan.base.atomic_files import write_atomically
from refkan.base.json_data import to_bytes
from refkan.commands.certificate_page import Bound


class CertifiedRow(Record, eq=True):
    """One point: its certified numbers, or why there are none.

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
        # Neither a row without certificate nor a number beyond the largest float has decimals.
        low = f"{Bound(row.low):below 15e}" if math.isfinite(row.low) else str(row.low)
        high = f"{Bound(row.high):above 15e}" if math.isfinite(row.high) else str(row.high)
        numbers = f"{row.rank:>4}  {row.nullity:>7}  [{low}, {high}]  {row.by}"
        lines.append(f"{row.point:<{width}}  {row.error or numbers}")
    return "\n".join(lines)
