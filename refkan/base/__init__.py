"""What every other part of refkan may use: checks of arguments, errors, array types, whole files, resumed work."""

from refkan.base.annotations import (
    ArgumentCheck,
    BelowOne,
    Checked,
    Natural,
    NonNegative,
    Positive,
    Share,
    as_annotated,
    check_annotated,
    one_of,
)
from refkan.base.arguments import (
    all_finite,
    as_array,
    as_columns,
    as_generator,
    as_samples,
    as_shape,
    as_vector,
    check_below_one,
    check_choice,
    check_count,
    check_flag,
    check_function,
    check_positive,
    check_sequence,
    check_share,
    check_target,
    check_tolerance,
    check_type,
    is_sequence,
    nearest,
    numbers,
    real,
    require_finite,
    require_finite_rows,
    require_floats,
)
from refkan.base.array_types import Array, FloatArray, IntArray, RandomSource
from refkan.base.errors import (
    ConvergenceError,
    DegenerateNodeError,
    DiscontinuousLossWarning,
    KnotError,
    NarrowInputWarning,
    OutsideDomainError,
    OutsideDomainWarning,
    located,
)
from refkan.base.lazy import lazy
from refkan.base.short_reprs import Frozen, ShortRepr
