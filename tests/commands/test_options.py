"""Bad values of options: commands name the option, what it must be and what came, end with 2 and write nothing."""

import re

import numpy as np
import pytest

import refkan as rk
from refkan.commands.spectra import spectrum
from tests.shared.commands import command
from tests.shared.tables import each_row

NUMPY = "tests.broken_layers.plain_numpy:PlainNumpy"
CONFORM = ("conform", "--backend", NUMPY, "--call-timeout", "0", "--select", "degree-3/uniform/3x2")


@pytest.fixture(autouse=True)
def nothing_begins(monkeypatch, tmp_path):
    """No value of these tests may lead to any work; what is written by mistake goes into a folder of the test."""
    monkeypatch.setattr(spectrum, "study", lambda *arguments, **options: pytest.fail("studied"))
    monkeypatch.chdir(tmp_path)


def refused(*arguments):
    """What a command says on the standard error stream as it refuses its arguments."""
    out, err = command(*arguments, code=2)
    assert not out
    return err


COUNTS = {
    ("spectrum", "--orders"): (1, 10),
    ("spectrum", "--orders", "2"): (1, 10),
    ("spectrum", "--intervals", "4"): (1, 10**7),
    ("spectrum", "--widths", "2"): (1, 10**5),
    ("spectrum", "--seeds", "1"): (0, None),
    ("spectrum", "--samples"): (1, 10**8),
    ("spectrum", "--workers"): (1, 1000),
    ("certify", "net.npz", "--workers"): (1, 1000),
}


@pytest.mark.parametrize("command", COUNTS, ids=" ".join)
def test_counts_out_of_range(command):
    option = next(part for part in reversed(command) if part.startswith("--"))
    after = ("1",) if option == "--widths" else ()
    least, most = COUNTS[command]
    bounds = f"at least {least}" + ("" if most is None else f" and at most {most}")
    beyond = () if most is None else (most + 1, 10**30)
    for value in (least - 1, -7, *beyond, "many", "1.5", "", "nan"):
        message = f"error: argument {option}: must be a whole number, {bounds}; got {str(value)!r}\n"
        assert refused(*command, value, *after).endswith(message)


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "soon", ""])
def test_times_that_are_none(value):
    err = refused(*CONFORM, "--import-timeout", value)
    assert f"argument --import-timeout: must be a number of seconds, 0 or more; got {value!r}" in err


@each_row(
    "command, option",
    (("spectrum", "--output"), "--output"),
    (("spectrum", "--dask"), "--dask"),
    (("certify", "net.npz", "--dask"), "--dask"),
    ((*CONFORM, "--json"), "--json"),
    ((*CONFORM, "--junit"), "--junit"),
    ((*CONFORM, "--select"), "--select"),
    ((*CONFORM, "--expected-failures"), "--expected-failures"),
    (("cases", "export"), "DIR"),
    (("cases", "export", "cases", "--select"), "--select"),
    (("cases", "check"), "DIR"),
    (("cases", "check", "cases"), "RESULTS"),
    (("cases", "check", "cases", "results.npz", "--json"), "--json"),
)
def test_empty_names(command, option, tmp_path):
    """As of variables of a shell that were never set."""
    after = ("results.npz",) if command == ("cases", "check") else ()
    assert f"argument {option}: must not be empty; got ''" in refused(*command, "", *after)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", ["--json", "--junit", "--expected-failures"])
