"""The records that ship with gridbench: the baselines of `gridbench compare` and of docs/results."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from gridbench.errors import InputError

__all__ = ["shipped_records"]


def shipped_records(dataset: str = "bluemarble") -> Path:
    """Return the file of compact records of a data set.

    Raises:
        InputError: None ships with this version.
    """
    folder = resources.files("gridbench.leaderboard.records") / "baselines"
    file = Path(str(folder / f"{dataset}.zip"))
    if file.is_file():
        return file
    there = sorted(path.stem for path in Path(str(folder)).glob("*.zip"))
    raise InputError(
        f"No baseline records of {dataset!r} ship with this gridbench (there are: {', '.join(there) or 'none'}). "
        "Make some: gridbench sweep --method bce,grid --slnir 0,30 --seeds 5, then gridbench leaderboard export "
        "--compact --out FILE, and name that FILE with --baselines."
    )
