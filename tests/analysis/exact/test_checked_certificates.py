"""Certificates are accepted by the program that shares no code with refkan, and forged ones are not."""

import copy
import json
import math
import re
from fractions import Fraction

import numpy as np
import pytest

import check_certificate
import refkan as rk
from refkan.analysis.exact.certificates.certified_network import certificate
from refkan.interop import read_model
from tests.interop.models import efficient_state, pykan_state

UNIT = [[0.0, 1.0]]


def initialized(net, seed=0, count=12):
    x = np.random.default_rng(seed).uniform(size=(count, net.widths[0]))
    return net.initialize(np.random.default_rng(seed + 1), x), x


def built(*arguments, **options):
    return lambda folder: initialized(rk.kan(*arguments, **options))


def trained(folder):
    x = np.random.default_rng(3).uniform(size=(40, 2))
    y = 2 * x[:, :1] + np.exp(x[:, 1:])
    (net, theta), _ = initialized(rk.kan([2, 3, 1], 3, 2))
    theta = rk.minimize(rk.LeastSquares(net, x, y), theta, "levenberg-marquardt", steps=5).theta
    return (net, theta), x[:12]


def imported(make):
    def read(folder):
        rng = np.random.default_rng(5)
        np.savez(folder / "model.npz", **make(rng, [2, 2, 1]))
        return read_model(folder / "model.npz"), rng.uniform(size=(12, 2))

    return read


NETWORKS = {
    "one edge": built([1, 1], 3, 2),
    "natural tails": built([1, 2, 1], 4, 3, outside="natural"),
    "ReLU powers": built([2, 2, 1], 2, 3, basis="relu"),
    "scaled powers, polynomial tails": built([2, 2, 1], 3, 2, basis="scaled-relu", outside="polynomial"),
    "sigmoid maps, two outputs": built([2, 2, 2], 3, 2, node_map="sigmoid"),
    "mean and std, three inputs": built([3, 2, 1], 3, 2, node_map="mean-std"),
    "three layers, min-max": built([2, 2, 2, 1], 3, 2, node_map="min-max"),
    "free knots": built([1, 2, 1], 3, 3, free_knots=True),
    "errors outside": built([1, 2, 1], 3, 2, outside="error", node_map="sigmoid"),
    "silu": built([1, 2, 1], 4, 3, edge="silu"),
    "Chebyshev": lambda folder: initialized(rk.chebyshev_kan([2, 2, 1], 4)),
    "trained": trained,
    "pykan": imported(pykan_state),
    "efficient-kan": imported(efficient_state),
}


def checked(data, folder, capsys):
    """Exit code of the checker and its lines."""
    file = folder / "certificate.json"
    file.write_text(data if isinstance(data, str) else json.dumps(data))
    capsys.readouterr()
    code = check_certificate.main([str(file)])
    out, err = capsys.readouterr()
    assert not err
    return code, [line for line in out.splitlines() if not line.startswith("unknown   the network")]


@pytest.mark.parametrize("name", NETWORKS)
def test_certificates_are_accepted_and_true(name, tmp_path, capsys):
    (net, theta), x = NETWORKS[name](tmp_path)
    box = rk.exact.bounding_box(x)
    y = net(theta, x) + 0.01
    data = certificate(net, theta, box, (x, y), tolerance=0.2, budget=150) | {"about": {}}
    code, lines = checked(data, tmp_path, capsys)
    assert code == 0, lines
    kinds = {statement["kind"] for statement in data["statements"]}
    assert {"range", "lipschitz", "residual"} <= kinds
    assert "rank" in kinds or any(row["statement"].startswith("rank") for row in data["unproven"])
    # Points at random are within what is stated, which is as close as asked for, or said not to be.
    missed = {row["statement"] for row in data["unproven"]}
    assert name in ("pykan", "efficient-kan") or not any(subject.startswith("range") for subject in missed)
    points = np.random.default_rng(9).uniform(*box.T, size=(2000, len(box)))
    values = net(theta, points)
    slopes = np.linalg.norm(np.diff(values, axis=0), axis=1) / np.linalg.norm(np.diff(points, axis=0), axis=1)
    for statement in data["statements"]:
        number = {k: float.fromhex(v) for k, v in statement.items() if isinstance(v, str) and "0x" in v}
        q = statement.get("output")
        if statement["kind"] == "range":
            F = values[:, q]
            assert number["low"] <= F.min() <= F.max() <= number["high"]
            low, high = rk.exact.enclose(net, theta, box).value[q]
            assert low <= F.min() <= F.max() <= high
            length = number["greatest"] - number["least"]
            assert f"range of output {q + 1}" in missed or number["high"] - number["low"] <= 1.4000001 * length
        if statement["kind"] == "lipschitz":
            assert slopes.max() <= number["high"]
            assert "Lipschitz constant" in missed or number["high"] <= 1.2000001 * number["low"]
        if statement["kind"] == "scaled lipschitz":
            apart = np.linalg.norm(np.diff(points / np.diff(box).T, axis=0), axis=1)
            assert (np.linalg.norm(np.diff(values, axis=0), axis=1) / apart).max() <= number["high"]
        if statement["kind"] == "residual":
            assert np.abs([number["low"] - 0.01, number["high"] - 0.01]).max() < 1e-12


