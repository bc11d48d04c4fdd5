"""Run one claim file, with a crash as a result, and keep its result."""

import inspect
import pickle
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from pkgutil import resolve_name
from types import ModuleType
from typing import Any

import refkan
from refkan.base.long_runs.checkpoints import Checkpoints
from refkan.base.long_runs.interrupts import kept_interrupts
from refkan.base.long_runs.own_process import without_copies
from refkan.base.plain_text import printable
from refkan.claims.running.capsule import now, versions
from refkan.claims.running.discovery import ClaimFile
from refkan.claims.running.kept_parts import Parts, PartsMissing
from refkan.claims.running.outcomes import FileResult, check_answers, describe_error, pack, unpack
from refkan.claims.running.sources import library_digest, sources_digest
from refkan.claims.verdicts import Verdict
from refkan.kernels.engine_choice import use_engine

LIBRARY = Path(refkan.__file__).parent


@dataclass(frozen=True)
class FileRun:
    """Runs a claim file.

    Attributes
    ----------
    quick
        Whether at seconds a file, not at full size.
    engine
        The engine of the splines, on a cluster too.
    grounds
        "module:function" that is called with the rows of a file before it runs, and raises if they cannot be judged.
    parts
        Where a file that can be resumed within a run keeps what it has finished.
    seeds
        How many of its seeds a file may use that offers fewer than all.
    """

    quick: bool
    engine: str
    grounds: str = ""
    parts: Parts | None = None
    seeds: int | None = None

    def __call__(self, file: ClaimFile, message: Callable[[str], None], part: bytes = b"") -> FileResult:
        """Run a file, or one of its parts, which is kept; a crash becomes a result with an error."""
        start = time.process_time()
        verdicts: tuple[Verdict, ...] = ()
        missing: Sequence[bytes] = ()
        text = ""
        parts = self.parts and replace(self.parts, spread=self.parts.spread and not file.alone)
        try:
            with kept_interrupts(), without_copies(), use_engine(self.engine), file.loaded() as module:
                if part and parts:
                    parts.finish(*pickle.loads(part))
                else:
                    verdicts, text = self._verdicts(file, module, message, parts)
        except PartsMissing as those:
            missing = those.parts
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a claim may raise anything
            text = describe_error(error, file.folder.parent)
        seconds = time.process_time() - start
        if parts:
            seconds += parts.seconds
        return FileResult(file, verdicts, text, seconds, now(), missing=missing)

    def _verdicts(
        self, file: ClaimFile, module: ModuleType, message: Callable[[str], None], parts: Parts | None
    ) -> tuple[tuple[Verdict, ...], str]:
        """Run a file; return the verdicts of its rows, and the error of rows without a twin, which have no verdict."""
        given = {"checkpoints": parts, "seeds": self.seeds}
        run: Any = getattr(module, "run", None)
        more = _taken(file, run, {name: value for name, value in given.items() if value is not None})
        if self.grounds:
            resolve_name(self.grounds)(file.ids)
        verdicts = check_answers(file, run(self.quick, lambda text: message(printable(text)), **more))
        without = [verdict.id for verdict in verdicts if not verdict.mutations]
        if not without or file.package:
            return verdicts, ""
        error = (
            f"ValueError: {', '.join(without)} must have a mutated twin that fails, Verdict(..., mutations={{'what is"
            " altered': judge(...)}): a claim that nothing can refute is no claim"
        )
        return tuple(verdict for verdict in verdicts if verdict.mutations), error


def _taken(file: ClaimFile, run: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the `given` arguments that ``run`` takes; ValueError unless it is one of (quick, progress)."""
    came = "none"
    if callable(run):
        signature = inspect.signature(run)
        more = {name: value for name, value in given.items() if name in signature.parameters}
        try:
            signature.bind(True, print, **more)
        except TypeError:
            came = f"run{signature}"
        else:
            return more
    raise ValueError(
        f"{file.path.name} must define run(quick, progress), which returns a list of one Verdict a row; got {came}. "
        "It may take checkpoints=None and seeds=None besides"
    )


class KeptResults:
    """Results of claim files, each kept until the sources or the versions change that it depends on."""

    def __init__(self, checkpoints: Checkpoints, run: FileRun, files: Iterable[ClaimFile]) -> None:
        self._checkpoints = checkpoints
        of_library = library_digest(LIBRARY)
        self._configurations = {
            file.name: {
                "task": "claim file",
                "file": file.name,
                "size": "quick" if run.quick else "full",
                **({} if run.seeds is None else {"seeds": run.seeds}),
                "versions": versions(),
                "engine": run.engine,
                "sources": sources_digest(file.path, LIBRARY, of_library=of_library),
            }
            for file in files
            if not file.problem
        }

    def get(self, file: ClaimFile) -> FileResult | None:
        """Return the finished result of a file, if there is one for the present sources."""
        if file.problem:
            return None
        packed = self._checkpoints.get(self._configurations[file.name])
        if packed is None:
            return None
        return unpack(file, packed)

    def put(self, result: FileResult) -> None:
        """Keep a result, unless it is an error.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        if not result.error:
            self._checkpoints.put(self._configurations[result.file.name], pack(result))
