"""The checker of certificates: which network it checked, pages that say other things, hostile files, far sigmoids."""

import hashlib
import json
import math
import os
import re
from fractions import Fraction

import mpmath
import numpy as np
import pytest

import check_certificate
import refkan as rk
from refkan.analysis.exact.certificates.certified_network import certificate
from tests.analysis.exact.test_checked_certificates import UNIT, initialized

NETWORKS = {
    "affine": rk.kan([2, 2, 1], 3, 2),
    "none": rk.kan([2, 2, 1], 3, 2, node_map="none", outside="error"),
    "relu": rk.kan([2, 2, 1], 2, 3, basis="relu"),
    "scaled-relu": rk.kan([2, 2, 1], 3, 2, basis="scaled-relu", node_map="sigmoid"),
    "Chebyshev": rk.chebyshev_kan([2, 2, 1], 4),
    "SiLU, two outputs": rk.kan([2, 2, 2], 3, 2, edge="silu"),
    "free knots, SiLU": rk.kan([2, 2, 1], 3, 2, edge="silu", free_knots=True),
    "mean-std": rk.kan([2, 2, 1], 3, 2, node_map="mean-std"),
    "min-max": rk.kan([2, 2, 1], 3, 2, node_map="min-max"),
}


def written(folder, net, names=None, samples=False, box=None):
    """A network in a file, and its certificate in another and in a page; the data."""
    (net, theta), x = initialized(net)
    rk.save(folder / "net.npz", net, theta)
    side = np.array(UNIT * net.widths[0]) if box is None else np.array(box)
    pair = (x, net(theta, x) + 0.01) if samples else None
    data = certificate(net, theta, side, pair, tolerance=0.5, budget=8)
    columns = [f"x{k + 1}" for k in range(net.widths[0])] + [f"y{k + 1}" for k in range(net.widths[-1])]
    data["about"] = {
        "file": "net.npz",
        "sha256": hashlib.sha256((folder / "net.npz").read_bytes()).hexdigest(),
        "network": str(net),
        "names": names or columns,
        "tolerance": 0.5,
        "refkan": rk.__version__,
    }
    write(folder, data)
    return data


def write(folder, data):
    (folder / "certificate.json").write_text(json.dumps(data))
    (folder / "page.html").write_text(check_certificate.page(data))


def checked(capsys, *arguments):
    capsys.readouterr()
    code = check_certificate.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert not err
    return code, out.splitlines()


# ---------------------------------------------------------------- of which network


@pytest.mark.parametrize("name", NETWORKS)
def test_the_network_of_a_certificate_is_that_of_its_file(name, tmp_path, capsys):
    written(tmp_path, NETWORKS[name])
    code, lines = checked(capsys, tmp_path / "certificate.json", "--network", tmp_path / "net.npz")
    assert code == 0, lines
    assert lines[0].startswith("accepted  the network: net.npz has the SHA-256 that is named, and the numbers")
    assert ("were not recomputed" in lines[0]) == (name in ("free knots, SiLU", "mean-std", "min-max"))
    code, lines = checked(capsys, tmp_path / "certificate.json")
    assert code == 0
    assert lines[0].startswith("unknown   the network: not compared with a file; the certificate names SHA-256")


def changed_in(data, *path):
    """Change a number by half of it."""
    holder = data
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = (float.fromhex(holder[path[-1]]) * 1.5 + 2.0**-10).hex()


@pytest.mark.parametrize(
    "path",
    [
        ("layers", 0, "coefficients", 1, 0, 2),
        ("layers", 1, "coefficients", 0, 1, 3),
        ("layers", 0, "base", 1, 1),
        ("layers", 1, "scale", 0, 0),
        ("layers", 0, "knots", 1, 6),
        ("maps", 0, "scale", 1),
    ],
)
def test_each_number_of_the_network_is_compared(path, tmp_path, capsys):
    data = written(tmp_path, rk.kan([2, 2, 1], 3, 2, edge="silu"))
    changed_in(data["network"], *path)
    write(tmp_path, data)
    code, lines = checked(capsys, tmp_path / "certificate.json", "--network", tmp_path / "net.npz")
    assert code == 1
    assert lines[0].startswith("rejected  the network: the network, "), lines[0]
    assert "the file has" in lines[0]