@pytest.mark.parametrize(("box", "unit"), [([0.25, 0.75], [0.0, 1.0]), ([0.5, 0.5], [0.5, 0.5])])
def test_the_scaled_constant_is_that_of_the_network_over_the_unit_cube(box, unit, tmp_path, capsys):
    """The same coefficients on domains of other lengths; an input that does not vary in the box has no part in it."""
    (net, theta), _ = initialized(rk.kan([2, 2, 1], 3, 2))
    wide = rk.kan([2, 2, 1], 3, 2, domain=[[5.0, 37.0], [0.25, 0.75]])
    wide = rk.Network((wide.layers[0], net.layers[1]), net.node_maps)
    data = certificate(wide, theta, np.array([[5.0, 37.0], box]), tolerance=0.1, budget=400) | {"about": {}}
    plain, scaled = data["statements"] = [s for s in data["statements"] if s["kind"].endswith("lipschitz")]
    code, lines = checked(data, tmp_path, capsys)
    assert code == 0, lines
    low, high = (float.fromhex(scaled[end]) for end in ("low", "high"))
    x = np.column_stack([np.linspace(0, 1, 20001), np.full(20001, 0.5)])
    steepest = np.abs(net.jet(theta, x, first=[[1.0, 0.0]], orders=1).first).max()  # along the side that has a length
    expected = (
        rk.exact.lipschitz_constant(net, theta, [UNIT[0], unit], tolerance=1e-3) if unit[0] == 0 else [steepest] * 2
    )
    assert low <= expected[1]
    assert expected[0] <= high
    if unit[0] == 0:
        assert high <= 1.1 * low
        for statement, other in ((plain, "scaled lipschitz"), (scaled, "lipschitz")):
            code, (line, _) = checked(data | {"statements": [statement | {"kind": other}]}, tmp_path, capsys)
            assert code == 1
            assert re.search("show .* alone|not excluded", line)


@pytest.mark.parametrize("edge", ["spline", "silu"])
def test_an_input_that_nothing_depends_on_is_constant(edge, tmp_path, capsys):
    (net, theta), _ = initialized(rk.kan([2, 2, 1], 3, 2, edge=edge))
    theta = theta.copy()
    for block in net.unpack(theta)[0].values():
        block[:, 1] = 0.0
    data = certificate(net, theta, np.array(UNIT * 2), budget=50) | {"about": {}}
    assert [s["direction"] for s in data["statements"] if s["kind"] == "monotone" and s["input"] == 1] == ["constant"]
    assert checked(data, tmp_path, capsys)[0] == 0


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """A network that rises with its first input and does neither with its second, with every kind of statement."""
    (net, theta), x = initialized(rk.kan([2, 2, 1], 3, 2), count=30)
    first, last = (blocks["coefficients"].copy() for blocks in net.unpack(theta))
    first[:] = 0.0
    first[0, 0], first[1, 1] = [0.0, 0.2, 0.5, 0.9], [0.1, 0.9, 0.1, 0.4]
    last[0, 0], last[0, 1] = [0.0, 0.4, 0.7, 1.3], [0.2, 0.5, 0.9, 1.0]
    theta = np.concatenate([first.ravel(), last.ravel()])
    data = certificate(net, theta, np.array(UNIT * 2), (x, net(theta, x) + 0.01), tolerance=0.05, budget=200)
    data["about"] = {}
    kinds = [statement["kind"] for statement in data["statements"]]
    assert kinds == ["range", "monotone", "not monotone", "lipschitz", "residual", "rank", "condition"]
    return data


