"""The commands `refkan conform` and `refkan cases`."""

import argparse
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from refkan.base import located
from refkan.base.atomic_files import write_atomically
from refkan.base.json_data import to_bytes
from refkan.base.long_runs.command_parser import Commands, add_command
from refkan.base.long_runs.exit_codes import FAILED, OK, refuse
from refkan.base.long_runs.interrupts import kept_interrupts
from refkan.base.plain_text import printable
from refkan.commands.option_values import check_file, named, path, seconds, text
from refkan.conformance.adapters.adapter import BSPLINES
from refkan.conformance.adapters.bases.torch_base import VARIANTS
from refkan.conformance.adapters.loading import load
from refkan.conformance.cases.cases import VERSION
from refkan.conformance.cases.catalogue import catalogue
from refkan.conformance.cases.exchanged_folders import export, portable, read_cases
from refkan.conformance.cases.truths.precision import DTYPES
from refkan.conformance.identification import Identification, Stage
from refkan.conformance.identification.reported import UNKNOWN
from refkan.conformance.judging import findings as f
from refkan.conformance.judging.causes import explained
from refkan.conformance.judging.findings import Expectations, Finding
from refkan.conformance.judging.guarded import Order, judged
from refkan.conformance.programs import prove
from refkan.conformance.reports import defects as d
from refkan.conformance.reports import findings_reported as reports
from refkan.conformance.reports.case_files import EXAMPLES, capabilities_of, check, probes
from refkan.conformance.reports.case_files import chosen as cases_for
from refkan.kernels.engine_option import add_engine_option

EXIT_CODES = (
    "Exit code: 0 if nothing failed but what was expected to; 1 if a case failed, raised, or passed unexpectedly, or "
    "if the layer differs from what it declares and neither --select nor --expected-failures is given, "
    "if a call fails in all cases or ends its process, or if nothing could be judged; with --baseline 1 only for "
    "defects that FILE does not list, or if nothing could be judged; with --prove 1 if a statement is "
    "refuted or none is proven; "
    "2 for wrong usage, a backend that cannot be loaded or files that cannot be used; 130 if interrupted."
)


def add_conform(commands: Commands) -> None:
    """Add the command `conform`."""
    p = add_command(
        commands,
        "conform",
        run_conform,
        help="judge the layers of another backend against exact values",
        description="Identify a layer, run the cases that its adapter declares, and report the causes of failures. "
        "Begin with --identify, which takes seconds. "
        "refkan.conformance.adapters.backends holds adapters: PlainTorch, PlainJax, Pykan, EfficientKan, ...",
        epilog=EXIT_CODES,
    )
    add_engine_option(p)
    p.add_argument(
        "--backend", required=True, metavar="MODULE:ADAPTER",
        help="package.module:Adapter, or the path of a file: folder/my_adapter.py:Adapter",
    )  # fmt: skip
    p.add_argument("--argument", action="append", default=[], metavar="VALUE", help="for the adapter; may be repeated")
    p.add_argument("--dtype", choices=DTYPES, nargs="+", help="default: all declared formats")
    _add_select(p)
    p.add_argument("--device", type=text, metavar="DEVICE", help="for layers in PyTorch: cuda, for example")
    p.add_argument("--variant", choices=VARIANTS[1:], help="for layers in PyTorch: how they are called")
    p.add_argument("--expected-failures", type=path, metavar="FILE", help="patterns of keys, one a line")
    _add_reports(p)
    p.add_argument("--no-hints", dest="hints", action="store_false", help="do not identify the layer")
    p.add_argument("--identify", action="store_true", help="say what the layer is, and judge no cases")
    p.add_argument(
        "--prove", action="store_true",
        help="run the layer's own program in exact arithmetic, for all inputs, and judge no cases",
    )  # fmt: skip
    p.add_argument(
        "--certificate", type=path, metavar="FILE", help="with --prove: what check_program_proof.py checks, as JSON"
    )
    p.add_argument("--list", action="store_true", help="show the keys of the cases that would be judged")
    p.add_argument(
        "--import-timeout", type=seconds, default=120.0, metavar="SECONDS",
        help="how long importing the adapter may take; 0: any time; default: %(default)g",
    )  # fmt: skip
    p.add_argument(
        "--call-timeout", type=seconds, default=120.0, metavar="SECONDS",
        help="how long one call of the adapter may take, in a process that it may end; 0: any time, in this process, "
        "which a debugger sees; default: %(default)g",
    )  # fmt: skip


