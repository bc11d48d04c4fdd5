"""The cases as tests of the user's own suite."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from refkan.base.annotations import check_annotated
from refkan.base.extras import needed
from refkan.conformance.adapters.adapter import Adapter
from refkan.conformance.cases.cases import VERSION, Case
from refkan.conformance.cases.catalogue import catalogue
from refkan.conformance.cases.truths.precision import DTYPES
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.expectations import Expectations
from refkan.conformance.judging.judge import Judge
from refkan.conformance.reports.text_and_junit import hint_line, line


def pytest_suite(
    adapter: Adapter | Callable[[], Adapter],
    dtypes: Iterable[str] | None = None,
    select: Iterable[str] = (),
    expected_failures: Path | str | Iterable[str] = (),
    cases: int = VERSION,
) -> Callable[..., None]:
    """Return a test function parametrised by case, to be given a name that pytest collects.

    The cases are judged in the process of the tests: an adapter that ends it ends them, too. `refkan conform` survives.

    Parameters
    ----------
    adapter : Adapter or a class of it
        With a class whose packages are missing, the test is skipped with the reason.
    dtypes : sequence of str, optional
        By default all that the adapter declares.
    select : sequence of str
        Only cases whose key contains all of these.
    expected_failures : path or sequence of str
        Patterns of keys; these cases become xfail, and fail if they pass.
    cases : int
        Version of the cases: with it given, a later refkan judges the same ones.

    Raises
    ------
    ImportError
        If pytest is not installed.

    Examples
    --------
    >>> from refkan.conformance import pytest_suite
    >>> from refkan.conformance.adapters.backends import PlainNumpy
    >>> test_conformance = pytest_suite(PlainNumpy(), ["float64"], ["layer/degree-3/uniform/1x1"])
    >>> [mark.args[0] for mark in test_conformance.pytestmark]
    ['case']
    """
    check_annotated(pytest_suite, locals())
    pytest = needed("pytest_suite", "pytest", "pytest")
    if not isinstance(adapter, Adapter):
        try:
            adapter = adapter()
        except ImportError as error:
            reason = str(error)

            def test_skipped() -> None:
                """Nothing to judge."""

            skipped: Callable[..., None] = pytest.mark.skip(reason=reason)(test_skipped)
            return skipped
    judge = Judge(adapter)
    known = (
        Expectations.read(Path(expected_failures))
        if isinstance(expected_failures, str | Path)
        else Expectations(tuple(expected_failures))
    )
    chosen = [name for name in DTYPES if name in (adapter.capabilities.dtypes if dtypes is None else tuple(dtypes))]
    declared = adapter.capabilities
    judged: list[Any] = list(judge.declaration())
    judged += [case for case in catalogue(chosen, select, cases, declared.frame) if not declared.missing(case.needs())]

    def test_conformance(case: Any) -> None:
        """Judge one case."""
        finding = known.apply(judge(case) if isinstance(case, Case) else case)
        told = "\n".join(filter(None, [line(finding), hint_line(finding)]))
        if finding.status == f.EXPECTED_FAILURE:
            pytest.xfail(told)
        if finding.status in f.UNJUDGED:
            pytest.skip(finding.message)
        if finding.status in f.BAD:
            pytest.fail(told, pytrace=False)

    marked: Callable[..., None] = pytest.mark.parametrize("case", judged, ids=[case.key for case in judged])(
        test_conformance
    )
    return marked
