"""Run folders: locking, preparation, and renaming of invalid or replaced contents."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from gridbench.core.files import NO_ROOM, check_folder, check_writable
from gridbench.core.json_files import write_json
from gridbench.errors import GridbenchError, InputError, RunFailed, reason_of
from gridbench.plan import Plan
from gridbench.records.record import SELECTIONS, StoredRun

__all__ = [
    "DAMAGED",
    "REPLACED",
    "NoRoom",
    "RunBusy",
    "asides",
    "check_ready",
    "clear_leftovers",
    "free_name",
    "locked",
    "make_ready",
    "no_room",
    "prepare",
    "unwritable",
]

# Folders beside the runs: locks, notes of sweeps (sweep_manifest), selections (model_selection).
OWN = (".locks", ".sweeps", SELECTIONS)
DAMAGED, REPLACED = "damaged", "replaced"
# Waits this long, since `gridbench status` tests a lock by acquiring it for a moment.
LOCK_SECONDS = 1.0
# The files of a record other than arrays.
LEFTOVERS = {
    "config.json",
    "done",
    "environment.json",
    "failed.json",
    "history.json",
    "noise.json",
    "result.json",
}


class RunBusy(InputError):
    """Another process is computing this run."""


class NoRoom(RunFailed):
    """The disk is full; the run can be resumed once there is space."""


def check_ready(runs: Path) -> None:
    """Refuse a folder of runs to which nothing can be written; nothing is made.

    Raises:
        InputError: A folder of notes is a link or a file, or the runs folder cannot be written.
    """
    for name in OWN:
        check_folder(runs / name)
    check_writable(runs)


def make_ready(runs: Path) -> None:
    """Make the folder that locks are written to; sweeps do so before they start a process.

    Raises:
        InputError: A folder of notes is a link, or the runs folder cannot be written.
    """
    for name in OWN:
        check_folder(runs / name)
    try:
        (runs / OWN[0]).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(runs, error) from None


@contextmanager
def locked(runs: Path, folder: Path) -> Iterator[None]:
    """Lock a run folder against other processes.

    Raises:
        InputError: Another process holds it, it is a link, or the runs folder cannot be written.
    """
    check_folder(folder)
    make_ready(runs)
    try:
        lock = FileLock(runs / OWN[0] / f"{folder.name}.lock", timeout=LOCK_SECONDS)
        lock.acquire()
    except Timeout:
        raise RunBusy(
            f"Another process is computing this run in {folder}. Wait until it has ended, then repeat the command."
        ) from None
    except OSError as error:
        raise unwritable(runs, error) from None
    try:
        yield
    finally:
        lock.release()


def prepare(
    folder: Path, found: StoredRun | None, plan: Plan, force: bool, say: Callable[[str], None]
) -> None:
    """Prepare the run folder: set aside invalid or replaced contents, and write config.json."""
    foreign = found is not None and found.config and found.id != plan.id
    # Files without a config beside them are not from an interrupted run.
    unknown = found is not None and not found.config and _holds_files(folder)
    if found is not None and (found.state == "corrupt" or foreign or unknown):
        aside = free_name(_hidden(folder, DAMAGED))
        folder.replace(aside)
        reason = "it belongs to another run" if foreign else found.reason
        say(f"{folder.name} cannot be trusted ({reason}). It was set aside as {aside.name}.")
    elif found is not None and force:
        # Kept until the new record is whole, so that a failure loses nothing.
        folder.replace(free_name(_hidden(folder, REPLACED)))
    folder.mkdir(parents=True, exist_ok=True)
    clear_leftovers(folder)
    write_json(folder / "config.json", plan.document())


def clear_leftovers(folder: Path) -> None:
    """Remove what an interrupted attempt left behind but its checkpoint; notes of the user's own stay.

    The folder is opened once and never by a link, so that nothing is deleted elsewhere if it is exchanged meanwhile.

    Raises:
        UnsafeFile: The folder is a link.
    """
    if not hasattr(os, "O_NOFOLLOW") or os.unlink not in os.supports_dir_fd:
        handle, names = None, [path.name for path in folder.iterdir()]
    else:
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            check_folder(folder)
            raise
        names = os.listdir(handle)  # noqa: PTH208
    try:
        for name in names:
            ours = name in LEFTOVERS or Path(name).suffix in (".part", ".npz", ".safetensors")
            if ours and not name.startswith("checkpoint"):
                os.unlink(folder / name if handle is None else name, dir_fd=handle)
    finally:
        if handle is not None:
            os.close(handle)


def _holds_files(folder: Path) -> bool:
    return not folder.is_dir() or any(not path.name.startswith(".") for path in folder.iterdir())


def no_room(error: BaseException) -> NoRoom | None:
    """Return the error for a full disk, or None for any other error."""
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return NoRoom(
            f"There is no room left on the disk ({reason_of(error)}). What was finished before is intact; make "
            "room, and the same command goes on after the last whole checkpoint."
        )
    return None


def unwritable(runs: Path, error: OSError) -> GridbenchError:
    """Return the error for a folder of runs that cannot be written."""
    return no_room(error) or InputError(
        f"The runs folder {str(runs)!r} cannot be written: {reason_of(error, runs)}. Give another --runs (of audits: "
        "--out)."
    )


def _hidden(folder: Path, why: str) -> Path:
    """Return a hidden name for contents that are set aside, so that they are not mistaken for a run."""
    return folder.with_name(f".{folder.name}.{why}")


def asides(folder: Path, why: str) -> list[Path]:
    """Return what was set aside from a run folder, the earliest first."""
    return sorted(folder.parent.glob(glob.escape(_hidden(folder, why).name) + "-*"))


def free_name(path: Path) -> Path:
    """Return the path with the first free number appended."""
    number = 0
    while True:
        candidate = path.with_name(f"{path.name}-{number}")
        if not candidate.exists():
            return candidate
        number += 1