def add_cases(commands: Commands) -> None:
    """Add the command `cases`."""
    p = commands.add_parser("cases", help="the cases as files, for code in any language")
    parts = p.add_subparsers(title="commands", required=True)
    to = add_command(
        parts,
        "export",
        run_export,
        help="write a folder that programs in any language can read",
        description="Write cases with inputs, answers and tolerances, explained in DIR/README.txt; without --select "
        "also the probes that identify a layer.",
    )
    add_engine_option(to)
    to.add_argument("folder", type=path, metavar="DIR")
    to.add_argument(
        "--dtype", choices=DTYPES, nargs="+", default=["float64", "float32"], help="default: float64 float32"
    )
    to.add_argument(
        "--declare", type=text, nargs="+", default=[], metavar="NAME=VALUE",
        help="what the layer can do, by the names of capabilities: only cases for it, such as "
        + " ".join(f"{name}={value}" for name, value in EXAMPLES.items()),
    )  # fmt: skip
    _add_select(to)
    back = add_command(
        parts,
        "check",
        run_check,
        help="judge results",
        description="Judge results, named by the keys of cases: a folder with arrays.txt and arrays.f64, or an .npz.",
        epilog=EXIT_CODES,
    )
    add_engine_option(back)
    back.add_argument("folder", type=path, metavar="DIR")
    back.add_argument("results", type=path, metavar="RESULTS")
    _add_reports(back)


def _add_select(p: argparse.ArgumentParser) -> None:
    """Add the options that select cases."""
    p.add_argument(
        "--select", type=text, nargs="+", default=[], metavar="PART", help="only cases whose key has all of these"
    )
    p.add_argument(
        "--cases", type=int, choices=range(1, VERSION + 1), default=VERSION, metavar="VERSION",
        help="version of the cases: later ones hold those of earlier ones, unchanged, and more; default: %(default)s",
    )  # fmt: skip


def _add_reports(p: argparse.ArgumentParser) -> None:
    p.add_argument("--json", type=path, metavar="FILE", help="all findings as JSON; - for only the standard output")
    p.add_argument("--junit", type=path, metavar="FILE", help="all findings as JUnit XML")
    p.add_argument("--summary", type=path, metavar="FILE", help="counts, families of cases and causes as JSON")
    p.add_argument("--badge", type=path, metavar="FILE", help="answers in short: .svg, or .json for shields.io")
    p.add_argument("--defects", type=path, metavar="FILE", help="each defect in one line, as Markdown")
    p.add_argument(
        "--baseline", type=path, metavar="FILE", help="known defects, written by --defects: only new ones fail"
    )
    p.add_argument("--traceback", action="store_true", help="show where exceptions of the adapter were raised")
    p.add_argument("--all", action="store_true", help="show every failure, not just three of each kind")


def _prove(chosen: argparse.Namespace) -> int:
    """Prove or refute what a backend computes; the exit code is 0 if something is proven and nothing refuted."""
    proof = prove(load(chosen.backend, chosen.argument))
    print(proof)
    statuses = {each.status for each in proof.statements}
    if chosen.certificate is not None and "proven" in statuses:
        proof.save(chosen.certificate)
    if "refuted" in statuses or "proven" not in statuses:
        return FAILED
    return OK


