"""The cases as tests of the user's own suite."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from refkan.base import Frozen, check_annotated, check_choice
from refkan.base.extras import needed
from refkan.conformance.adapters.adapter import Adapter
from refkan.conformance.cases import DTYPES, VERSION, Case, catalogue
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.findings import Expectations, Finding
from refkan.conformance.judging.judge import Judge
from refkan.conformance.reports.findings_reported import hint_line, line

ARGUMENT = "refkan_case"
"""The argument of tests that are given the cases: a function without arguments."""


class PendingCase(Frozen):
    """A case to be judged in a test, or a finding that is known beforehand."""

    judge: Judge
    case: Case | Finding

    def __call__(self) -> Finding:
        """Judge the case: the test fails with what was found, or is skipped with the reason, or goes on."""
        import pytest

        finding = self.judge(self.case) if isinstance(self.case, Case) else self.case
        if finding.status in f.UNJUDGED:
            pytest.skip(finding.message)
        if finding.status in f.BAD:
            pytest.fail("\n".join(filter(None, [line(finding), hint_line(finding)])), pytrace=False)
        return finding


def parametrize_with_cases(
    adapter: Adapter | Callable[[], Adapter],
    dtypes: Iterable[str] | None = None,
    select: Iterable[str] = (),
    expected_failures: Path | str | Mapping[str, str] | Sequence[str] = (),
    cases: int = VERSION,
) -> Any:
    """Return a decorator of tests that take `refkan_case`: one test for each case, which `refkan_case()` judges.

    Cases are judged in the process of the tests: an adapter that ends it ends them, too. `refkan conform` survives.

    Parameters
    ----------
    adapter : Adapter or a class of it
        With a class whose packages are missing, the test is skipped with the reason.
    dtypes : sequence of str, optional
        By default all that the adapter declares.
    select : sequence of str
        Only cases whose key contains all of these.
    expected_failures : path, mapping of str to str, or sequence of str
        Patterns of keys, with reasons; these cases become strict xfails: they fail if they pass. So does a test of its
        own for a pattern that matches no case, unless `select` leaves cases out.
    cases : int
        Version of the cases: with it given, a later refkan judges the same ones.

    Raises
    ------
    ImportError
        If pytest is not installed.

    Examples
    --------
    >>> from refkan.conformance import parametrize_with_cases
    >>> from refkan.conformance.adapters.backends import Refkan
    >>> known = {"*/clamped/*": "0/0 gives NaN"}
    >>> @parametrize_with_cases(Refkan, ["float64"], ["degree-3/clamped/ends/values"], known)
    ... def test_my_layer(refkan_case):
    ...     refkan_case()
    >>> [(case.id, case.marks[0].kwargs["reason"]) for case in test_my_layer.pytestmark[0].args[1]]
    [('float64/basis/degree-3/clamped/ends/values', '0/0 gives NaN')]
    """
    check_annotated(parametrize_with_cases, locals())
    pytest = needed("parametrize_with_cases", "pytest", "pytest")
    try:
        made = adapter if isinstance(adapter, Adapter) else adapter()
    except ImportError as error:
        missing = pytest.param(None, id="adapter", marks=pytest.mark.skip(reason=str(error)))
        return pytest.mark.parametrize(ARGUMENT, [missing])
    judge, wanted = Judge(made), tuple(select)
    declared = made.capabilities
    chosen = [name for name in DTYPES if name in declared.dtypes]
    if dtypes is not None:
        chosen = [check_choice("dtypes", name, DTYPES) for name in dtypes]
    known = Expectations.of(expected_failures)
    judged: list[Any] = list(judge.declaration())
    judged += [case for case in catalogue(chosen, wanted, cases, declared.frame) if not declared.missing(case.needs())]
    judged += [] if wanted else known.unused([case.key for case in judged])

    def marks(case: Case | Finding) -> Any:
        expected = isinstance(case, Case) and known.matching(case.key)
        return pytest.mark.xfail(reason=known.reason(case.key), strict=True) if expected else ()

    pending = [pytest.param(PendingCase(judge, case), id=case.key, marks=marks(case)) for case in judged]
    return pytest.mark.parametrize(ARGUMENT, pending)


def pytest_suite(
    adapter: Adapter | Callable[[], Adapter],
    dtypes: Iterable[str] | None = None,
    select: Iterable[str] = (),
    expected_failures: Path | str | Mapping[str, str] | Sequence[str] = (),
    cases: int = VERSION,
) -> Callable[..., None]:
    """Return a test of all cases; assign it to a name that pytest collects. See `parametrize_with_cases`.

    Raises
    ------
    ImportError
        If pytest is not installed.

    Examples
    --------
    >>> from refkan.conformance import pytest_suite
    >>> from refkan.conformance.adapters.backends import Refkan
    >>> test_conformance = pytest_suite(Refkan(), ["float64"], ["layer/degree-3/uniform/1x1"])
    >>> [mark.args[0] for mark in test_conformance.pytestmark]
    ['refkan_case']
    """
    check_annotated(pytest_suite, locals())

    def test_conformance(refkan_case: PendingCase) -> None:
        """Judge one case."""
        refkan_case()

    marked: Callable[..., None] = parametrize_with_cases(adapter, dtypes, select, expected_failures, cases)(
        test_conformance
    )
    return marked
