"""How busy the machine is with something else while contestants are timed, and the memory of this process."""

import os
import resource
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

_STATISTICS = Path("/proc/stat")


def busy_seconds() -> float | None:
    """Return the seconds that all processors have been busy since the system started; None where it does not say."""
    try:
        fields = _STATISTICS.read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
    except OSError:
        return None
    user, nice, system, _idle, _waiting, interrupts, soft_interrupts, stolen = map(int, fields)
    return (user + nice + system + interrupts + soft_interrupts + stolen) / os.sysconf("SC_CLK_TCK")


def peak_memory() -> float:
    """Return the largest memory of this process so far, or since `forget_peak`, in MB.

    Linux hands ru_maxrss on from the process that started this one; VmHWM it does not.
    """
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    kilobytes = [line.split()[1] for line in lines if "VmHWM" in line]
    return float(kilobytes[0] if kilobytes else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1e3


def forget_peak() -> None:
    """Have the largest memory begin anew with that of now, where the system can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def own_seconds() -> float:
    """Return the processor time of this process and of the children that it has waited for."""
    times = os.times()
    return time.process_time() + times.children_user + times.children_system


class Watch:
    """Averages, over the blocks that it is entered for, the number of processors that did something else."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._wall, self._elsewhere = 0.0, 0.0

    def __enter__(self) -> "Watch":
        self._start = busy_seconds(), own_seconds(), time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        busy, own, start = self._start
        wall, later = time.perf_counter() - start, busy_seconds()
        if busy is not None and later is not None:
            self._wall += wall
            self._elsewhere += later - busy - (own_seconds() - own)

    def include(self, other: "Watch") -> None:
        """Count the blocks of another watch as well."""
        self._wall += other._wall
        self._elsewhere += other._elsewhere

    @property
    def elsewhere(self) -> float | None:
        """Processors busy with something else, on average; None if nothing was watched.

        The system counts in hundredths of a second, so that short blocks are known roughly.
        """
        return max(0.0, self._elsewhere / self._wall) if self._wall > 0.0 else None
