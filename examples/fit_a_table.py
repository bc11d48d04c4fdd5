"""I have a table and want a model that says which columns act, and which act together."""

from sklearn.datasets import load_diabetes, make_friedman1

from refkan.estimators import SplineRegressor

for name, (X, y) in {
    "diabetes": load_diabetes(return_X_y=True),
    "friedman1": make_friedman1(442, noise=1.0, random_state=0),
}.items():
    model = SplineRegressor().fit(X[:300], y[:300])
    print(f"{name}: {model.structure_}, R^2 {model.score(X[300:], y[300:]):.2f} on 142 other rows")
    print(f"  {model.explanation_}")
