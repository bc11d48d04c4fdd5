"""Attack certificates of random networks: ``python -m tests.second_opinion --boxes 200 --seed 1``.

Prints how many statements of each kind were attacked, and each violation. It stops when every kind that still comes
up has been attacked in as many boxes as asked for, or after the time limit.
"""

import argparse
import json
import secrets
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

import refkan as rk
from refkan.analysis.exact.certificates.certified_network import certificate
from tests.analysis.exact.oracles import draws
from tests.second_opinion.attacks import KINDS, Exact, violation
from tests.soak import trust

RECORD = Path(__file__).with_name("record.json")
CERTIFIED = ("spline", "spline", "relu", "scaled", "chebyshev")
"""Kinds of layers of which there are certificates."""
MAPS = ("none", "affine", "sigmoid")


def problem(seed: int):
    """A network with fixed maps and knots, parameters, a box, and samples."""
    rng = np.random.default_rng([seed, 17])
    widths = [int(rng.integers(1, 4)), *rng.integers(1, 4, int(rng.integers(0, 2))).tolist(), int(rng.integers(1, 3))]
    net, theta = draws.network(rng, widths, MAPS, orders=(2, 3, 4), tame=bool(rng.random() < 0.7), kinds=CERTIFIED)
    box = draws.box(rng, net)
    low, high = draws.domains(net.layers[0]).T
    x = low + (high - low) * rng.uniform(size=(int(rng.integers(2, 7)), widths[0]))
    return net, theta, box, (x, rng.normal(size=(len(x), widths[-1]))), rng


def attacked(seed: int) -> list[tuple[str, str]]:
    """The kinds of the statements of a certificate, each with what violates it, or nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net, theta, box, samples, rng = problem(seed)
        try:
            made = certificate(net, theta, box, samples, tolerance=0.05, budget=200)
        except (rk.ConvergenceError, OverflowError, ValueError):
            return []
        exact = Exact(net, theta, box, rng)
        return [(said["kind"], violation(exact, said, *samples)) for said in made["statements"]]


def main(arguments: list[str] | None = None) -> int:
    """Attack until enough boxes of each kind were attacked; return 1 if a statement was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.second_opinion", description=__doc__)
    parser.add_argument("--boxes", type=int, default=200, help="of each kind of statement")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--keep", action="store_true", help="add the counts to docs/trust.md")
    options = parser.parse_args(arguments)
    seed = secrets.randbits(31) if options.seed is None else options.seed
    counts: Counter[str] = Counter()
    violations, number, start = [], 0, time.monotonic()
    while min(counts[kind] for kind in KINDS) < options.boxes and time.monotonic() - start < 60 * options.minutes:
        for kind, found in attacked(seed + number):
            counts[kind] += 1
            if found:
                violations.append(f"seed {seed + number}, {kind}: {found}")
                print(violations[-1], flush=True)
        number += 1
    print(f"seeds {seed} to {seed + number - 1}, {time.monotonic() - start:.0f} s, {len(violations)} violations")
    print(*(f"{kind}: {counts[kind]}" for kind in KINDS), sep="\n")
    if options.keep:
        keep(counts, violations, [seed, seed + number - 1], RECORD)
        trust.write()
    return int(bool(violations))


def keep(counts: Counter[str], violations: list[str], seeds: list[int], path: Path) -> None:
    """Add counts to those that are kept."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"seeds": [], "violations": []}
    total = Counter(kept.get("statements", {})) + counts
    kept["seeds"].append(seeds)
    kept["violations"] += violations
    path.write_text(json.dumps(kept | {"statements": dict(total)}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