def run_conform(chosen: argparse.Namespace) -> int:
    """Judge a backend; progress goes to the standard error stream."""
    _check_combination(chosen)
    _check_files(chosen)
    if chosen.prove:
        return _prove(chosen)
    with named("--expected-failures"):
        known = Expectations.of(chosen.expected_failures or ())
    order = Order(
        chosen.backend, chosen.argument, chosen.dtype or (), chosen.select, chosen.cases, chosen.device, chosen.variant,
        chosen.hints or chosen.identify, chosen.import_timeout, chosen.call_timeout, chosen.identify,
    )  # fmt: skip
    findings, stages = list[Finding](), list[Stage]()
    chosen.kept_in_words = lambda: f" after {len(findings)} cases"
    start = time.perf_counter()
    with closing(judged(order)) as results, kept_interrupts():  # what an interrupted adapter answers is not reported
        opening: Any = next(results)
        if chosen.list:
            print("\n".join(key for key, _, declared, _ in opening.cases if declared))
            return OK
        findings += map(known.apply, opening.problems)
        total = len(opening.problems) + len(opening.cases)
        for item in results:
            if isinstance(item, Finding):
                findings.append(known.apply(item))
                _progress(len(findings), total, findings)
            elif isinstance(item, Stage):
                stages.append(item)
    if not (chosen.select or chosen.identify):
        findings += known.unused([finding.key for finding in findings])
    identification = Identification(opening.title, tuple(stages)) if stages else None
    if identification is not None:
        findings[:] = [explained(x, identification) if x.status == f.FAILED else x for x in findings]
    code = _deliver(chosen, opening.title, findings, identification, time.perf_counter() - start, chosen.cases)
    by_cases = opening.basis == BSPLINES and not chosen.identify
    reason = d.always_raised(findings) or _nothing_judged(findings, identification, by_cases)
    if reason:
        return refuse("refkan conform", f"nothing was judged: {reason}", FAILED)
    return code


def _nothing_judged(findings: list[Finding], identification: Identification | None, by_cases: bool) -> str:
    """Why a run has judged nothing, "" if it has judged something."""
    if any(x.status not in f.UNJUDGED for x in findings):
        return ""
    if by_cases:
        return "none of these cases is declared, or all are declined: see 'not applicable' and 'declined'"
    if identification is None:
        return "no case is for layers of another basis; without --no-hints they are identified"
    if all(stage.status == UNKNOWN for stage in identification.stages):
        return "no stage of the identification has an answer"
    return ""


def run_export(chosen: argparse.Namespace) -> int:
    """Write cases."""
    with located("--declare"):
        declared = capabilities_of(chosen.declare)
    cases = portable(catalogue(chosen.dtype, chosen.select, chosen.cases, declared.frame))
    if chosen.declare:
        cases = cases_for(cases, declared)
    if not cases:
        raise ValueError("--select and --declare leave no case to write: declare more, or select less")
    questions = [] if chosen.select else probes(chosen.dtype, declared)
    with named("DIR"):
        count = export(chosen.folder, cases, chosen.cases, questions, chosen.declare)
    print(f"{count} cases and {len(questions)} probes in {chosen.folder}, explained in {chosen.folder / 'README.txt'}")
    return OK


def run_check(chosen: argparse.Namespace) -> int:
    """Judge results."""
    start = time.perf_counter()
    _check_files(chosen)
    findings, identification = check(chosen.folder, chosen.results)
    version = read_cases(chosen.folder).version
    code = _deliver(chosen, str(chosen.results), findings, identification, time.perf_counter() - start, version)
    if all(finding.status in (f.NOT_APPLICABLE, f.ERROR) for finding in findings):
        text = f"{chosen.results} holds no result under the key of a case"
        return refuse("refkan cases check", text, FAILED)
    return code


