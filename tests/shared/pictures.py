"""Pictures of tests that are not about what pictures look like."""

import pytest
from matplotlib.figure import Figure as MatplotlibFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from refkan.claims import Figure

NO_PICTURE = Figure("not-drawn", "", b"\x89PNG")
"""A picture in place of those that a test is not about."""


@pytest.fixture(scope="package", autouse=True)
def unrendered():
    """Figures are built and not rendered: rendering is matplotlib's, takes seconds, and nothing looks at it here.

    Used by all tests of a folder whose `conftest` imports this. Pictures are rendered by tests/plots,
    tests/claims, by commands that run in processes of their own, and by the validation.
    """

    def signature_alone(figure, file, **options):
        file.write(NO_PICTURE.png)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ConstrainedLayoutEngine, "execute", lambda engine, figure: None)
        patch.setattr(MatplotlibFigure, "savefig", signature_alone)
        yield
