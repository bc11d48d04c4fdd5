"""Files are written whole or not at all, and what killed writers left is swept."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from refkan.base import atomic_files as module
from refkan.base.atomic_files import write_atomically
from refkan.base.long_runs.checkpoints import Checkpoints

ROOT = Path(module.__file__).parents[2]

# --- files of writers that were killed


KILLED = """
import os, signal, sys
from pathlib import Path
from refkan.base import atomic_files
atomic_files.os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL)
atomic_files.write_atomically(Path(sys.argv[1]) / "result.json", b"half")
"""


def killed_writer(folder):
    run = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder)], env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False
    )
    assert run.returncode < 0
    (left,) = folder.glob(".result.json.*.tmp")
    return left


@pytest.mark.skipif(module.fcntl is None, reason="no locks here")
def test_what_killed_writers_left_is_swept_at_the_next_start(tmp_path):
    left = killed_writer(tmp_path)
    others = [tmp_path / name for name in ("a.tmp", ".a.tmp", ".a.b.tmp", ".a.XYZ.tmp", "result.json")]
    for other in others:
        other.write_text("mine")
    Checkpoints(tmp_path)
    assert not left.exists()
    assert all(other.exists() for other in others)
    left = killed_writer(tmp_path)
    module.sweep(tmp_path, "other.json")
    assert left.exists()
    module.sweep(tmp_path, "result.json")
    assert not left.exists()


@pytest.mark.skipif(module.fcntl is None, reason="no locks here")
def test_files_of_writers_at_work_are_not_swept(tmp_path, monkeypatch):
    """At its most delicate points: just made and not yet locked, and just before it is renamed."""
    seen = []

    def lock(stream, wait=True, true=module._lock):
        if wait and not seen:  # the first writing: a sweep between making and locking
            seen.append(stream.name)
            module.sweep(tmp_path)
            assert not Path(stream.name).exists()
        return true(stream, wait)

    def fsync(file, true=os.fsync):
        seen.append("synced")
        module.sweep(tmp_path)
        true(file)

    monkeypatch.setattr(module, "_lock", lock)
    monkeypatch.setattr(module.os, "fsync", fsync)
    write_atomically(tmp_path / "file", b"content")
    assert len(seen) == 2
    assert (tmp_path / "file").read_bytes() == b"content"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_many_writers_and_sweeps_at_once(tmp_path):
    def write(k):
        for i in range(50):
            write_atomically(tmp_path / f"{k}", bytes([i]) * 100)

    def clean(k):
        for _ in range(100):
            module.sweep(tmp_path)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda k: (clean if k % 3 == 0 else write)(k), range(6)))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1", "2", "4", "5"]
    assert all(p.read_bytes() == bytes([49]) * 100 for p in tmp_path.iterdir())


def test_without_locks_only_old_files_are_swept(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "fcntl", None)
    write_atomically(tmp_path / "file", b"content")
    young, old = tmp_path / ".a.0123456789ab.tmp", tmp_path / ".b.0123456789ab.tmp"
    for path in (young, old):
        path.write_text("half")
    os.utime(old, (0, 0))
    module.sweep(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [young.name, "file"]
