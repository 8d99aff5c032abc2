"""Execution of a reader's plan: reads units in parallel, packs readable samples, and reports unreadable ones."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gridbench.core.cores import end_with_parent
from gridbench.core.json_files import read_json, write_json
from gridbench.datasets.archive.archive import Archive
from gridbench.datasets.archive.building import build_once
from gridbench.datasets.archive.indexing import INDEX
from gridbench.datasets.archive.layout import SPLITS
from gridbench.datasets.archive.packing_plan import plan_digest
from gridbench.datasets.archive.writer import ArchiveWriter, discard
from gridbench.datasets.cache import archive_directory
from gridbench.datasets.dataset import Progress, silent
from gridbench.datasets.readers.base import Outcome, Plan, Unit
from gridbench.datasets.readers.rasters.opening import quick_raster_access
from gridbench.datasets.readers.source_files import Unreadable
from gridbench.datasets.readers.source_state import left_out_digest, refuse_changed_sources, state_of
from gridbench.errors import InputError, RunFailed
from gridbench.registry import DATASETS

__all__ = ["check_name", "default_workers", "prepare"]

_PROGRESS = "progress.json"
_UNITS_AT_A_TIME = 8
# With less work, starting processes takes longer than they save.
_UNITS_WORTH_PROCESSES = 400
_BYTES_WORTH_PROCESSES = 100_000_000
_LISTED_FAILURES = 1000
_CONTENT = {
    "tables": "the labels",
    "groups": "the groups",
    "values": "the values of the masks",
    "colours": "the colours of the masks",
    "drawn": "the outlines",
    "one_hot": "the form of the masks",
}
"""Settings that say what files hold -> what that is; all others are options."""


def check_name(name: str) -> str:
    """Return the name under which an archive may be prepared.

    Raises:
        InputError: It cannot be a folder's name, or a built-in data set has it.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise InputError(
            f"The name {name!r} cannot be used: take letters, digits, dot, dash and underscore, 100 at most, "
            "and begin with a letter or digit."
        )
    if name in DATASETS:
        raise InputError(f"{name!r} is the name of a built-in data set; give another with --name.")
    return name


def default_workers(units: int, size: int = 0) -> int:
    """Return how many processes read: one for little work, else one for each processor, 16 at most.

    Args:
        units: Number of units of work.
        size: Bytes of their files.
    """
    little = units < _UNITS_WORTH_PROCESSES and size < _BYTES_WORTH_PROCESSES
    return 1 if little else max(1, min(16, units, os.cpu_count() or 1))


def prepare(
    plan: Plan,
    cache: Path,
    name: str,
    workers: int | None = None,
    progress: Progress = silent,
    force: bool = False,
    again: str = "the same command with --force",
) -> Archive:
    """Pack an archive into the cache, or open it when the same files have been packed by the same plan.

    An interrupted call leaves what it packed, and the same call goes on from there unless the files have changed.

    Args:
        plan: What to read.
        cache: The cache folder.
        name: Name of the archive.
        workers: Number of reading processes; None to decide by the amount of work.
        progress: Progress callback.
        force: Whether to replace an archive that is there already.
        again: How to ask for that, for messages.

    Raises:
        InputError: Another archive has that name, its files have changed, or nothing could be read.
    """
    directory = archive_directory(cache, check_name(name))
    digest = plan_digest(plan.layout, plan.names, plan.split, {"kind": plan.kind, **plan.settings})
    archive = Archive.open(directory) if (directory / INDEX).is_file() and not force else None
    if archive is None:
        state = state_of(plan.units)
        count = default_workers(len(plan.units), state.bytes) if workers is None else workers
        packed = False

        def build(folder: Path) -> None:
            nonlocal packed
            _pack(plan, folder, name, count, state.digest, progress)
            packed = True

        archive = build_once(directory, build, force=force)
        if packed:
            return archive
    # The archive existed already, or another process has packed it meanwhile, perhaps from other sources.
    if archive.plan != digest:
        raise InputError(f"{_what_differs(plan, archive)} Take another --name, or replace it: {again}")
    refuse_changed_sources(plan, archive, progress, again)
    return archive


def _what_differs(plan: Plan, archive: Archive) -> str:
    """Return in a sentence why an archive is not what a plan would pack."""
    there = f"There is another archive {archive.name!r} already, in {archive.directory}"
    source, known = plan.report.get("source"), archive.report
    if archive.kind != plan.kind or source is None or known.get("source") != source:
        return f"{there}."
    # Of what the settings hold as JSON does, tuples become lists.
    now, before = json.loads(json.dumps(dict(plan.settings))), known.get("settings", {})
    differ = [word for word in now if before.get(word) != now[word]]
    options = [word.replace("_", " ") for word in differ if word not in _CONTENT]
    if options:
        return f"{there}, packed with another choice of {', '.join(options)}."
    split = dict(zip(plan.names, plan.split, strict=True))
    words = {archive.names[i]: word for word in SPLITS for i in archive.indices(word)}
    changed = {
        **{_CONTENT[word]: True for word in differ},
        "the classes": plan.layout.class_names != archive.class_names,
        "the names of the images": not words.keys() <= split.keys(),
        "the split": any(split.get(name, word) != word for name, word in words.items()),
    }
    what = [word for word, other in changed.items() if other] or ["images or their form"]
    return (
        f"Since {archive.name!r} was packed from {source} (in {archive.directory}), there is a change in "
        f"{', '.join(what)}."
    )


