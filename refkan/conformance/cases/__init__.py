"""Cases: layers, samples and quantities with their exact answers."""

from refkan.conformance.cases.cases import VERSION, Case, Change, Setting, ended, generator
from refkan.conformance.cases.catalogue import FAMILIES, catalogue, family
from refkan.conformance.cases.families import INTERVALS, Frame, spec_with
from refkan.conformance.cases.plans import AFTER, layer_spec, recheck
from refkan.conformance.cases.specs import (
    CONSTANT,
    CONVENTIONS,
    KNOTS,
    PARTS,
    PER_NODE,
    QUANTITIES,
    RULES,
    VECTORS,
    LayerSpec,
    as_specs,
    attribute,
    reweighted,
)
from refkan.conformance.cases.truths.layers_compared import RIGHT_ENDS, fine_knots, matters, prolonged
from refkan.conformance.cases.truths.precision import DTYPES, EPS, LARGEST_ROUNDING, LOW, is_exact, round_to, spacing
from refkan.conformance.cases.truths.quantities import ExactQuantities, FloatQuantities, exact, silu, true_values
from refkan.conformance.cases.truths.tolerances import FORMS, piece_derivatives
