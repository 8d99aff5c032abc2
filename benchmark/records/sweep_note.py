"""Notes what a command is about to compute, for `gridbench status`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gridbench.sweeps.grid import Item

__all__ = ["declare_items"]


def declare_items(items: Iterable[Item], runs: Path) -> None:
    """Note the runs of a sweep in their folder, under the command that was typed.

    Args:
        items: All its runs, the finished ones too.
        runs: The folder of records.

    Raises:
        InputError: The folder cannot be written.
        NoRoom: The disk is full.
    """
    from gridbench.records.run_folder import unwritable
    from gridbench.records.sweep_manifest import DeclaredRun, declare

    command = shlex.join(["gridbench", *sys.argv[1:]])
    rows = [
        DeclaredRun(item.plan.folder_name, item.label, item.plan.config.model_dump(mode="json"))
        for item in items
    ]
    try:
        declare(runs, command, rows)
    except OSError as error:
        raise unwritable(runs, error) from None
