"""The page on published backends, written from the record of B1: `python -m validation.records.backends_page [RECORD]`.

With RECORD, the record.json of a run, what the page needs of it is kept in `validation/records/backends.json` first. No
number is typed: the page is a function of that file. A quick run holds the findings known beforehand and what backends
do where nothing was promised; a full run (`--full B1`) everything found in all cases too.
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from refkan.base.atomic_files import write_atomically
from refkan.conformance.cases.catalogue import FAMILIES
from refkan.conformance.judging import findings as f
from validation.records.markdown import markdown_table

FOLDER = Path(__file__).parent
RECORD = FOLDER / "backends.json"
MATRIX = FOLDER / "matrix.json"
OTHERS = FOLDER / "other_libraries.json"
PAGE = FOLDER.parents[1] / "docs" / "backends.md"

INTRODUCTION = """# What the conformance suite finds in published backends

refkan's cases were run on layers of other libraries, through the adapters in `refkan/conformance/adapters/backends/`
and, in a checkout, those in `validation/implementations/published_layers.py`. Each case compares with exact rational
results rounded once, or with float64 results and a bound; a failure is a difference from the conventions in
`refkan.conformance.CONVENTIONS` that exceeds a bound on rounding. Some differences are choices that a backend makes
knowingly, and most do not matter for training in float32. Findings are named by the hints that the suite gives. Each
row ends with the call that reproduces it; FOLDER is the folder `src` of a clone of efficient-kan.

"""

MATRIX_TOLD = """Cases passed, and of how many where some are not; a family without a number was not declared. Those of
formats stand in the last columns, the others are in float64. What is wrong in each is in the sections below, and
`refkan conform --summary` writes such a row of any adapter. FastKAN and ChebyKAN declare another basis: no case is for
them, and they are identified. Of the cases of sizes efficient-kan, inkan and jaxkan raise an exception in those without
samples (`--select 0-samples`): they reshape to a size of -1, which arrays without entries leave open. Written by
`python -m validation.records.backends_matrix`.
"""


def trimmed(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page needs of the record of a run."""
    (row,) = [row for row in record["rows"] if row["id"] == "B1"]
    data = row.get("data") or {}
    if not data.get("traps") or not data.get("backends"):
        raise ValueError("the record must be of a run of B1 with at least one backend installed")
    capsule = record["capsule"]
    return {
        "git": capsule["git"],
        "time": capsule["time"],
        "versions": data["versions"],
        "status": row["status"],
        "measured": row["measured"],
        "traps": [
            {key: trap[key] for key in ("backend", "what", "line", "hints", "call", "found")} for trap in data["traps"]
        ],
        "backends": data["backends"],
    }


def page(
    record: Mapping[str, Any], matrix: Sequence[Mapping[str, Any]] = (), others: Sequence[Mapping[str, Any]] = ()
) -> str:  # fmt: skip
    """Return the page as Markdown, with the table of `validation.records.backends_matrix` if there are rows."""
    out = [INTRODUCTION]
    if matrix:
        out.append(f"## By families of cases\n\n{MATRIX_TOLD}\n{table(matrix)}\n")
    out.append(
        f"What follows was measured on {record['time'][:10]}, at {record['git'][:7]}, with "
        f"{', '.join(record['versions'])}: cases and the wording of hints are those of that day, rows of the table "
        f"those of the days that they name. {record['measured'].partition(';')[0]}.\n\n"
    )
    rows = [(t["backend"], t["what"], numbers(t["line"]), t["hints"], f"`{t['call']}`") for t in record["traps"]]
    columns = ["backend", "finding", "measured", "hint", "reproduced by"]
    out.append(f"## Findings known beforehand\n\n{markdown_table(columns, (map(escaped, row) for row in rows))}")
    for backend in record["backends"]:
        out.append(f"\n## {backend['backend']}\n\n{backend['adapter']}\n\n")
        out.append(
            f"Observed {'; '.join(backend['observations'])}. All its cases are judged by\n\n    {backend['call']}\n"
        )
        if "counts" not in backend:
            continue
        told = ", ".join(f"{count} {status}" for status, count in backend["counts"].items())
        out.append(f"\nIn {' and '.join(backend['dtypes'])}: {told}.\n\n")
        if backend["kinds"]:
            columns = ["finding", "cases", "first case, and what was measured", "hint", "reproduced by"]
            rows = [(k["name"], str(k["count"]), k["line"], k["hints"], f"`{k['call']}`") for k in backend["kinds"]]
            out.append(markdown_table(columns, (map(escaped, row) for row in rows)))
    return "".join([*out, *(of_others(others) if others else ())])