def _deliver(
    chosen: argparse.Namespace, title: str, findings: list[Finding], identification: Identification | None,
    seconds: float, version: int,
) -> int:  # fmt: skip
    document = reports.document(title, findings, identification, version)
    found = d.defects(findings, identification)
    document["answers"] = d.answers(findings)
    known = None
    if chosen.baseline is not None:
        with named("--baseline"):
            known = d.baseline(chosen.baseline)
    contents: dict[str, Callable[[], bytes]] = {
        "json": lambda: to_bytes(document),
        "summary": lambda: to_bytes(reports.summary(document)),
        "badge": lambda: reports.badge(findings, version, d.in_short(findings), chosen.badge.suffix),
        "defects": lambda: d.as_list(title, found).encode("utf-8"),
        "junit": lambda: reports.to_junit(title, findings),
    }
    for option, content in contents.items():
        file = getattr(chosen, option, None)
        if file is not None and str(file) != "-":
            write_atomically(file, content())
    if str(chosen.json) == "-":
        print(contents["json"]().decode("ascii"), end="")
    else:
        shown = reports.text(title, findings, identification, chosen.all, seconds, chosen.traceback, version)
        print(printable(shown))
    if known is not None:
        return _compared(found, known)
    # Differences are the causes of failures that were expected, and a selection leaves cases out.
    expected = getattr(chosen, "select", ()) or getattr(chosen, "expected_failures", None)
    is_identified_only = getattr(chosen, "identify", False)
    differs = identification is not None and identification.differences and (is_identified_only or not expected)
    return FAILED if differs or any(finding.status in f.BAD for finding in findings) else OK


def _compared(found: list[d.Defect], known: dict[str, set[str]]) -> int:
    """Report what has changed since the baseline, on the standard error stream; new defects fail the run."""
    new = d.new_defects(found, known)
    gone = sorted(known.keys() - {defect.name for defect in found})
    lines = [f"defects that the baseline does not list: {len(new)}", *map(str, new)]
    if gone:
        lines.append(f"listed, but found no more: {', '.join(gone)}")
    print(printable("\n".join(lines)), file=sys.stderr)
    return FAILED if new else OK


REPORTS = ("json", "junit", "summary", "badge", "defects")
"""Options that name a file of findings."""

OF_CASES = ("dtype", "select", "device", "variant", "expected_failures", "baseline", *REPORTS)
"""Options that say which cases are judged, and where that is reported."""


def _check_combination(chosen: argparse.Namespace) -> None:
    """Raise ValueError for options of which one would be left out in silence."""
    ways = [f"--{way}" for way in ("identify", "prove", "list") if getattr(chosen, way)]
    if len(ways) > 1:
        raise ValueError(f"{' and '.join(ways)} must not be given together: each says what to do instead of judging")
    if chosen.certificate is not None and not chosen.prove:
        raise ValueError("--certificate belongs to proofs; give --prove with it")
    for option in OF_CASES if chosen.prove else ():
        if getattr(chosen, option):
            raise ValueError(f"--{option.replace('_', '-')} belongs to cases; leave it out with --prove")


def _check_files(chosen: argparse.Namespace) -> None:
    """Raise ValueError unless the requested files can be written, none of them over another or over what is read."""
    backend = getattr(chosen, "backend", None)
    used = {
        "RESULTS": getattr(chosen, "results", None),
        "--backend": None if backend is None else Path(backend.rpartition(":")[0]),
        "--expected-failures": getattr(chosen, "expected_failures", None),
    }
    for option in (*REPORTS, "certificate"):
        file = getattr(chosen, option, None)
        if file is not None and str(file) != "-":
            # Only --defects may be written over the baseline: it is what the baseline was written by.
            check_file(f"--{option}", file, used | {"--baseline": None if option == "defects" else chosen.baseline})
            used[f"--{option}"] = file
    if chosen.baseline is not None:
        with named("--baseline"):
            d.baseline(chosen.baseline)


def _progress(done: int, total: int, findings: list[Finding]) -> None:
    """Show the progress, on a terminal."""
    if sys.stderr.isatty() and (done % 20 == 0 or done == total):
        bad = sum(finding.status in f.BAD for finding in findings)
        print(f"\r{done}/{total} cases, {bad} failed", end="\n" if done == total else "", file=sys.stderr, flush=True)
