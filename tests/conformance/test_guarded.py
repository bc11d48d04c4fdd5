"""Adapters that end the process, hang or answer anything: a report of what was finished, and a finding that says so."""

import json
import os
import sys
from dataclasses import replace

import numpy as np
import pytest

from refkan import cli
from refkan.conformance import Judge, catalogue
from refkan.conformance.judging import findings as f
from refkan.conformance.judging import guarded
from tests.broken_layers.plain_numpy import PlainNumpy
from tests.shared.tables import each_row

ALL = "float64/layer/degree-3/uniform/3x2/"
SELECT = f"{ALL}one-sample/"
QUANTITIES = ["values", "input-gradients", "coefficient-gradients"]

ADAPTER = """
import os, time
from tests.broken_layers.plain_numpy import PlainNumpy
class Mine(PlainNumpy):
    name = "mine" + chr(27) + chr(0xD800)
    def vjp(self, model, x, dy):
        {body}
        return super().vjp(model, x, dy)
"""


def judged(tmp_path, body, *arguments, select=SELECT):
    file, out = tmp_path / f"{tmp_path.name}.py", tmp_path / "out.json"
    file.write_text(ADAPTER.format(body=body))
    options = ("--select", select, "--json", str(out), "--junit", str(tmp_path / "out.xml"), "--call-timeout", "1")
    code = cli.main(["conform", "--backend", f"{file}:Mine", *options, *arguments])
    return code, {finding["key"].removeprefix(select): finding for finding in json.loads(out.read_text())["findings"]}


ENDS = (
    "seen = __file__ + '.seen'; os.path.exists(seen) and time.sleep(60); open(seen, 'w').close(); "
    "os.fork() or time.sleep(60); os._exit(0)"
)
"""Ends the first process, though a copy of it is left, and hangs in the second."""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks")
def test_what_ends_the_process_is_a_finding_and_the_rest_is_judged(tmp_path, capsys):
    code, findings = judged(tmp_path, ENDS, "--no-hints", select=ALL)
    assert code == 1
    keys = [case.key.removeprefix(ALL) for case in catalogue(["float64"], [ALL])]
    assert list(findings) == [*keys[:3], "process"]
    assert keys[:3] == QUANTITIES
    assert [findings[name]["status"] for name in QUANTITIES] == ["passed", "error", "error"]
    assert findings["input-gradients"]["message"] == "the process ended, exit code 0"
    told = "took more than 1 s and was ended: --call-timeout allows more"
    assert findings["coefficient-gradients"]["message"] == told
    assert ".py" in findings["coefficient-gradients"]["traceback"]
    left = f"{len(keys) - 3} cases after this one were not judged: 2 processes ended"
    assert findings["process"]["message"].startswith(left)
    out = capsys.readouterr().out
    assert r"mine\x1b\ud800, cases of version" in out
    assert "\x1b" not in out


FORKS_ONCE = "seen = __file__ + '.seen'; os.path.exists(seen) or (open(seen, 'w').close(), os.fork())"
"""Leaves a copy of the process. One: of copies that fork in their turn there would be a thousand after ten calls."""


@each_row(
    "body, told",
    ("raise type('Odd', (BaseException,), {})('no')", "Odd: no"),
    ("raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})", "Odd: its text raises ZeroDivisionError"),
    ("raise ValueError(chr(27) + chr(0xD800))", r"ValueError: \x1b\ud800"),
    ("return {'inputs': np.ma.masked_all(x.shape)}", "vjp (inputs) returned an array with masked entries: return"),
    (FORKS_ONCE, ""),
)
def test_what_an_adapter_raises_or_answers_is_told(body, told, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.path", list(sys.path))
    code, findings = judged(tmp_path, f"import numpy as np; {body}", "--call-timeout", "0", "--no-hints")
    assert code == (1 if told else 0)
    assert findings["values"]["status"] == "passed"
    assert findings["input-gradients"]["message"].startswith(told)
    assert "process" not in findings


def test_values_that_are_masked_do_not_pass():
    class Masked(PlainNumpy):
        def forward(self, model, x):
            return np.ma.masked_array(super().forward(model, x), mask=True)

    (values,) = catalogue(["float64"], [f"{SELECT}values"])
    repeated = next(case for case in catalogue(["float64"]) if case.quantity == "repeatability")
    assert [Judge(Masked())(case).status for case in (values, repeated)] == [f.ERROR, f.ERROR]


def test_an_interruption_of_the_user_is_no_finding():
    class Interrupted(PlainNumpy):
        def forward(self, model, x):
            raise KeyboardInterrupt

    (case,) = catalogue(["float64"], [f"{SELECT}values"])
    with pytest.raises(KeyboardInterrupt):
        Judge(Interrupted())(case)


def test_calls_are_handed_on_with_their_names():
    limited = guarded.Limited(PlainNumpy(), 0, None)
    assert limited.capabilities == PlainNumpy.capabilities
    assert limited.forward.__name__ == "forward"
    assert not hasattr(limited, "to_papers")


def test_findings_are_printable():
    finding = f.Finding("a", "values", f.ERROR, "a\x1b[2J", traceback="\ud800")
    assert (finding.message, finding.traceback) == (r"a\x1b[2J", r"\ud800")
    assert replace(finding, message="b").message == "b"


def test_a_message_or_a_name_of_several_lines_does_not_break_a_report():
    assert f.Finding("a", "values", f.DECLINED, "too large:\n  3\n\n  4").message == "too large: 3; 4"
    assert len(f.Finding("a", "values", f.ERROR, "x" * 10_000).message) < 500
    adapter = PlainNumpy()
    adapter.name = "two\nlines"
    assert adapter.title == "two lines"