def _pack(plan: Plan, folder: Path, name: str, workers: int, state: str, progress: Progress) -> None:
    attempt = _Attempt(plan, folder, state)
    writer, findings = attempt.writer, attempt.findings
    failures: list[dict[str, str]] = []
    earlier = writer.done
    todo = (unit for unit in plan.units if not all(earlier[p] for p in unit.positions))
    total = len(plan.names)
    done = int(earlier.sum())
    try:
        with _reader(plan.read, workers) as outcomes:
            for unit, outcome in outcomes(todo):
                done += len(unit.positions)
                if isinstance(outcome, Unreadable):
                    failures.append({"file": outcome.path, "reason": outcome.reason})
                else:
                    # Findings come second: after an interruption in between, the unit is read again.
                    failures += _write(writer, unit, outcome)
                    findings.update(outcome.findings)
                if writer.commit_is_due:
                    attempt.commit()
                progress(min(done, total), total, f"packing {name}")
    except BaseException:
        try:
            attempt.commit()
        finally:
            writer.close(commit=False)
        raise
    if writer.written == 0:
        writer.close()
        discard(folder)
        reasons = [f"{row['file']} {row['reason']}" for row in failures[:3]]
        reasons += [f"{count} x {what}" for what, count in findings.most_common(3)]
        raise InputError(f"Nothing could be read of {total} samples. {'; '.join(reasons)}.")
    report = {
        **plan.report,
        "failed_count": len(failures),
        "failed": sorted(failures, key=lambda row: row["file"])[:_LISTED_FAILURES],
        "findings": dict(sorted(findings.items())),
        "settings": dict(plan.settings),
        "sources": {"state": state, "left_out": left_out_digest(plan.units, writer.present)},
    }
    (folder / _PROGRESS).unlink(missing_ok=True)
    writer.finish(name, plan.kind, report, progress)


def _write(writer: ArchiveWriter, unit: Unit, outcome: Outcome) -> list[dict[str, str]]:
    failures = []
    for position, sample in zip(unit.positions, outcome.samples, strict=True):
        if sample is None:
            writer.leave_out(position)
            continue
        try:
            writer.write(position, sample)
        except InputError as error:
            failures.append({"file": writer.name_of(position), "reason": str(error)})
    return failures


@contextmanager
def _reader(
    read: Callable[[Any], Outcome], workers: int
) -> Iterator[Callable[[Iterable[Unit]], Iterator[tuple[Unit, Outcome | Unreadable]]]]:
    if workers <= 1:
        with quick_raster_access():
            yield lambda units: ((unit, _attempt(read, unit.argument)) for unit in units)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)
    try:
        yield lambda units: _in_parallel(pool, read, units, workers)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_parallel(
    pool: ProcessPoolExecutor, read: Callable[[Any], Outcome], units: Iterable[Unit], workers: int
) -> Iterator[tuple[Unit, Outcome | Unreadable]]:
    """Yield units as they are read, with few in flight, so that memory does not grow with the archive."""
    waiting = iter(units)
    flying: dict[Future[list[Outcome | Unreadable]], list[Unit]] = {}
    try:
        while True:
            while len(flying) < 2 * workers and (chunk := list(itertools.islice(waiting, _UNITS_AT_A_TIME))):
                flying[pool.submit(_attempt_all, read, [unit.argument for unit in chunk])] = chunk
            if not flying:
                return
            finished, _ = wait(flying, return_when=FIRST_COMPLETED)
            for future in finished:
                yield from zip(flying.pop(future), future.result(), strict=True)
    except BrokenProcessPool as error:
        raise RunFailed(
            "A reading process was killed, perhaps for lack of memory. The same command goes on from here; "
            "--workers 1 needs least."
        ) from error


def _attempt_all(read: Callable[[Any], Outcome], arguments: list[Any]) -> list[Outcome | Unreadable]:
    with quick_raster_access():
        return [_attempt(read, argument) for argument in arguments]


def _attempt(read: Callable[[Any], Outcome], argument: Any) -> Outcome | Unreadable:
    try:
        return read(argument)
    except Unreadable as error:
        return error
    except MemoryError:
        return Unreadable(next(iter(getattr(argument, "files", ())), "?"), "needs more memory than there is")


def _start_worker() -> None:
    # The parent answers Ctrl-C; workers that also died of it would only print tracebacks.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


class _Attempt:
    """A writer with what was found in the images that it has packed, both of which an interruption leaves consistent.

    Args:
        plan: What to read.
        folder: Where the files go. What an earlier attempt left there is removed if the sources have changed since,
            or if there are no findings about exactly what it packed.
        state: Digest of the sources.
    """

    def __init__(self, plan: Plan, folder: Path, state: str) -> None:
        path = folder / _PROGRESS
        earlier = read_json(path) if path.is_file() else {}
        if earlier.get("state") != state:
            discard(folder)
        self._path, self._state = path, state
        self.writer = _writer(plan, folder)
        done = self._done()
        noted = earlier.get("noted", {}).get(done) if done != "0" else {}
        if noted is None:
            self.writer.close(commit=False)
            discard(folder)
            self.writer, done, noted = _writer(plan, folder), "0", {}
        self._noted = {done: noted}
        self.findings = Counter(noted)

    def commit(self) -> None:
        """Note what was packed as done, after the findings before and after it: the two are not a single write."""
        now = {self._done(): dict(self.findings)}
        write_json(self._path, {"state": self._state, "noted": {**self._noted, **now}})
        self.writer.commit()
        self._noted = now

    def _done(self) -> str:
        return str(int(self.writer.done.sum()))


def _writer(plan: Plan, folder: Path) -> ArchiveWriter:
    settings = {"kind": plan.kind, **plan.settings}
    return ArchiveWriter(
        folder, plan.layout, plan.names, plan.split, settings, plan.groups, plan.georeferences
    )
