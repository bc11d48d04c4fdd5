"""Mutation operators: each finds places in a source and says what stands there instead.

Most make special cases wrong: thresholds off by one, ends, branches of order 1 or of one sample, rules outside the
domain, free knots, the direction of rounding, terms of sums, quantifiers.
"""

import ast
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """One mistake: the file, its place, what stands there and what takes its place."""

    file: str
    operator: str
    line: int
    start: int
    end: int
    before: str
    after: str

    @property
    def name(self) -> str:
        """The mistake in one line."""
        short = [" ".join(text.split())[:60] for text in (self.before, self.after)]
        return f"{self.file}:{self.line} {self.operator}: {short[0]} -> {short[1]}"

    def applied(self, source: str) -> str:
        """Return the source with the mistake; places are counted in bytes."""
        text = source.encode()
        return (text[: self.start] + self.after.encode() + text[self.end :]).decode()


Found = Iterator[tuple[ast.AST, str]]
"""Nodes, and what takes their place."""

OTHER_COMPARISON = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
}  # fmt: skip
OTHER_NAME = {
    "all": "any", "any": "all", "min": "max", "max": "min", "floor": "ceil", "ceil": "floor", "minimum": "maximum",
    "maximum": "minimum", "lo": "hi", "hi": "lo", "low": "high", "high": "low", "first": "last", "last": "first",
}  # fmt: skip
OTHER_TEXT = {
    "left": "right", "right": "left", "natural": "polynomial", "polynomial": "linear", "linear": "polynomial",
    "mean-std": "min-max", "min-max": "mean-std", "relu": "scaled-relu", "scaled-relu": "relu",
}  # fmt: skip
SPECIAL = re.compile(
    r"order|degree|size|shape|len\(|count|n_samples|free|natural|outside|== [01]\b|not \w|is None|clamped"
)
"""What conditions of special cases mention."""


def compared(tree: ast.AST) -> Found:
    """The end of a range belongs to the other side: < becomes <=."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in OTHER_COMPARISON:
            other = ast.Compare(node.left, [OTHER_COMPARISON[type(node.ops[0])]()], node.comparators)
            yield node, f"({ast.unparse(other)})"


def thresholds(tree: ast.AST) -> Found:
    """A whole number in a comparison, or a constant of the module, is off by one."""
    for node in ast.walk(tree):
        numbers = []
        if isinstance(node, ast.Compare):
            numbers = [node.left, *node.comparators]
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
            numbers = [node.value]
        for number in numbers:
            if isinstance(number, ast.Constant) and type(number.value) is int:
                yield number, str(number.value + 1)
                yield number, str(number.value - 1)


def ends(tree: ast.AST) -> Found:
    """A range or a slice ends one item too early, or begins one too late."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "range":
            yield (
                node.args[-1 if len(node.args) < 3 else 1],
                f"({ast.unparse(node.args[min(len(node.args), 2) - 1])}) - 1",
            )
        if isinstance(node, ast.Slice) and node.lower is not None and isinstance(node.lower, ast.Constant):
            yield node.lower, str(node.lower.value + 1)
        if isinstance(node, ast.Slice) and node.upper is not None and node.step is None:
            yield node.upper, f"({ast.unparse(node.upper)}) - 1"


def indices(tree: ast.AST) -> Found:
    """The first item is taken for the last, and the last for the first."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript):
            text = ast.unparse(node.slice)
            if text in ("0", "-1"):
                yield node.slice, "-1" if text == "0" else "0"


def branches(tree: ast.AST) -> Found:
    """A special case is never, or always, treated as one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.IfExp) and SPECIAL.search(ast.unparse(node.test)):
            yield node.test, "False"
            yield node.test, "True"


def conjuncts(tree: ast.AST) -> Found:
    """One of several conditions is not asked."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BoolOp):
            for k in range(len(node.values)):
                rest = node.values[:k] + node.values[k + 1 :]
                made = rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
                yield node, f"({ast.unparse(made)})"


def terms(tree: ast.AST) -> Found:
    """A term of a sum is dropped, or has the other sign."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
            if isinstance(node.left, ast.Constant) and isinstance(node.left.value, str | bytes):
                continue
            yield node, f"({ast.unparse(node.left)})"
            yield (
                node,
                ast.unparse(ast.BinOp(node.left, ast.Sub() if isinstance(node.op, ast.Add) else ast.Add(), node.right)),
            )


