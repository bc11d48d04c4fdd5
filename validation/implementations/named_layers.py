"""Which layer with a known defect is named how.

    python -m validation.implementations.named_layers

identifies all layers of `tests.conformance.identification.bank`, and writes the record
`validation/records/named_layers.json` and, from it, the page `docs/named-layers.md`. It ends with exit code 1 if a
layer that the record before called right is right no more.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from textwrap import fill

from refkan.base.atomic_files import write_atomically
from refkan.conformance import identify
from tests.conformance.identification.bank import BANK, Known
from validation.records.markdown import markdown_table

ROOT = Path(__file__).parents[2]
RECORD = ROOT / "validation" / "records" / "named_layers.json"
PAGE = ROOT / "docs" / "named-layers.md"

LONGEST = 160
"""Characters of a sentence that are shown."""

Record = Mapping[str, Mapping[str, str]]
"""For each layer the verdict, what is said first, and how many differences follow."""


def named(known: Known) -> dict[str, str]:
    """What is said of a layer, and whether it is right."""
    said = [str(difference) for difference in identify(known.make()).differences]
    return {"verdict": known.verdict(said), "said": said[0] if said else "", "more": str(max(len(said) - 1, 0))}


def lost(before: Record, after: Record) -> list[str]:
    """Layers that were right before, and are not now."""
    return [
        name
        for name, row in before.items()
        if row["verdict"] == "right" and name in after and after[name]["verdict"] != "right"
    ]


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def page(record: Record, before: Record) -> str:
    """The page of a record, with what has changed since the one before."""
    counts = Counter(row["verdict"] for row in record.values())
    shares = ", ".join(f"{counts[word]} {word}" for word in ("right", "partly", "wrong", "nothing"))
    gone = lost(before, record)
    gained = lost(record, before)
    rows = [[_code(name), row["verdict"], _escaped(_short(row["said"])), row["more"]] for name, row in record.items()]
    paragraphs = [
        f"{len(record)} layers with known defects were identified: {shares}. A layer is right if the sentence that "
        "must be said comes first, or all sentences are those that must be said; partly right if that sentence comes "
        "later. Most of these layers were known when identification was written, so the shares say that nothing is "
        "lost, not how often a new defect is named.",
        f"Since the record before: newly right {_list(gained)}; right no more {_list(gone)}.",
        markdown_table(["layer, or what must be said", "verdict", "what is said first", "more"], rows).rstrip(),
        "Everything here is written by `python -m validation.implementations.named_layers`.",
    ]
    told = (text if text[0] == "|" else fill(text, 120, break_long_words=False) for text in paragraphs)
    return "\n\n".join(["# Which known layer is named how", *told]) + "\n"


def _list(names: Iterable[str]) -> str:
    return ", ".join(map(_code, names)) or "none"


def _code(name: str) -> str:
    return f"`{_escaped(name)}`"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main() -> int:
    """Identify all layers, and write the record and the page."""
    before = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    record = {}
    for name, known in BANK.items():
        record[name] = named(known)
        print(f"{record[name]['verdict']}: {name}", file=sys.stderr, flush=True)
    write_atomically(RECORD, (json.dumps(record, indent=1) + "\n").encode("ascii"))
    write_atomically(PAGE, page(record, before).encode("utf-8"))
    return 1 if lost(before, record) else 0


if __name__ == "__main__":
    sys.exit(main())
