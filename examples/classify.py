"""I have classes and want probabilities."""

from sklearn.datasets import make_moons

from refkan.estimators import SplineClassifier

X, y = make_moons(600, noise=0.3, random_state=0)
model = SplineClassifier().fit(X[:400], y[:400])
print(f"{model.structure_}, {model.score(X[400:], y[400:]):.2f} of 200 other rows right")
print("probabilities at (0, 1) and (1, -0.5):", model.predict_proba([[0.0, 1.0], [1.0, -0.5]])[:, 1].round(2))
