"""The cache of compiled kernels on disk, where none can be written, and processes that compile in turn."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import warnings

import pytest

from refkan.kernels import compilation, turns
from tests.kernels.kernel_results import KERNELS_ALONE, ROOT, finish, other_process
from tests.shared.refusals import refused


def test_without_a_place_for_the_cache_one_warning_and_everything_works(tmp_path):
    """No NUMBA_CACHE_DIR that can be made, no home, and a file in place of __pycache__ beside the kernels."""
    shutil.copytree(ROOT / "refkan", tmp_path / "installed" / "refkan", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "installed" / "refkan" / "kernels" / "__pycache__").touch()
    code = (
        "import sys, warnings\n"
        "sys.path.insert(0, 'installed')\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    import refkan as rk\n"
        "    rk.kan  # names are imported on first use, and kernels with them\n"
        "assert 'installed' in rk.__file__, rk.__file__\n"
        "messages = [str(w.message) for w in caught if 'refkan' in str(w.message) or 'cache' in str(w.message)]\n"
        "assert len(messages) == 1, messages\n"
        "assert 'NUMBA_CACHE_DIR' in messages[0] and 'compiled anew' in messages[0], messages\n"
        "import numpy as np\n"
        "from refkan.kernels.polynomial_layer import terms_of\n"
        "assert terms_of(2.0, 3.0, np.empty(0), 0, 0, (0, 0)) == (3.0, 2.0) and terms_of.signatures\n"
    )
    nowhere = os.path.join(os.devnull, "nowhere")
    places = dict.fromkeys(("NUMBA_CACHE_DIR", "HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"), nowhere)
    finish(other_process(code, tmp_path, NUMBA_DISABLE_JIT="0", **places))


def test_only_a_missing_cache_is_forgiven(monkeypatch):
    def njit(cache=False, **options):
        if cache:
            raise RuntimeError(message)
        return lambda function: function

    monkeypatch.setattr(compilation.numba, "njit", njit)
    monkeypatch.setattr(compilation, "_warned", set())
    message = "cannot cache function 'f': no locator available for file 'f.py'"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(3):
            assert compilation.kernel(len) is len
    assert len(caught) == 1
    message = "something else"
    refused(lambda: compilation.kernel(len), "RuntimeError: something else")


USE = f"""{KERNELS_ALONE}
import json, sys, warnings
import numba
import numpy as np

def used(folder):
    \"\"\"What is said of the cache in a folder by a kernel, which is imported anew.\"\"\"
    numba.config.CACHE_DIR = folder
    kernels_alone()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        from refkan.kernels.polynomial_layer import terms_of
        assert terms_of(2.0, 3.0, np.empty(0), 0, 0, (0, 0)) == (3.0, 2.0)
    return [str(w.message) for w in caught if "compiled kernels" in str(w.message)]

print(json.dumps([used(folder) for folder in sys.argv[1:]]))
"""


def used(*folders, code=USE):
    """What is said in one process where each of the folders is the cache in turn."""
    environ = os.environ | {"NUMBA_DISABLE_JIT": "0", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, *map(str, folders)]
    run = subprocess.run(command, cwd=folders[0].parent, env=environ, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


DAMAGES = [(kind, damage) for kind in ("nbi", "nbc") for damage in ("half", "text")]


def damaged(kept, folder, kind, damage):
    """A copy of a cache, and the one file of it that holds other bytes."""
    shutil.copytree(kept, folder)
    (path,) = folder.rglob(f"*terms_of*.{kind}")
    path.write_bytes(path.read_bytes()[:60] if damage == "half" else b"damaged")
    return path


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder with the cache of that kernel, to be copied."""
    folder = tmp_path_factory.mktemp("kept") / "cache"
    assert used(folder, folder) == "[[], []]\n"
    return folder


@pytest.fixture(scope="module")
def told(kept, tmp_path_factory):
    """By damage: the damaged file, and what is said at the first and at the second use."""
    folder = tmp_path_factory.mktemp("damaged")
    paths = [damaged(kept, folder / f"{kind}-{damage}", kind, damage) for kind, damage in DAMAGES]
    folders = [folder / f"{kind}-{damage}" for kind, damage in DAMAGES]
    said = json.loads(used(*folders, *folders))
    return dict(zip(DAMAGES, zip(paths, said[: len(paths)], said[len(paths) :], strict=True), strict=True))


@pytest.mark.parametrize(("kind", "damage"), DAMAGES)
def test_a_damaged_cache_is_told_of_once_and_mended(told, kind, damage):
    """Every run ended in an UnpicklingError or EOFError that named no file."""
    path, first, second = told[kind, damage]
    (message,) = first
    assert "the cache of compiled kernels is damaged" in message
    assert f"delete the folder {path.parent}" in message
    assert second == []


