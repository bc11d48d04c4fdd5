"""Studies as JSON."""

from __future__ import annotations

import json
import math
from typing import Any

from refkan.analysis.conditioning.studies.study_rows import Study
from refkan.base.annotations import check_annotated


def to_json(study: Study) -> bytes:
    """Return the rows as a JSON list, in which null stands for numbers that JSON does not have (nan, infinity).

    Examples
    --------
    >>> import json, refkan as rk
    >>> study = rk.conditioning.study(rk.conditioning.grid(["spline"], [[1, 1]], [2], [4], samples=50))
    >>> (row,) = json.loads(rk.conditioning.to_json(study))
    >>> row["kind"], row["rank"]
    ('spline', 5)
    """
    check_annotated(to_json, locals())
    rows = [{name: plain(value) for name, value in row.as_dict().items()} for row in study.rows]
    return (json.dumps(rows, indent=1, allow_nan=False) + "\n").encode("ascii")


def plain(value: Any) -> Any:
    """A value as JSON has it: null for nan and infinity, lists for tuples."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return list(value) if isinstance(value, tuple) else value