def test_a_network_of_another_file_is_rejected(tmp_path, capsys):
    data = written(tmp_path, NETWORKS["affine"])
    (net, theta), _ = initialized(NETWORKS["affine"], seed=5)
    rk.save(tmp_path / "other.npz", net, theta)
    code, lines = checked(capsys, tmp_path / "certificate.json", "--network", tmp_path / "other.npz")
    assert code == 1
    assert "the certificate names a file of SHA-256" in lines[0]
    data["about"]["sha256"] = hashlib.sha256((tmp_path / "other.npz").read_bytes()).hexdigest()
    write(tmp_path, data)
    code, lines = checked(capsys, tmp_path / "page.html", "--network", tmp_path / "other.npz")
    assert code == 1
    assert lines[1].startswith("rejected  the network: the network, layers 1, coefficients")


def test_a_file_that_is_no_archive_of_refkan_is_compared_by_its_digest(tmp_path, capsys):
    data = written(tmp_path, NETWORKS["affine"])
    (tmp_path / "model.pt").write_bytes(b"weights")
    data["about"]["sha256"] = hashlib.sha256(b"weights").hexdigest()
    write(tmp_path, data)
    code, lines = checked(capsys, tmp_path / "certificate.json", "--network", tmp_path / "model.pt")
    assert code == 0
    assert "its numbers were not read, as it is no archive of refkan" in lines[0]


# ---------------------------------------------------------------- pages


def test_a_page_says_what_its_data_say(tmp_path, capsys):
    written(tmp_path, NETWORKS["affine"], names=["width", "<b>", "force & more"], samples=True)
    code, lines = checked(capsys, tmp_path / "page.html")
    assert code == 0, lines
    assert lines[0] == "accepted  the page: its text is that of its data"


SCRIPT = re.compile(r'<script type="application/json" id="certificate">.*?</script>', re.DOTALL)
PAGES = {
    "another number": lambda page: re.sub(r"minimum in \[-?\d", "minimum in [9", page, count=1),
    "another digest": lambda page: re.sub(r"SHA-256 of the file: \w", "SHA-256 of the file: g", page),
    "another file": lambda page: page.replace("Certificate of net.npz", "Certificate of other.npz"),
    "another column": lambda page: page.replace("range of y1", "range of y2"),
    "a word more": lambda page: page.replace("<h2>Proven</h2>", "<h2>Proven for all x</h2>"),
    "a statement more": lambda page: page.replace("</table>", "<tr><th>y1</th><td>is convex</td></tr></table>", 1),
    "two certificates": lambda page: page.replace("</body>", f"{SCRIPT.search(page)[0]}</body>"),
    "a certificate in a comment": lambda page: SCRIPT.sub(lambda found: f"<!-- {found[0]} -->", page),
    "one in a comment and another": lambda page: page.replace("<h1>", f"<!-- {SCRIPT.search(page)[0]} --><h1>"),
}


@pytest.mark.parametrize("name", PAGES)
def test_pages_that_say_something_else_are_rejected(name, tmp_path, capsys):
    written(tmp_path, NETWORKS["affine"])
    page = (tmp_path / "page.html").read_text()
    altered = PAGES[name](page)
    assert altered != page
    (tmp_path / "page.html").write_text(altered)
    code, lines = checked(capsys, tmp_path / "page.html")
    assert (code, len(lines)) == (1, 1), lines
    assert re.match(r"rejected  the file: (the text of the page is not|the page holds more than one)", lines[0])


