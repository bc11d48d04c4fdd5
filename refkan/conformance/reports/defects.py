"""What a run found in one line each: answers for a badge, and defects as a list that later runs are compared with."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from refkan.base import Frozen
from refkan.base.atomic_files import read_file
from refkan.conformance.adapters.adapter import BSPLINES
from refkan.conformance.adapters.answers import line_of_adapter
from refkan.conformance.cases import EPS
from refkan.conformance.identification import Identification
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.findings import Finding


def causes(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """Return failures by leading hint, or by message if there is none: largest errors first, then the most cases."""
    by_cause: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.status in f.BAD:
            alone = {f.FAILED: "no hint", f.ERROR: finding.message}.get(finding.status, finding.status)
            by_cause.setdefault(finding.hint or alone, []).append(finding)
    return dict(sorted(by_cause.items(), key=lambda item: (-largest_excess(item[1]), -len(item[1]))))


def largest_excess(findings: Sequence[Finding]) -> float:
    """Return the largest error in units of what is allowed: infinite if one raised, 0 if there is none."""
    sizes = [math.inf if x.status == f.ERROR else x.excess for x in findings]
    return max((size for size in sizes if not math.isnan(size)), default=0.0)


FRAME = re.compile(r'File "(.*?)", line (\d+)')


def first_line(traceback: str) -> str:
    r"""Return the line of the adapter with which a traceback begins.

    Examples
    --------
    >>> first_line('  File "src/my_adapter.py", line 12, in forward\\n    raise ValueError')
    'line 12 of my_adapter.py'
    """
    frames = FRAME.findall(traceback)
    return line_of_adapter(frames) if frames else "an unknown line"


ASPECTS = {
    BSPLINES: ("values",), "gradients": ("gradients", "second derivatives"), "ends": ("knots and ends",),
    "repeated knots": ("repeated knots",), "outside": ("outside",), "sizes": ("spans and sizes",),
    "networks": ("networks",), "parts": ("parts",), "refine": ("refine",), "update": ("update",),
    **{dtype: (dtype,) for dtype in EPS if dtype != "float64"},
}  # fmt: skip
"""What is answered in a word or two, and the families of cases that answer it."""

YES = {"refine": "exact", "update": "keeps the function"}
"""Answers if all cases passed, where they are others than "yes"."""

ALWAYS = (BSPLINES, "refine", "update")
"""Answered in a badge even if all cases passed."""

FEW_DIGITS = 1e-4
"""Relative errors above this answer "no"."""

SMALL = 2.0**-10
"""Results below this are compared in absolute terms: cases have coefficients and samples of size one."""


def error_of(finding: Finding) -> float:
    """Return the error of the worst entry of a failure, relative to it unless it is small; infinite without numbers."""
    if not finding.index:
        return float("inf")
    return abs(finding.theirs - finding.ours) / max(abs(finding.ours), SMALL)


def answers(findings: Sequence[Finding]) -> dict[str, str]:
    """Return an answer for each aspect that was judged: "yes", "to 1e-07", "no", "raises in 3 of 60 cases".

    Examples
    --------
    >>> right, wrong = (Finding("", "values", status, family="values") for status in ("passed", "failed"))
    >>> answers([right]), answers([right, wrong])
    ({'B-splines': 'yes'}, {'B-splines': 'no'})
    """
    by_aspect: dict[str, list[Finding]] = {aspect: [] for aspect in ASPECTS}
    for finding in findings:
        if finding.status not in f.UNJUDGED and finding.family:
            by_aspect[aspect_of(finding)].append(finding)
    return {aspect: _answer(aspect, judged) for aspect, judged in by_aspect.items() if judged}


def aspect_of(finding: Finding) -> str:
    """Return what a case is about; in other formats than float64 changes and repeated knots are apart, too."""
    if finding.family in EPS:
        parts = finding.key.split("/")
        for word, aspect in APART.items():
            if word in parts:
                return aspect
    return next(aspect for aspect, families in ASPECTS.items() if finding.family in families)


APART = {"refine": "refine", "update": "update", "clamped": "repeated knots", "repeated": "repeated knots"}


def _answer(aspect: str, judged: Sequence[Finding]) -> str:
    bad = [x for x in judged if x.status in (f.FAILED, f.ERROR, f.EXPECTED_FAILURE)]
    if not bad:
        return YES.get(aspect, "yes")
    raised = [x for x in bad if x.status == f.ERROR]
    if len(raised) == len(judged):
        return "raises"
    words = []
    if len(raised) < len(bad):
        largest = max(error_of(x) for x in bad if x.status != f.ERROR)
        few = largest <= FEW_DIGITS  # NaN is not
        words.append(f"to {largest:.0e}" if few else "no")
    if raised:
        words.append(f"raises in {len(raised)} of {len(judged)} cases")
    return ", ".join(words)


def in_short(findings: Sequence[Finding]) -> str:
    """Return the answers as one line: all that are not plainly "yes", and those that everybody asks for."""
    return "; ".join(
        f"{aspect}: {answer}" for aspect, answer in answers(findings).items() if aspect in ALWAYS or answer != "yes"
    )


class Defect(Frozen, eq=True):
    """A cause of failures, or a difference that no case shows.

    Attributes
    ----------
    name : str
    families : sequence of str
        Of the cases that fail; "layer" where identification alone shows it.
    sentence : str

    Examples
    --------
    >>> print(Defect("sign", ("gradients", "parts"), "input gradients are negated"))
    - sign [gradients, parts]: input gradients are negated
    """

    name: str
    families: tuple[str, ...]
    sentence: str

    def __str__(self) -> str:
        return f"- {self.name} [{', '.join(self.families)}]: {self.sentence}"


def defects(findings: Sequence[Finding], identification: Identification | None = None) -> list[Defect]:
    """Return the defects of a run: causes of failing cases by their size, then differences that no case shows."""
    out = []
    for name, members in causes(findings).items():
        families = Counter(x.family or x.quantity for x in members)
        first = members[0]
        sentence = first.hints[0].text if first.hints else first.message or "results are wrong"
        counted = ", ".join(f"{count} in {family}" for family, count in families.most_common())
        out.append(Defect(name, tuple(families), f"{sentence} ({counted}; first {first.key})"))
    named = {defect.name for defect in out}
    if identification is None:
        return out
    for difference in identification.differences:
        if difference.name not in named:
            named.add(difference.name)
            out.append(Defect(difference.name, ("layer",), str(difference).removeprefix(f"{difference.name}: ")))
    return out


LINE = re.compile(r"- (?P<name>.*?) \[(?P<families>[^\]]*)\]: ")


def baseline(file: Path) -> dict[str, set[str]]:
    """Return the names of known defects with their families, from a file that `conform --defects` wrote.

    Raises
    ------
    OSError
        If the file cannot be read, or is no list of defects.
    """
    known: dict[str, set[str]] = {}
    for number, line in enumerate(read_file(file).decode("utf-8", "replace").splitlines(), 1):
        if not line.startswith("- "):
            continue
        entry = LINE.match(line)
        if entry is None:
            raise OSError(f"line {number} of {file} must be '- NAME [FAMILIES]: SENTENCE'; got {line!r}")
        known.setdefault(entry["name"], set()).update(entry["families"].split(", "))
    return known


def new_defects(found: Iterable[Defect], known: Mapping[str, set[str]]) -> list[Defect]:
    """Return the defects whose name, or one of whose families under that name, is not known."""
    return [defect for defect in found if not set(defect.families) <= known.get(defect.name, set())]


def as_list(title: str, found: Sequence[Defect]) -> str:
    """Return a list in Markdown: a comment on a pull request, and the baseline of later runs."""
    lines = [f"refkan, {title}: defects found: {len(found)}", "", *map(str, found), ""]
    return "\n".join(lines)


def always_raised(findings: Sequence[Finding]) -> str:
    """Return what every judged case raised and in which line of the adapter, "" if some case gave a result."""
    judged = [x for x in findings if x.status not in f.UNJUDGED and x.quantity != "capabilities"]
    raised = Counter(x.message for x in judged if x.status == f.ERROR or (x.status != f.FAILED and x.traceback))
    if not judged or raised.total() < len(judged):
        return ""
    message, count = raised.most_common(1)[0]
    place = next(first_line(x.traceback) for x in judged if x.message == message)
    return f"every call raises: {message} ({count} of {len(judged)} cases, {place})"
