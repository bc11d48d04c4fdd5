"""Layers that identification asks with are made once for all tests: they are the same for each that is asked."""

import pytest

from refkan.conformance.identification import subject


@pytest.fixture(scope="package", autouse=True)
def layers_made_once():
    right, made = subject.layer_spec, {}

    def layer_spec(dtype, degree, kind, shape, rng, **more):
        key = dtype, degree, kind, shape, str(rng.bit_generator.state), *more.values()
        if key not in made:
            made[key] = right(dtype, degree, kind, shape, rng, **more)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subject, "layer_spec", layer_spec)
        yield
