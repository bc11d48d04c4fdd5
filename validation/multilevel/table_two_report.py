"""Table 2 of [S26] beside what was measured, and histories like its figure 4."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Drawing

from refkan.claims.verdicts import Figure
from validation.multilevel.table_two import FIDELITIES, LONGER, MLPS, PUBLISHED, PUBLISHED_SEEDS, Cell

Found = Mapping[Cell, Mapping[str, Any]]

NEAR = 3.0
"""A published mean is called reproduced if ours, over the published seeds, is within this factor of it."""


def errors(found: Found, key: str = "test", **where: Any) -> dict[int, float]:
    """Seed -> a number of the record, of the cells with these fields."""
    return {
        cell.seed: float(record[key])
        for cell, record in found.items()
        if all(getattr(cell, name) == value for name, value in where.items())
    }


def groups(found: Found) -> list[tuple[str, str]]:
    """Targets and methods in the order in which they were run."""
    return list(dict.fromkeys((cell.target, cell.method) for cell in found))


def rows(found: Found) -> list[dict[str, Any]]:
    """One row for each combination of target, method, model and fidelity: medians, spread, and the published number."""
    made = []
    for target, method in groups(found):
        names = list(dict.fromkeys((c.model, c.fidelity) for c in found if (c.target, c.method) == (target, method)))
        for model, fidelity in names:
            where = {"target": target, "method": method, "model": model, "fidelity": fidelity}
            by_seed = errors(found, **where)
            ours = np.array(list(by_seed.values()))
            printed = PUBLISHED.get((model if model in MLPS else model.split(",")[0], fidelity), (None, None))
            five = [value for seed, value in by_seed.items() if seed in PUBLISHED_SEEDS]
            mean = float(np.mean(five)) if five else None
            near = None
            if mean is not None and printed[0] is not None:
                near = bool(printed[0] / NEAR <= mean <= printed[0] * NEAR)
            made.append(
                where
                | {
                    "parameters": int(next(iter(errors(found, "parameters", **where).values()))),
                    "seeds": ours.size,
                    "median": float(np.median(ours)),
                    "tenth": float(np.quantile(ours, 0.1)),
                    "ninetieth": float(np.quantile(ours, 0.9)),
                    "training": float(np.median(list(errors(found, "training", **where).values()))),
                    "mean of the published seeds": mean,
                    "published": printed[0],
                    "reproduced": near,
                    "nominal": float(np.median(list(errors(found, "nominal", **where).values()))),
                    "measured": float(np.median(list(errors(found, "measured", **where).values()))),
                }
            )
    return made


def table(found: Found) -> str:
    """Return the rows as paragraphs of lines."""
    paragraphs = []
    made = rows(found)
    for target, method in groups(found):
        lines = [f"{target} target, {method}: test MSE, median [10 %, 90 %]; mean of the published seeds / published"]
        for row in (r for r in made if (r["target"], r["method"]) == (target, method)):
            text = (
                f"{row['model']}, {row['fidelity']}, {row['parameters']} parameters, {row['seeds']} seeds: "
                f"{row['median']:.2e} [{row['tenth']:.1e}, {row['ninetieth']:.1e}]"
            )
            if row["reproduced"] is not None:
                answer = "reproduced" if row["reproduced"] else "not reproduced"
                text += f"; {row['mean of the published seeds']:.2e} / {row['published']:.2e}, {answer}"
            lines.append(f"{text}; work {row['nominal']:.3g} nominal, {row['measured']:.3g} measured")
        paragraphs.append(". ".join(lines) + ".")
    return "\n\n".join(paragraphs)


def reproduced(found: Found) -> str:
    """One sentence a setting: how many of the published means are met within the factor."""
    made, parts = rows(found), []
    for target, method in groups(found):
        answers = [
            r["reproduced"]
            for r in made
            if (r["target"], r["method"]) == (target, method) and r["reproduced"] is not None
        ]
        if answers:
            parts.append(f"{target}, {method}: {sum(answers)} of {len(answers)}")
    return "; ".join(parts)


def histories(found: Found, target: str, method: str) -> Figure:
    """Median of the best mean squared error so far against nominal work, like figure 4, and against seconds."""
    drawing = Drawing(figsize=(10, 4))
    left, right = drawing.subplots(1, 2, sharey=True)
    colours = {"coarse": "C0", "fine": "C1", "multilevel": "C2", LONGER: "C3"}
    for cell in dict.fromkeys((c.model, c.fidelity) for c in found if (c.target, c.method) == (target, method)):
        model, fidelity = cell
        if model in MLPS or fidelity not in FIDELITIES:
            continue
        courses = [
            record["course"]
            for c, record in found.items()
            if (c.target, c.method, c.model, c.fidelity) == (target, method, model, fidelity)
        ]
        length = min(len(course["mse"]) for course in courses)  # runs that met a tolerance are shorter
        mse = np.array([course["mse"][:length] for course in courses])
        style = {"color": colours[fidelity], "ls": "-" if model == "spline" else "--" if "same" in model else ":"}
        work = np.median([course["work"][:length] for course in courses], axis=0)
        seconds = np.median([course["seconds"][:length] for course in courses], axis=0)
        left.semilogy(work, np.median(mse, axis=0), label=f"{model}, {fidelity}", **style)
        right.semilogy(seconds, np.median(mse, axis=0), **style)
    left.set(xlabel="work, evaluations on the finest level", ylabel="mean squared error on the samples")
    right.set(xlabel="seconds")
    left.legend(fontsize=6)
    name = "table-two-" + "".join(c if c.isalnum() else "-" for c in f"{target}-{method}".lower())
    return Figure.from_matplotlib(drawing, name, f"Medians over seeds: {target} target, {method}.")
