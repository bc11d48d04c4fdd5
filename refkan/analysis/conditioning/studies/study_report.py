"""Studies as JSON."""

from __future__ import annotations

from refkan.analysis.conditioning.studies.study_rows import Study
from refkan.base.annotations import check_annotated
from refkan.base.json_data import to_bytes


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
    return to_bytes([row.as_dict() for row in study.rows])
