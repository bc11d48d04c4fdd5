import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refkan.base.long_runs import checkpoints as module
from refkan.base.long_runs.checkpoints import Checkpoints, canonical_json
from tests.shared.refusals import refused
from tests.shared.tables import each_row

MODEL = {"basis": "spline", "widths": [2, 5, 1]}
CONFIGURATION = {"task": "fit", "order": 3, "domain": (0.0, 1.0), "model": MODEL}


@pytest.fixture
def store(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints")


def test_key_is_the_sha256_of_canonical_json(store):
    assert store.key({"a": -0.0}) != store.key({"a": 0.0})
    # Worked out with `printf '{"a":1}' | sha256sum`.
    assert store.key({"a": 1}) == "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"


def test_key_ignores_the_order_of_keys_and_the_kind_of_sequence(store):
    shuffled = dict(reversed(CONFIGURATION.items())) | {"domain": [0.0, np.float64(1.0)]}
    assert store.key(shuffled) == store.key(CONFIGURATION)


@pytest.mark.parametrize("other", [1.0, True, "1", None, 2, [1], -1])
def test_key_tells_values_apart(store, other):
    assert store.key({"a": other}) != store.key({"a": 1})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), np.float64("nan")])
def test_configuration_refuses_what_does_not_equal_itself(value):
    refused(lambda: canonical_json({"a": value}), "configuration must not hold NaN or infinity")


def test_configuration_refuses_arrays_and_names_the_place():
    refused(lambda: canonical_json({"model": {"knots": np.arange(3)}}), r"TypeError: configuration\.model\.knots must")
    refused(lambda: canonical_json({"a": {3: 4}}), "TypeError: strings as keys; got 3")
    refused(lambda: canonical_json([1, 2]), "TypeError: must be a mapping")


