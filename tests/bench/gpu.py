"""Measure what only a machine with an accelerator can tell; tables and JSON go to `bench/`.

    python tests/bench/gpu.py                       every part that is not measured yet
    python tests/bench/gpu.py numerics speed        these parts
    python tests/bench/gpu.py --again chi2          this part anew
    python tests/bench/gpu.py --device cpu --small  tiny work on the CPU, to see that everything runs

Each row is written as soon as it is measured, so that the same command goes on after an interruption. The exit code is
2 where there is no accelerator, and 1 when a row failed or numbers differ from the CPU's.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from helpers.fair import FOLDER
from on_gpu.runs import one_run, side_by_side, table_five
from on_gpu.search import search
from on_gpu.store import Settings, Store, table
from on_gpu.training import numerics, speed

from gridbench.core.environment import choose_device
from gridbench.errors import InputError

PARTS: Mapping[str, tuple[Callable[[Settings, Store], None], str]] = {
    "numerics": (numerics, "a step of every method with every loss, against the CPU"),
    "speed": (speed, "densenet121, crops of 224 px, mini-batches of 128: images/s, and GRID / BCE"),
    "chi2": (search, "chi-square top-30 of 20,000 and of 100,000 descriptors"),
    "run": (one_run, "one run of DLRSD's size: 1,470 training images, 100 epochs from a few measured ones"),
    "together": (side_by_side, "several such runs at once"),
    "table5": (table_five, "Table V: 7 noise rates, 6 methods, 5 seeds, projected"),
}
NO_ACCELERATOR = 2


def main(arguments: list[str]) -> int:
    """Measure the parts that were asked for and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--device", default="auto", help="auto, or the name of a device")
    parser.add_argument("--small", action="store_true", help="tiny work, whose numbers say nothing")
    parser.add_argument("--again", action="store_true", help="measure anew what is there")
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder of tables and JSON")
    parser.add_argument("--scratch", type=Path, help="folder of archives and records, kept for the next call")
    given = parser.parse_args(arguments)
    unknown = [part for part in given.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    try:
        device = choose_device(given.device)
    except InputError as error:
        print(error, file=sys.stderr)
        return NO_ACCELERATOR
    if given.device == "auto" and device.type == "cpu":
        print(
            "There is no accelerator on this machine: nothing was measured. `--device cpu --small` shows that the "
            "script runs.",
            file=sys.stderr,
        )
        return NO_ACCELERATOR
    with tempfile.TemporaryDirectory() as passing:
        settings = Settings(device, given.small, given.output, given.scratch or Path(passing))
        return max(_measure(part, settings, given.again) for part in given.parts or PARTS)


def _measure(part: str, settings: Settings, again: bool) -> int:
    """Measure one part, print its table, and return 1 where something is wrong."""
    work, title = PARTS[part]
    print(f"\n## {part}: {title}, on {settings.device}", flush=True)
    started = time.perf_counter()
    store = Store(part, settings, again)
    work(settings, store)
    print(f"\n{table(store.rows)}\n{time.perf_counter() - started:.0f} s", flush=True)
    wrong = [name for name, row in store.rows.items() if "error" in row or row.get("verdict") == "DIFFERS"]
    if wrong:
        print(f"failed or different: {', '.join(wrong)}", file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