def factors(tree: ast.AST) -> Found:
    """A factor is dropped."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and not isinstance(node.left, ast.List):
            yield node, f"({ast.unparse(node.left)})"
            yield node, f"({ast.unparse(node.right)})"


def names(tree: ast.AST) -> Found:
    """The other quantifier, extreme or direction of rounding."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in ("all", "any", "min", "max"):
            yield node, OTHER_NAME[node.id]
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and node.attr in OTHER_NAME:
            yield node, f"{ast.unparse(node.value)}.{OTHER_NAME[node.attr]}"


def texts(tree: ast.AST) -> Found:
    """The other side of a search, or the rule of another kind."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare | ast.keyword):
            parts = [node.value] if isinstance(node, ast.keyword) else [node.left, *node.comparators]
            for part in parts:
                if isinstance(part, ast.Constant) and part.value in OTHER_TEXT:
                    yield part, repr(OTHER_TEXT[part.value])


def rounding(tree: ast.AST) -> Found:
    """Rounding goes inwards: infinities and steps to the next float change their sign."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("nextafter") and len(node.args) == 2:
            yield node.args[1], f"-({ast.unparse(node.args[1])})"
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and "inf" in ast.unparse(node.operand):
            yield node, ast.unparse(node.operand)


OPERATORS: dict[str, Callable[[ast.AST], Found]] = {
    "comparison": compared,
    "threshold": thresholds,
    "end": ends,
    "index": indices,
    "branch": branches,
    "conjunct": conjuncts,
    "term": terms,
    "factor": factors,
    "name": names,
    "text": texts,
    "rounding": rounding,
}


def quiet_nodes(tree: ast.AST) -> set[int]:
    """Return the nodes that no test can judge: annotations, messages of errors, and what only type checkers read."""
    quiet: set[int] = set()
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.AnnAssign | ast.arg):
            parts = [node.annotation]
        elif isinstance(node, ast.FunctionDef):
            parts = [node.returns]
        elif isinstance(node, ast.Raise | ast.JoinedStr) or (
            isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        ):
            parts = [node]
        for part in parts:
            quiet |= {id(each) for each in ast.walk(part)} if part is not None else set()
    return quiet


def mutants_of(file: str, source: str) -> list[Mutant]:
    """Return all mutants of a file, including some that do not compile or do not differ."""
    tree, starts = ast.parse(source), [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    quiet, made = quiet_nodes(tree), []
    text = source.encode()
    for operator, find in OPERATORS.items():
        for node, after in find(tree):
            if id(node) not in quiet:
                start = starts[node.lineno - 1] + node.col_offset
                end = starts[node.end_lineno - 1] + node.end_col_offset
                made.append(Mutant(file, operator, node.lineno, start, end, text[start:end].decode(), after))
    return made


def is_valid(mutant: Mutant, source: str) -> bool:
    """Whether a mutant compiles, and differs from the source."""
    try:
        changed = ast.parse(mutant.applied(source))
    except SyntaxError:
        return False
    return ast.dump(changed) != ast.dump(ast.parse(source))


def draw(sources: dict[str, str], count: int, seed: int) -> list[Mutant]:
    """Draw mutants at random: each operator in turn, so that rare special cases are as frequent as comparisons."""
    rng = random.Random(seed)
    places: dict[str, list[tuple[str, int]]] = {operator: [] for operator in OPERATORS}
    every = [mutant for file, source in sorted(sources.items()) for mutant in mutants_of(file, source)]
    for k, mutant in enumerate(every):
        places[mutant.operator].append((mutant.file, k))
    drawn: list[Mutant] = []
    waiting = {operator: rng.sample(found, len(found)) for operator, found in places.items()}
    while len(drawn) < count and any(waiting.values()):
        for operator in rng.sample(sorted(waiting), len(waiting)):
            while waiting[operator] and len(drawn) < count:
                file, k = waiting[operator].pop()
                if is_valid(every[k], sources[file]):
                    drawn.append(every[k])
                    break
    return drawn
