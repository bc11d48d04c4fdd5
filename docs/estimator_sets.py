"""Thirty data sets that ship with scikit-learn or are made by it, to compare estimators with their defaults.

They were written down before any default was chosen. Defaults were chosen on the first half of each list; the second
half was not looked at until then.
"""

import numpy as np
from sklearn import datasets


def correlated(n, inputs, seed):
    """Normal inputs with correlation 0.8 between any two."""
    rng = np.random.default_rng(seed)
    return np.sqrt(0.8) * rng.standard_normal((n, 1)) + np.sqrt(0.2) * rng.standard_normal((n, inputs))


def noisy(X, y, share, seed):
    """X and y plus normal noise with a share of y's standard deviation."""
    return X, y + share * y.std() * np.random.default_rng(seed).standard_normal(len(y))


def uniform(n, inputs, seed):
    """Inputs between -1 and 1."""
    return np.random.default_rng(seed).uniform(-1.0, 1.0, (n, inputs))


def products(n=800):
    """Two products of two of six inputs."""
    X = uniform(n, 6, 1)
    return noisy(X, X[:, 0] * X[:, 1] + X[:, 2] * np.exp(X[:, 3]), 0.2, 2)


def additive_dependent(n=600):
    """Additive in strongly correlated inputs."""
    X = correlated(n, 5, 3)
    return noisy(X, np.sin(2 * X[:, 0]) + X[:, 1] ** 2 - X[:, 2], 0.3, 4)


def steps(n=800):
    """A step function of two of four inputs."""
    X = uniform(n, 4, 5)
    return noisy(X, np.where(X[:, 0] > 0.2, 1.0, 0.0) + 2.0 * (X[:, 1] > X[:, 0]), 0.2, 6)


def three_inputs(n=1000):
    """A product of three inputs, and a sine."""
    X = uniform(n, 5, 7)
    return noisy(X, X[:, 0] * X[:, 1] * X[:, 2] + 0.3 * np.sin(3 * X[:, 3]), 0.1, 8)


def products_dependent(n=700):
    """A product of correlated inputs."""
    X = correlated(n, 4, 9)
    return noisy(X, X[:, 0] * X[:, 1] + np.abs(X[:, 2]), 0.3, 10)


def worst_area():
    """The largest cell of a sample from the ten means of its cells."""
    X = datasets.load_breast_cancer().data
    return X[:, :10], X[:, 23]


def alcohol():
    """The alcohol of wines from the other twelve measurements."""
    X = datasets.load_wine().data
    return X[:, 1:], X[:, 0]


REGRESSION = {
    "diabetes": lambda: datasets.load_diabetes(return_X_y=True),
    "friedman1, noise": lambda: datasets.make_friedman1(500, noise=1.0, random_state=0),
    "friedman2": lambda: datasets.make_friedman2(500, random_state=1),
    "friedman3, noise": lambda: datasets.make_friedman3(500, noise=0.1, random_state=2),
    "linear": lambda: datasets.make_regression(600, 20, n_informative=10, noise=20.0, random_state=3),
    "swiss roll": lambda: datasets.make_swiss_roll(1000, noise=0.3, random_state=4),
    "products": products,
    "additive, dependent": additive_dependent,
    "steps": steps,
    "friedman1, few rows": lambda: datasets.make_friedman1(120, noise=1.0, random_state=5),
    # not looked at before the defaults were chosen
    "worst area": worst_area,
    "alcohol": alcohol,
    "friedman1": lambda: datasets.make_friedman1(1000, random_state=6),
    "friedman2, noise": lambda: datasets.make_friedman2(1000, noise=100.0, random_state=7),
    "friedman3": lambda: datasets.make_friedman3(800, random_state=8),
    "sparse": lambda: datasets.make_sparse_uncorrelated(600, 10, random_state=9),
    "s curve": lambda: datasets.make_s_curve(1000, noise=0.1, random_state=10),
    "three inputs": three_inputs,
    "products, dependent": products_dependent,
    "friedman2, few rows": lambda: datasets.make_friedman2(150, random_state=11),
}


def crossed(n=500):
    """Opposite signs of two of four inputs, one label in ten wrong."""
    X = uniform(n, 4, 12)
    wrong = np.random.default_rng(13).random(n) < 0.1
    return X, (X[:, 0] * X[:, 1] > 0) ^ wrong


def some_digits():
    """600 of the handwritten digits."""
    X, y = datasets.load_digits(return_X_y=True)
    return X[:600], y[:600]


CLASSIFICATION = {
    "breast cancer": lambda: datasets.load_breast_cancer(return_X_y=True),
    "moons": lambda: datasets.make_moons(500, noise=0.3, random_state=0),
    "circles": lambda: datasets.make_circles(500, noise=0.2, factor=0.5, random_state=1),
    "clusters": lambda: datasets.make_classification(600, 20, n_informative=5, random_state=2),
    "digits": some_digits,
    # not looked at before the defaults were chosen
    "wine": lambda: datasets.load_wine(return_X_y=True),
    "iris": lambda: datasets.load_iris(return_X_y=True),
    "quantiles": lambda: datasets.make_gaussian_quantiles(n_samples=600, n_features=4, n_classes=3, random_state=3),
    "sum of squares": lambda: datasets.make_hastie_10_2(1000, random_state=4),
    "crossed": crossed,
}
