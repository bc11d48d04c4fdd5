"""Experiments: what their description leaves open, factors with the values that may be chosen, and their cells."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from refkan.base.annotations import Checked, check_annotated

Choice = Mapping[str, str]
"""A value for each of some factors."""


class Factor(Checked):
    """A detail that an experiment leaves open, with its possible values, the default first.

    `meaning` says what it is. With `number` any positive whole number is a value, and `values` holds the default alone.

    Examples
    --------
    >>> from refkan.claims import Factor
    >>> Factor("start", ("linear", "normal"), meaning="how coefficients begin").check("normal")
    'normal'
    >>> Factor("epochs", ("50",), number=True).check("no")
    Traceback (most recent call last):
    ValueError: epochs must be a positive whole number; got 'no'
    """

    name: str
    values: tuple[str, ...]
    meaning: str = ""
    number: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.name or set(self.name) & set("=,"):
            raise ValueError(f"name must be a text without = and , which separate factors; got {self.name!r}")
        if not self.values or len(set(self.values)) < len(self.values) or (len(self.values) > 1 and self.number):
            wanted = "the default alone, a number" if self.number else "one value or more, each once, the default first"
            raise ValueError(f"values of factor {self.name!r} must be {wanted}; got {self.values}")
        if self.number:
            self.check(self.values[0])

    def check(self, value: str) -> str:
        """Return the value, or raise ValueError with the existing values if there is no such value."""
        if self.number:
            if value.isdecimal() and int(value) > 0:
                return str(int(value))
            raise ValueError(f"{self.name} must be a positive whole number; got {value!r}")
        if value not in self.values:
            raise ValueError(f"{self.name} must be one of {', '.join(self.values)}; got {value!r}")
        return value


class Experiment(Checked):
    """An experiment whose cells can be run one at a time: its factors, and a function that runs one choice for a seed.

    Examples
    --------
    >>> from refkan.claims.experiments import Choice
    >>> from refkan.claims import Experiment, Factor
    >>> factors = Factor("start", ("linear", "normal")), Factor("batch", ("all", "64"))
    >>> experiment = Experiment(factors, lambda choice, seed: {})
    >>> chosen: Choice = experiment.choose("start=normal")
    >>> chosen
    {'start': 'normal', 'batch': 'all'}
    """

    factors: tuple[Factor, ...]
    run: Callable[[Choice, int], Mapping[str, Any]]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_names(self.factors)

    def choose(self, text: str = "") -> dict[str, str]:
        """Parse "name=value,name=value" into a value for every factor; factors that are not named have their defaults.

        Raises
        ------
        ValueError
            For an unknown factor or value, or a factor named twice; the message lists those that exist.
        """
        check_annotated(Experiment.choose, locals())
        known = {factor.name: factor for factor in self.factors}
        chosen: dict[str, str] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, equals, value = (piece.strip() for piece in part.partition("="))
            if not equals:
                raise ValueError(f"a cell is written name=value,name=value; got {part!r}. {self.describe()}")
            if name not in known:
                raise ValueError(f"no factor is called {name!r}. {self.describe()}")
            if name in chosen:
                raise ValueError(f"{name} is given twice")
            chosen[name] = known[name].check(value)
        return {factor.name: chosen.get(factor.name, factor.values[0]) for factor in self.factors}

    def describe(self) -> str:
        """Write all factors with their values, on one line."""
        parts = [
            f"{f.name}={'any number, default ' + f.values[0] if f.number else '|'.join(f.values)}" for f in self.factors
        ]
        return f"Factors: {', '.join(parts)}"


def check_names(factors: Iterable[Factor]) -> None:
    """Raise ValueError if two factors have one name, of which a choice could name only one."""
    names = [factor.name for factor in factors]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise ValueError(f"factors must have names that differ; got {twice[0]!r} twice")


def written(choice: Choice) -> str:
    """Write a choice as `Experiment.choose` reads it."""
    return ",".join(f"{name}={value}" for name, value in choice.items())