def test_statements_name_their_network(tmp_path, capsys):
    """Rank and condition of a network with statistics are those with constants, and those of the given one."""
    (net, theta), x = initialized(rk.kan([2, 3, 1], 3, 2, node_map="mean-std", outside="polynomial"), count=60)
    data = certificate(net, theta, np.array(UNIT * 2), (x, x[:, :1]), tolerance=0.5, budget=8)
    data["about"] = {"file": "n", "sha256": "", "network": str(net), "names": ["a", "b", "c"]}
    assert {statement["network"] for statement in data["statements"]} == {"fixed"}
    given = rk.exact.certified_rank(rk.LeastSquares(net, x, x[:, :1]), theta).rank
    (fixed,) = [statement["low"] for statement in data["statements"] if statement["kind"] == "rank"]
    assert (given, fixed) == (25, 28)
    for text in (check_certificate.text_of(data), re.sub(r"<th>|</th>|</?t[rd]>", "  ", check_certificate.page(data))):
        assert "about the network with fixed constants: the statistics of node maps" in text
        assert re.search(r"rank of the Jacobian, constants fixed +28\b", text)
        assert re.search(r"rank of the Jacobian of the network as given +25, of 36 parameters", text)
        assert re.search(r"condition of the Gauss-Newton matrix of the network as given +in \[", text)
        assert re.search("proven by refkan for the network as given, not by this certificate", text, re.IGNORECASE)
    write(tmp_path, data)
    data["statements"][0]["network"] = "given"
    data["statements"] = data["statements"][:1]
    write(tmp_path, data)
    code, lines = checked(capsys, tmp_path / "certificate.json")
    assert code == 1
    assert "a statement must be one about the network with fixed constants" in lines[1]


def test_the_rank_of_a_network_without_rational_values_is_proven_beside_the_certificate():
    (net, theta), x = initialized(rk.kan([1, 1], 3, 2, edge="silu"), count=20)
    data = certificate(net, theta, np.array(UNIT), (x, x), budget=8)
    assert data["given"]["constants"] == ""
    assert {statement["network"] for statement in data["statements"]} == {"given"}
    (rank, _) = data["given"]["statements"]
    assert rank["said"] == f"{rk.exact.certified_rank(rk.LeastSquares(net, x, x), theta).rank}, of 6 parameters"


# ---------------------------------------------------------------- files that are none