OTHERS_TOLD = """
## Other libraries

Judged by the adapters of `validation/implementations/other_layers.py` and of `layers_without_torch.py` beside it, by
the cases of one degree in all families, in float64 and float32 where both are declared. The adapters were written from
the documentation of each layer; a copy of a repository is found by the environment variable that the adapter names. Of
layers with LayerNorm the normalization is replaced by the identity. Written by
`python -m validation.records.other_libraries`, which needs no library to be there.

"""

BESIDE = """Of layers with another basis no case is judged. Their gradients in the inputs are compared with central
differences of their own values: the factor between the two by least squares, and the largest difference.

"""


def of_others(others: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The libraries that were judged in short: answers, the largest failure of each family, gradients."""
    splines = [entry for entry in others if "answers" in entry]
    rows = [
        [
            entry["name"],
            ", ".join(filter(None, [entry["version"], entry["with"], entry["day"]])),
            entry["about"],
            str(entry["cases"]),
            entry["answers"],
        ]
        for entry in splines
    ]
    yield OTHERS_TOLD
    yield markdown_table(
        ["library", "version, framework, day", "layer", "cases", "in short"], (map(escaped, r) for r in rows)
    )
    for entry in splines:
        yield f"\n### {entry['name']} {entry['version']}\n\n"
        failures = [[r["family"], r["failed"], r["line"], f"`{r['call']}`"] for r in entry["rows"]]
        header = ["family", "failed", "largest failure", "reproduced by"]
        yield markdown_table(header, (map(escaped, row) for row in failures)) if failures else "No case failed.\n"
    yield f"\n### Another basis\n\n{BESIDE}"
    rows = [
        [e["name"], f"{e['version']}, {e['day']}", e["about"], e["gradients"]["dtype"], e["gradients"]["factor"],
         e["gradients"]["off"]]
        for e in others if "gradients" in e
    ]  # fmt: skip
    header = ["library", "version, day", "layer", "format", "factor", "largest difference"]
    yield markdown_table(header, (map(escaped, row) for row in rows))


def table(matrix: Sequence[Mapping[str, Any]]) -> str:
    """The rows as Markdown: passed of judged, families in columns."""
    used = [name for name in FAMILIES if any(name in row["families"] for row in matrix)]
    rows = [
        [f"{row['backend']} {row['version']}, {row['day']}", *(cell(row["families"].get(name, {})) for name in used)]
        for row in matrix
    ]
    return markdown_table(["backend, version, day", *used], rows)


def cell(counts: Mapping[str, int]) -> str:
    """Passed of judged, bold where some are not; nothing where nothing was judged."""
    judged = sum(count for status, count in counts.items() if status not in f.UNJUDGED)
    if not judged:
        return ""
    passed = counts.get(f.PASSED, 0)
    return f"{passed}" if passed == judged else f"**{passed} of {judged}**"


def read(file: Path = MATRIX) -> list[dict[str, Any]]:
    """What is kept in a file, if there is one."""
    rows: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    return rows


def numbers(line: str) -> str:
    """A failure line without the key that it begins with."""
    _, bracket, rest = line.partition(" [")
    return f"[{rest}" if bracket else line.partition(": ")[2]


def escaped(cell: str) -> str:
    """Return a cell of a table: without line breaks, and bars as text."""
    return " ".join(cell.split()).replace("|", "\\|")


def main(arguments: Sequence[str]) -> int:
    """Write the page; the exit code is 2 for a wrong call."""
    if len(arguments) > 1:
        print(__doc__, file=sys.stderr)
        return 2
    if arguments:
        kept = trimmed(json.loads(Path(arguments[0]).read_text(encoding="utf-8")))
        write_atomically(RECORD, (json.dumps(kept, indent=1, ensure_ascii=True) + "\n").encode())
    write_atomically(PAGE, page(json.loads(RECORD.read_text(encoding="utf-8")), read(), read(OTHERS)).encode())
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
