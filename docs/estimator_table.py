"""Compare the estimators with others of scikit-learn, all with their defaults: ``python docs/estimator_table.py``.

Three folds of each set of `estimator_sets.py`; scores are R^2 or accuracies. The perceptron has inputs and targets of
mean 0 and variance 1.
"""

import sys
import time
import warnings

import numpy as np
from estimator_sets import CLASSIFICATION, REGRESSION
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler

from refkan.estimators import SplineClassifier, SplineRegressor

perceptron = make_pipeline(StandardScaler(), MLPRegressor(random_state=0))
REGRESSORS = {
    "refkan": SplineRegressor(),
    "boosting": HistGradientBoostingRegressor(random_state=0),
    "perceptron": TransformedTargetRegressor(perceptron, transformer=StandardScaler()),
    "splines": make_pipeline(SplineTransformer(), Ridge()),
}
CLASSIFIERS = {
    "refkan": SplineClassifier(),
    "boosting": HistGradientBoostingClassifier(random_state=0),
    "perceptron": make_pipeline(StandardScaler(), MLPClassifier(random_state=0)),
    "splines": make_pipeline(SplineTransformer(), LogisticRegression()),
}


def compared(make, models, split):
    """Return scores and seconds of one fit and prediction, of all models, and the structures of the first."""
    X, y = make()
    scores, seconds, structures = np.zeros(len(models)), np.zeros(len(models)), []
    for train, test in split.split(X, y):
        for k, model in enumerate(models.values()):
            began = time.perf_counter()
            scores[k] += model.fit(X[train], y[train]).score(X[test], y[test]) / 3
            seconds[k] += (time.perf_counter() - began) / 3
        structures.append(models["refkan"].structure_)
    return len(X), scores, seconds, max(structures, key=structures.count)


def table(sets, models, split, unseen_from):
    """Print a row for each set, and mean ranks and losses of both halves."""
    ranks, behind = [], []
    print("| data | rows | " + " | ".join(models) + " | rank | structure | seconds, refkan and boosting |")
    print("|---|---|" + "---|" * (len(models) + 3))
    for number, (name, make) in enumerate(sets.items()):
        rows, scores, seconds, structure = compared(make, models, split)
        ranks.append([1 + (scores.round(4) > score).sum() for score in scores.round(4)])
        behind.append(scores.max() - scores)
        mark = "*" * (number >= unseen_from)
        shown = " | ".join(f"{score:.3f}" for score in scores)
        print(
            f"| {name}{mark} | {rows} | {shown} | {ranks[-1][0]} | {structure} | {seconds[0]:.2f}, {seconds[1]:.2f} |",
            flush=True,
        )
    for label, part in (("chosen on", slice(unseen_from)), ("not looked at*", slice(unseen_from, None))):
        means = np.mean(ranks[part], axis=0)
        far = (np.array(behind[part]) > 0.03).sum(axis=0)
        rows = ", ".join(f"{m} {r:.1f} ({f})" for m, r, f in zip(models, means, far, strict=True))
        print(f"\nSets {label}: mean rank (sets with a score more than 0.03 behind the best): {rows}.")


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # the perceptron's: its default number of steps is small
    if "classification" not in sys.argv:
        table(REGRESSION, REGRESSORS, KFold(3, shuffle=True, random_state=0), 10)
    if "regression" not in sys.argv:
        table(CLASSIFICATION, CLASSIFIERS, StratifiedKFold(3, shuffle=True, random_state=0), 5)