RANGE, MONOTONE, NEITHER, LIPSCHITZ, RESIDUAL, RANK, CONDITION = range(7)


def moved(value, towards):
    """The next float."""
    return math.nextafter(float.fromhex(value), towards).hex()


def set_to(k, **fields):
    return lambda data: data["statements"][k].update(fields)


def changed(k, name, function):
    def change(data):
        data["statements"][k][name] = function(data["statements"][k][name])

    return change


def of_network(change):
    return lambda data: change(data["network"]["layers"])


def without(k, name):
    return lambda data: data["statements"][k].pop(name)


FORGED = {
    "least too low": (changed(RANGE, "least", lambda v: (float.fromhex(v) - 1e-12).hex()), "at most"),
    "greatest too high": (changed(RANGE, "greatest", lambda v: (float.fromhex(v) + 1e-12).hex()), "at least"),
    "low above what is attained": (lambda d: d["statements"][0].update(low=d["statements"][0]["greatest"]), "not excl"),
    "high below what is attained": (lambda d: d["statements"][0].update(high=d["statements"][0]["least"]), "not excl"),
    "a leaf removed": (changed(RANGE, "leaves", lambda v: v[:-1]), "parts of it are missing"),
    "the first leaf removed": (changed(RANGE, "leaves", lambda v: v.replace(".", "", 1)), "missing"),
    "a leaf twice": (changed(RANGE, "leaves", lambda v: v + "."), "covered already"),
    "no leaves": (set_to(RANGE, leaves=""), "missing"),
    "one leaf for all": (set_to(RANGE, leaves="."), "not excluded"),
    "a cut of no input": (changed(RANGE, "leaves", lambda v: v.replace("a", "c", 1)), "is no input"),
    "a cut of no letter": (changed(RANGE, "leaves", lambda v: v.replace("a", " ", 1)), "is no input"),
    "leaves as a list": (changed(RANGE, "leaves", list), "must be a text"),
    "cuts beyond floats": (set_to(RANGE, leaves="a" * 3000 + "." * 3001), "no float lies inside"),
    "a point outside": (set_to(RANGE, least_at=["0x1.1p+0", "0x0.0p+0"]), "outside the box"),
    "a point of another dimension": (set_to(RANGE, least_at=["0x0.0p+0"]), "must have 2 entries"),
    "another output": (set_to(RANGE, output=1), "output must be"),
    "output as a truth value": (set_to(RANGE, output=False), "output must be"),
    "NaN as text": (set_to(RANGE, low="nan"), "no finite float64"),
    "infinity as text": (set_to(RANGE, high="inf"), "no finite float64"),
    "beyond float64": (set_to(RANGE, high="0x1.0p+1024"), "no finite float64"),
    "a decimal number": (set_to(RANGE, high=1.0), "must be a text"),
    "a field missing": (without(RANGE, "greatest_at"), "lacks greatest_at"),
    "a field more": (set_to(RANGE, note="as agreed"), "not known"),
    "an unknown kind": (set_to(RANGE, kind="convex"), "kind that is not known"),
    "decreasing": (set_to(MONOTONE, direction="decreasing"), "not decreasing"),
    "of the other input": (set_to(MONOTONE, input=1), "not increasing"),
    "a steeper slope": (changed(MONOTONE, "slope", lambda v: (2 * float.fromhex(v)).hex()), "not increasing by"),
    "no slope": (set_to(MONOTONE, slope="0x0.0p+0"), "must be positive"),
    "constant": (set_to(MONOTONE, direction="constant"), "not constant"),
    "sideways": (set_to(MONOTONE, direction="sideways"), "not known"),
    "rises and falls swapped": (lambda d: d["statements"][2].update(
        rises=d["statements"][2]["falls"], falls=d["statements"][2]["rises"]), "the change is"),
    "neither in an input that rises": (set_to(NEITHER, input=0), "upwards"),
    "segments downwards": (changed(NEITHER, "rises", lambda v: v[::-1]), "upwards"),
    "a segment of one point": (changed(NEITHER, "rises", lambda v: v[:1]), "must have 2 entries"),
    "a segment across": (changed(NEITHER, "rises", lambda v: [["0x1.23p-3", v[0][1]], v[1]]), "other inputs"),
    "a larger constant below": (lambda d: d["statements"][3].update(low=d["statements"][3]["high"]), "alone"),
    "a smaller constant above": (lambda d: d["statements"][3].update(high=d["statements"][3]["low"]), "not excluded"),
    "the same point twice": (changed(LIPSCHITZ, "points", lambda v: [v[0], v[0]]), "the same"),
    "a negative constant": (changed(LIPSCHITZ, "low", lambda v: f"-{v}"), "negative"),
    "a smaller residual": (changed(RESIDUAL, "high", lambda v: (float.fromhex(v) * (1 - 1e-9)).hex()), "more than"),
    "a larger residual": (changed(RESIDUAL, "low", lambda v: (float.fromhex(v) * (1 + 1e-9)).hex()), "less than"),
    "a sample that is none": (set_to(RESIDUAL, sample=30), "sample must be"),
    "a prime that divides the minor": (set_to(RANK, prime=2), "modulo 2"),
    "a prime of one": (set_to(RANK, prime=1), "prime must be"),
    "a row twice": (changed(RANK, "rows", lambda v: [v[0], v[0], *v[2:]]), "zero modulo"),
    "a row less": (changed(RANK, "rows", lambda v: v[1:]), "rows must have"),
    "a column that is none": (changed(RANK, "columns", lambda v: [99, *v[1:]]), "a column must be"),
    "a higher rank": (set_to(RANK, low=24), "must have 24 entries"),
    "a lower rank": (lambda d: d["statements"][5].update(
        low=1, high=1, rows=d["statements"][5]["rows"][:1], columns=d["statements"][5]["columns"][:1]), "null vectors"),
    "no null vectors": (set_to(RANK, null=[]), "null vectors"),
    "a null vector twice": (changed(RANK, "null", lambda v: [v[0], v[0], *v[2:]]), "not independent"),
    "a wrong null vector": (changed(RANK, "null", lambda v: [["1/3", *v[0][1:]], *v[1:]]), "J Z is not zero"),
    "a quotient by zero": (changed(RANK, "null", lambda v: [["1/0", *v[0][1:]], *v[1:]]), "denominator 0"),
    "a smallest eigenvalue too large": (changed(CONDITION, "smallest", lambda v: [v[1], v[1]]), "below"),
    "a largest eigenvalue too small": (changed(CONDITION, "largest", lambda v: [v[0], v[0]]), "not below"),
    "eigenvalues too few": (changed(CONDITION, "rank", lambda r: r - 1), "needs an accepted rank"),
    "a coefficient changed": (of_network(lambda l: l[1]["coefficients"][0][0].__setitem__(3, "0x1.9p+1")), ""),
    "a knot moved": (of_network(lambda l: l[0]["knots"][0].__setitem__(3, "0x1.2p-1")), ""),
    "a sample moved": (lambda d: d["samples"]["x"][0].__setitem__(0, "0x1.8p-1"), ""),
    "a larger box": (lambda d: d["box"][0].__setitem__(1, "0x1.8p+0"), ""),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_forged_statements_are_rejected_by_name(name, honest, tmp_path, capsys):
    forge, reason = FORGED[name]
    data = copy.deepcopy(honest)
    forge(data)
    pairs = zip(honest["statements"], data["statements"], strict=True)
    forged = [k for k, (old, new) in enumerate(pairs) if json.dumps(old) != json.dumps(new)]
    if not forged:
        del data["statements"][CONDITION]  # which takes most of the time
    elif forged != [CONDITION]:  # others are of a kind that takes next to none
        quick = honest["statements"][NEITHER]
        data["statements"] = [one if k in forged else quick for k, one in enumerate(data["statements"])]
    code, lines = checked(data, tmp_path, capsys)
    assert code == 1
    rejected = [line for line in lines if line.startswith("rejected")]
    for k in forged:
        assert rejected[0].startswith(f"rejected  statement {k + 1} "), lines
    assert reason in rejected[0], lines


WRONG_FILES = {
    "empty": lambda text: "",
    "cut short": lambda text: text[: len(text) // 2],
    "no JSON": lambda text: "certificate",
    "a list": lambda text: f"[{text}]",
    "NaN": lambda text: text.replace('"0x0.0p+0"', "NaN", 1),
    "infinity": lambda text: text.replace('"0x0.0p+0"', "Infinity", 1),
    "a field twice": lambda text: text.replace('"order": 3', '"order": 3, "order": 3', 1),
    "the order as text": lambda text: text.replace('"order": 3', '"order": "3"', 1),
    "an order of 10^9": lambda text: text.replace('"order": 3', '"order": 1000000000', 1),
    "order 1, which jumps": lambda text: text.replace('"order": 3', '"order": 1', 1),
    "no statements": lambda text: json.dumps(json.loads(text) | {"statements": []}),
    "another format": lambda text: text.replace("certificate 2", "certificate 3", 1),
    "deep": lambda text: "[" * 100_000,
    "an empty box": lambda text: json.dumps(json.loads(text) | {"box": [["0x1.0p+0", "0x0.0p+0"]] * 2}),
    "no layers": lambda text: json.dumps(json.loads(text) | {"network": {"layers": [], "maps": []}}),
    "a page without one": lambda text: "<html></html>",
}


@pytest.mark.parametrize("name", WRONG_FILES)
def test_files_that_are_no_certificates_are_rejected(name, honest, tmp_path, capsys):
    text = WRONG_FILES[name](json.dumps(honest))
    assert text != json.dumps(honest)
    code, lines = checked(text, tmp_path, capsys)
    assert (code, len(lines), lines[0][:20]) == (1, 1, "rejected  the file: "), lines
    assert check_certificate.main([str(tmp_path / "missing.json")]) == 1


def test_bounds_hold_to_the_last_float(honest, tmp_path, capsys):
    """What the leaves prove is accepted, a float more is not."""
    proven = check_certificate.Certificate(json.dumps(honest))
    statement = honest["statements"][RANGE]
    leaves = check_certificate.leaves(statement["leaves"], proven.box, proven.network)
    found = [proven.network.sweep(leaf)[0][0] for leaf in leaves]
    least, greatest = min(f[0] for f in found), max(f[1] for f in found)
    low, high = float(least), float(greatest)
    low = low if Fraction(low) <= least else math.nextafter(low, -math.inf)
    high = high if Fraction(high) >= greatest else math.nextafter(high, math.inf)
    tight = dict(statement, low=low.hex(), high=high.hex())
    assert "minimum" in proven.check(tight)
    for field, towards in (("low", math.inf), ("high", -math.inf)):
        with pytest.raises(check_certificate.RejectedError, match="not excluded"):
            proven.check(tight | {field: moved(tight[field], towards)})


def places(data, path=()):
    if isinstance(data, dict | list):
        for key in data if isinstance(data, dict) else range(len(data)):
            yield (*path, key)
            yield from places(data[key], (*path, key))


@pytest.mark.exhaustive
def test_no_change_of_a_file_brings_the_checker_down(honest, tmp_path, capsys):
    rng = np.random.default_rng(0)
    where = [path for path in places(honest) if path[0] not in ("about", "unproven")]
    strange = [None, True, -1, 10**30, 1.5, "", "x", "0x1.8p+0", "-0x1.8p+900", [], {}, [[]], {"kind": "rank"}]
    accepted = 0
    for k in rng.choice(len(where), size=40, replace=False).tolist():
        data = copy.deepcopy(honest)
        *folders, last = where[k]
        holder = data
        for key in folders:
            holder = holder[key]
        holder[last] = strange[int(rng.integers(len(strange)))]
        if where[k][:2] != ("statements", CONDITION) and isinstance(data["statements"], list):
            del data["statements"][CONDITION:]
        code, lines = checked(data, tmp_path, capsys)
        assert lines[-1].endswith("accepted") or lines[0].startswith("rejected"), lines
        accepted += code == 0
    assert accepted <= 4  # a null vector or an end of bounds may be another one that holds