def same(a: Any, b: Any) -> bool:
    """Equality of type, order of keys and bits, which == does not see."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return a.hex() == b.hex()
    return a == b


TEXT = st.text(st.characters(codec="utf-8"))
RESULTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.binary() | st.complex_numbers(allow_nan=False),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(TEXT, inner),
    max_leaves=8,
).filter(lambda result: "$type" not in str(result))


@given(RESULTS)
def test_round_trip_of_plain_data(tmp_path_factory, result):
    store = Checkpoints(tmp_path_factory.getbasetemp() / "round-trip")
    store.put(CONFIGURATION, result)
    assert same(store.get(CONFIGURATION), result)


@each_row(
    "array",
    np.array([-0.0, 0.0, np.inf, -np.inf, np.nan, 5e-324, 1 / 3, np.finfo(float).max]),
    np.array(-0.0),
    np.zeros((0, 3)),
    np.arange(6, dtype=np.int32).reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.arange(10.0)[::-2],
    np.array([1 + 2j, -0.0j]),
    np.array([True, False]),
    np.array(["a", "ß"]),
    np.arange(3, dtype=">f8"),
    np.array([1.5], dtype=np.float32),
)
def test_round_trip_of_arrays(store, array):
    store.put(CONFIGURATION, {"array": array})
    back = store.get(CONFIGURATION)["array"]
    assert same(back, array)
    assert back.flags.writeable


def test_numpy_scalars_come_back_as_python_numbers(store):
    store.put(CONFIGURATION, [np.float64(-0.0), np.int32(7), np.bool_(True), np.complex128(1j)])
    assert same(store.get(CONFIGURATION), [-0.0, 7, True, 1j])


UNSTORABLE = [object(), {1: 2}, np.array([None]), {"a": {1, 2}}, np.datetime64("2020-01-01")]


@pytest.mark.parametrize("result", UNSTORABLE)
def test_result_refuses_what_would_not_come_back(store, result):
    refused(lambda: store.put(CONFIGURATION, result), "TypeError: result")
    assert store.get(CONFIGURATION, "absent") == "absent"


def test_result_refuses_the_tag(store):
    refused(lambda: store.put(CONFIGURATION, {"$type": "array"}), r"\$type")


def test_run_computes_once(store):
    calls = []

    def task():
        calls.append(1)
        return (1.5, [len(calls)])

    first = store.run(CONFIGURATION, task)
    assert first == store.run(CONFIGURATION, task) == (1.5, [1])
    assert store.run(CONFIGURATION, task, fresh=True) == (1.5, [2])
    assert store.run(CONFIGURATION, task) == (1.5, [2])
    assert len(calls) == 2


def test_none_is_kept_and_of_a_failing_task_nothing(store):
    with pytest.raises(ZeroDivisionError):
        store.run(CONFIGURATION, lambda: 1 / 0)
    assert list(store.folder.iterdir()) == []
    store.run(CONFIGURATION, lambda: None)
    assert store.run(CONFIGURATION, lambda: 1 / 0) is None


@pytest.mark.parametrize(
    "change", [{"order": 4}, {"order": 3.0}, {"domain": (-0.0, 1.0)}, {"domain": (0.0, 1.0, 2.0)}, {"extra": 1}]
)
def test_result_of_another_configuration_is_refused(store, change):
    other = CONFIGURATION | change
    store.put(other, 1)
    shutil.copy(store.path(other), store.path(CONFIGURATION))
    refused(lambda: store.get(CONFIGURATION), "belongs to another configuration, {.*}: remove the file")
    refused(lambda: store.run(CONFIGURATION, lambda: 2), "another configuration")


DAMAGES = {
    "truncated": lambda text: text[: len(text) // 2].encode(),
    "empty": lambda text: b"",
    "format": lambda text: text.replace('"format": 1', '"format": 0').encode(),
    "list": lambda text: b"[]",
    "nested": lambda text: b"[" * 100_000,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_file_is_absent_with_a_warning(store, damage):
    store.put(CONFIGURATION, {"value": 12.5, "array": np.array([1.0])})
    path = store.path(CONFIGURATION)
    text = path.read_text()
    damaged = damage(text)
    assert damaged != text.encode()  # the sabotage itself took place
    path.write_bytes(damaged)
    with pytest.warns(UserWarning, match="damaged and treated as absent"):
        assert store.get(CONFIGURATION, "absent") == "absent"
    with pytest.warns(UserWarning, match="damaged"):
        assert store.run(CONFIGURATION, lambda: 7) == 7
    assert store.get(CONFIGURATION) == 7


def test_unwritable_folder_is_refused_before_any_work(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("a file, not a folder")
    refused(lambda: Checkpoints(blocked / "below"), r"NotADirectoryError: folder must be writable .*file")
    refused(lambda: Checkpoints(blocked), "NotADirectoryError: must be a folder, not a file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="folder must be writable"):
        Checkpoints(tmp_path / "below")


def test_interrupted_write_keeps_the_old_file_and_no_other(store, monkeypatch):
    store.put(CONFIGURATION, "old")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module.os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.put(CONFIGURATION, "new")
    monkeypatch.undo()
    assert store.get(CONFIGURATION) == "old"
    assert [path.name for path in store.folder.iterdir()] == [store.path(CONFIGURATION).name]


def test_any_flip_in_a_stored_file_counts_as_absent_or_changes_nothing(store):
    """In the configuration as well, which then is that of no file: only whole files of others are refused."""
    store.put(CONFIGURATION, {"x": np.arange(3.0)})
    path = store.path(CONFIGURATION)
    content = path.read_bytes()
    for position in range(len(content)):
        flipped = bytearray(content)
        flipped[position] ^= 1 << position % 7
        path.write_bytes(flipped)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = store.get(CONFIGURATION, "absent")
        if caught:
            assert found == "absent"
            assert "is damaged and treated as absent" in str(caught[0].message)
        else:  # of blanks between the entries
            np.testing.assert_array_equal(found["x"], np.arange(3.0))