def test_files_that_never_end_are_refused(tmp_path, capsys, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    for file in (tmp_path / "pipe", "/dev/zero", tmp_path):
        code, lines = checked(capsys, file)
        assert code == 1
        assert lines == ["rejected  the file: it is no regular file"]
    written(tmp_path, NETWORKS["affine"])
    code, lines = checked(capsys, tmp_path / "certificate.json", "--network", "/dev/zero")
    assert code == 1
    assert lines[0] == "rejected  the network: it is no regular file"
    monkeypatch.setattr(check_certificate, "LARGEST", 100)
    code, lines = checked(capsys, tmp_path / "certificate.json")
    assert lines == ["rejected  the file: it has more than 100 bytes"]


def test_archives_that_are_none_are_rejected(tmp_path, capsys):
    data = written(tmp_path, NETWORKS["affine"])
    content = (tmp_path / "net.npz").read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(content)
        damaged[int(rng.integers(len(content)))] ^= int(rng.integers(1, 256))
        (tmp_path / "net.npz").write_bytes(damaged)
        data["about"]["sha256"] = hashlib.sha256(damaged).hexdigest()
        good, _ = check_certificate.verdict(
            check_certificate.Certificate(json.dumps(data)).compared, "net.npz", bytes(damaged)
        )
        assert good in (True, False)


FAKE = "range\x1b[2K\r8 of 8 statements accepted\n\u202e8 of 8 statements accepted"


def test_what_a_file_holds_is_printed_in_one_line_of_ascii(tmp_path, capsys):
    data = written(tmp_path, NETWORKS["affine"])
    data["statements"][0]["kind"] = FAKE
    write_json = tmp_path / "certificate.json"
    write_json.write_text(json.dumps(data))
    code, lines = checked(capsys, write_json)
    assert code == 1
    assert sum(line.endswith("statements accepted") for line in lines) == 1
    text = json.dumps(data)
    write_json.write_text(text.replace('"format"', f'{json.dumps(FAKE)}: 1, {json.dumps(FAKE)}: 2, "format"', 1))
    code, lines = checked(capsys, write_json)
    assert (code, len(lines)) == (1, 1)
    assert "stands twice: range\\x1b[2K\\r8 of 8" in lines[0]
    assert all(" " <= c <= "~" for line in lines for c in line)


def test_names_of_columns_and_files_move_no_cursor(tmp_path):
    data = written(tmp_path, NETWORKS["affine"], names=[FAKE, "b", FAKE])
    for text in (check_certificate.text_of(data), check_certificate.page(data)):
        assert "\x1b" not in text
        assert "\r" not in text
        assert "\u202e" not in text


# ---------------------------------------------------------------- numbers


def test_decimals_of_the_checker_are_rounded_outwards():
    rng = np.random.default_rng(0)
    for number in (0.1, -0.1, 1 / 3, *(rng.normal(size=200) * 10.0 ** rng.uniform(-300, 300, 200)).tolist()):
        low, high = Fraction(check_certificate.below(number)), Fraction(check_certificate.above(number))
        assert low <= Fraction(number) <= high
        assert high - low <= abs(Fraction(number)) / 10**16
    for x in (Fraction(2), Fraction(1, 3), Fraction(0), Fraction(10) ** 50):
        assert check_certificate.root(x) ** 2 <= x <= check_certificate.root_above(x) ** 2


@pytest.mark.parametrize("x", [0, 1, -1, 511, 513, -513, 600, -600, 745, -745, 1199, -1201, 10**9, -(10**9)])
@pytest.mark.parametrize("bits", [128, 320])
def test_sigmoids_far_out_are_enclosed_to_their_relative_accuracy(x, bits):
    with mpmath.workdps(1200):
        g = 1 / (1 + mpmath.exp(-mpmath.mpf(x)))
        slope = g * (1 - g)
        for function, exact in ((check_certificate.sigmoid, g), (check_certificate.sigmoid_slope, slope)):
            low, high = function(Fraction(x), bits)
            low, high = (mpmath.mpf(end.numerator) / end.denominator for end in (low, high))
            assert low <= exact <= high
            if abs(x) < check_certificate.FAR:
                assert high - low <= mpmath.mpf(2) ** (4 - bits) * exact
            else:
                assert high - low <= mpmath.mpf(2) ** -100 * exact + mpmath.mpf(2) ** -1700


@pytest.mark.parametrize("shift", [-600.0, 600.0, -740.0, -1150.0, -3000.0])
def test_certificates_of_nodes_far_out_on_a_sigmoid_are_accepted(shift, tmp_path, capsys):
    (net, _), _ = initialized(rk.kan([1, 1, 1], 2, 1, node_map="sigmoid"))
    theta = np.array([shift, shift - 1.0, 0.0, 1.0])
    data = certificate(net, theta, np.array(UNIT), budget=20) | {"about": {}}
    (tmp_path / "certificate.json").write_text(json.dumps(data))
    code, lines = checked(capsys, tmp_path / "certificate.json")
    assert code == 0, lines


def test_nothing_rises_with_an_input_of_one_value(tmp_path, capsys):
    data = written(tmp_path, NETWORKS["affine"], box=[[0.0, 1.0], [0.5, 0.5]])
    stated = [s for s in data["statements"] if s["kind"] in ("monotone", "not monotone")]
    assert all(statement["input"] == 0 for statement in stated)
    reasons = {row["statement"]: row["why"] for row in data["unproven"]}
    assert "one value in the box" in reasons["monotonicity of output 1 in input 2"]
    vacuous = {
        "kind": "monotone", "network": "given", "output": 0, "input": 1, "direction": "increasing",
        "slope": (0.25).hex(), "leaves": ".",
    }  # fmt: skip
    data["statements"] = [vacuous]
    write(tmp_path, data)
    code, lines = checked(capsys, tmp_path / "certificate.json")
    assert code == 1
    assert "input 2 has one value in the box" in lines[1]


def test_maps_whose_constants_overflow_are_refused_by_name():
    (net, theta), _ = initialized(rk.kan([2, 2, 1], 3, 2, node_map="min-max"))
    with pytest.raises(ValueError, match="node map 0 must have finite constants"), np.errstate(all="ignore"):
        certificate(net, theta * math.ldexp(1.0, -1060), np.array(UNIT * 2), budget=8)