def test_a_damaged_cache_that_cannot_be_written_says_which_folder_to_delete(kept, tmp_path):
    path = damaged(kept, tmp_path / "cache", "nbi", "text")
    code = USE.replace(
        "        assert terms_of(2.0, 3.0, np.empty(0), 0, 0, (0, 0)) == (3.0, 2.0)\n",
        (
            "        terms_of._cache.flush = lambda: (_ for _ in ()).throw(OSError('read-only'))\n"
            "        try:\n            terms_of(2.0, 3.0, np.empty(0), 0, 0, (0, 0))\n"
            "        except RuntimeError as error:\n            print(error)\n"
        ),
    )
    assert f"delete the folder {path.parent}, or set NUMBA_CACHE_DIR" in used(tmp_path / "cache", code=code)


def test_a_full_disk_does_not_stop_kernels(tmp_path):
    full = (
        "import numpy as np, errno\n"
        "from numba.core.caching import IndexDataCacheFile\n"
        "def full(*_): raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "IndexDataCacheFile.save = full\n"
    )
    assert "compiled kernels cannot be kept in" in (told := used(tmp_path / "cache", code=full + USE))
    assert "No space left on device" in told


pytestmark = pytest.mark.skipif(turns.fcntl is None, reason="no locks between processes on this system")

COMPILES = f"""{KERNELS_ALONE}
import sys, time
import numpy as np
from numba.core import event
from refkan.kernels.polynomial_layer import terms_of

class Count(event.Listener):
    n = 0
    def on_start(self, event):
        self.n += event.data["dispatcher"] is terms_of
    def on_end(self, event):
        pass

count = Count()
event.register("numba:compile", count)
print("ready", flush=True)
sys.stdin.readline()
assert terms_of(2.0, 3.0, np.empty(0), 0, 0, (0, 0)) == (3.0, 2.0)
print(count.n, flush=True)
"""

HOLDS = f"""{KERNELS_ALONE}
import sys
from refkan.kernels.turns import turn
with turn(sys.argv[1], "a form"):
    print("ready", flush=True)
    sys.stdin.readline()
"""


def started(code, *arguments, **environ):
    """A process that waits for a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def test_two_processes_compile_a_kernel_once(tmp_path):
    """Both compiled it: in a validation with two workers, and in tests, every kernel that both need at the start."""
    environ = {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "NUMBA_DISABLE_JIT": "0"}
    processes = [started(COMPILES, **environ) for _ in range(2)]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    counts = [int(process.communicate(timeout=120)[0]) for process in processes]
    assert sorted(counts) == [0, 1]


def test_a_turn_is_waited_for_unless_another_form_is_asked_for(tmp_path):
    other = started(HOLDS, str(tmp_path))
    entered = threading.Event()

    def enter():
        with turns.turn(str(tmp_path), "a form"):
            entered.set()

    waiting = threading.Thread(target=enter)
    with turns.turn(str(tmp_path), "another form"):
        waiting.start()
        assert not entered.wait(0.3)
    other.communicate("\n", timeout=60)
    assert entered.wait(60)
    waiting.join()


def test_a_process_that_dies_gives_up_its_turn(tmp_path):
    other = started(HOLDS, str(tmp_path))
    other.kill()
    other.wait()
    start = time.monotonic()
    with turns.turn(str(tmp_path), "a form"):
        assert time.monotonic() - start < turns.PATIENCE / 2


def test_who_waits_too_long_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(turns, "PATIENCE", 0.2)
    other = started(HOLDS, str(tmp_path))
    with turns.turn(str(tmp_path), "a form"):
        assert other.poll() is None
    other.communicate("\n", timeout=60)


def test_a_turn_is_had_again_within_itself_and_after_an_error(tmp_path):
    """Threads and nested kernels of one process never wait for each other."""
    with pytest.raises(ZeroDivisionError), turns.turn(str(tmp_path), "a form"), turns.turn(str(tmp_path), "a form"):
        raise ZeroDivisionError
    with turns.turn(str(tmp_path), "a form"):
        pass


def test_without_a_folder_or_locks_nobody_waits(tmp_path, monkeypatch):
    with turns.turn(os.path.join(os.devnull, "nowhere"), "a form"):
        pass

    def refuse(*_):
        raise OSError("no locks")

    monkeypatch.setattr(turns.fcntl, "lockf", refuse)
    with turns.turn(str(tmp_path), "a form"):
        pass