def test_files_that_cannot_be_files(option, tmp_path):
    (tmp_path / "file").write_bytes(b"\xff")
    err = refused(*CONFORM, option, tmp_path)
    needs = "(must be a file, not a folder.*|Is a directory)"
    assert re.fullmatch(rf"refkan conform: {option}: {needs}; got {re.escape(repr(str(tmp_path)))}\n", err)
    err = refused(*CONFORM, option, tmp_path / "file" / "below")
    assert re.match(rf"refkan conform: {option}: .*; got '{re.escape(str(tmp_path))}", err)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_files_lie_in_folders_that_exist_as_those_of_numpy(tmp_path):
    """A slip in the name of a folder is told, and not made; folders that are asked for by --output DIR are made."""
    net = rk.kan([1, 1], 2, 2)
    rk.save(tmp_path / "net.npz", net, np.zeros(3))
    for *given, file in (
        (*CONFORM, "--json", "absent/a.json"),
        ("model", "edges", "net.npz", "--output", "absent/a.json"),
        ("model", "refine", "net.npz", "--output", "absent/a.npz"),
        ("certify", "net.npz", "--html", "absent/a.html"),
    ):
        told = f"{given[-1]}: must lie in a folder that exists; got '{file}': create 'absent'\n"
        assert refused(*given, file).endswith(told)
    with pytest.raises(FileNotFoundError):
        rk.save(tmp_path / "absent" / "net.npz", net, np.zeros(3))
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize(
    ("given", "option", "file"),
    [
        (("certify", "net.npz", "--json", "net.npz"), "NETWORK.npz", "net.npz"),
        (("certify", "net.npz", "--box", "x.csv", "--html", "./x.csv"), "--box", "x.csv"),
        (("certify", "net.npz", "--json", "a.json", "--html", "a.json"), "--json", "a.json"),
        (("conform", "--backend", "my.py:Mine", "--json", "my.py"), "--backend", "my.py"),
        ((*CONFORM, "--json", "a.json", "--summary", "a.json"), "--json", "a.json"),
        ((*CONFORM, "--baseline", "known.txt", "--json", "known.txt"), "--baseline", "known.txt"),
        (("cases", "check", "cases", "results.npz", "--junit", "results.npz"), "RESULTS", "results.npz"),
    ],
)
def test_no_file_is_written_over_another_of_the_same_command(given, option, file, tmp_path):
    """A certificate over its network, or findings over the adapter, would lose what they are about."""
    for name in ("net.npz", "x.csv", "my.py", "known.txt", "results.npz"):
        (tmp_path / name).write_text("kept")
    err = refused(*given)
    assert f": must not be the file of {option}; got {file!r} for both\n" in err
    assert not (tmp_path / "a.json").exists()
    assert (tmp_path / "net.npz").read_text() == (tmp_path / "my.py").read_text() == "kept"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--identify", "--prove"), "--identify and --prove must not be given together: each says what to do"),
        (("--list", "--prove"), "--prove and --list must not be given together: each says what to do"),
        (("--certificate", "c.json"), "--certificate belongs to proofs; give --prove with it"),
        (("--prove", "--json", "a.json"), "--json belongs to cases; leave it out with --prove"),
        (
            ("--prove", "--expected-failures", "f.txt"),
            "--expected-failures belongs to cases; leave it out with --prove",
        ),
    ],
)
def test_options_of_which_one_would_be_left_out(given, told):
    assert refused("conform", "--backend", NUMPY, *given).startswith(f"refkan conform: {told}")


@pytest.mark.parametrize("command", [("certify", "net.npz"), ("model", "edges", "net.npz", "--output", "e")])
def test_unknown_options_show_the_usage_of_their_command(command):
    err = refused(*command, "--colour", "red")
    name = " ".join(command[: 1 + (command[0] == "model")])
    assert err.startswith(f"usage: refkan {name} ")
    assert err.endswith(f"refkan {name}: error: unrecognized arguments: --colour red\n")


def test_a_folder_is_no_file_of_samples(tmp_path):
    rk.save(tmp_path / "net.npz", rk.kan([1, 1], 2, 2), np.zeros(3))
    err = refused("certify", tmp_path / "net.npz", "--box", tmp_path)
    assert err == f"refkan certify: --box: must be a file, not a folder, a pipe or a device; got {str(tmp_path)!r}\n"


def test_expected_failures_that_are_no_text(tmp_path):
    (tmp_path / "known").write_bytes(b"\xff")
    known = str(tmp_path / "known")
    err = refused(*CONFORM, "--expected-failures", known)
    assert err.startswith(f"refkan conform: --expected-failures: must be text in UTF-8; got {known!r}")


def test_folders_that_cannot_be_folders(tmp_path):
    (tmp_path / "file").write_text("")
    err = refused("spectrum", "--output", tmp_path / "file")
    assert re.match(r"refkan spectrum: --output: must be a folder, not a file; got .*file'\n", err)


@pytest.mark.parametrize("address", ["here", "tcp://here", "no-such-scheme://here:8786"])
def test_addresses_that_are_none(address):
    err = refused("spectrum", "--dask", address)
    assert err == f"refkan spectrum: --dask must be an address such as tcp://host:8786; got {address!r}\n"


def too_large(*arguments, **options):
    return np.empty((10**9, 10**9))


def test_what_does_not_fit_into_memory(monkeypatch):
    monkeypatch.setattr(spectrum, "study", too_large)
    err = command("spectrum", code=1).err
    assert re.match(r"refkan spectrum: not enough memory \(.* 6\.94 EiB .*\): ask for less by --samples", err)
    assert "ask for less by --samples, --widths, --intervals or --orders" in err
