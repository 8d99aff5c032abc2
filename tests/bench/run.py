"""Run every `bench_*.py` beside this file and print one table; times and ratios go to the folder `bench/`.

    python tests/bench/run.py            all of them
    python tests/bench/run.py step       only bench_step.py

Each script runs in a process of its own and calls `fair.compare`. The exit code is 1 when a script fails or a
ratio clearly misses its limit.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import fair

HERE = Path(__file__).resolve().parent


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all, and return the exit code."""
    scripts = [HERE / f"bench_{name}.py" for name in names] or sorted(HERE.glob("bench_*.py"))
    absent = [script.name for script in scripts if not script.exists()]
    if absent:
        known = ", ".join(path.stem.removeprefix("bench_") for path in sorted(HERE.glob("bench_*.py")))
        print(f"There is no {', '.join(absent)}. There are: {known}.", file=sys.stderr)
        return 2
    started = time.time()
    failed = [script.name for script in scripts if subprocess.run([sys.executable, script]).returncode]
    results = [read(file) for file in sorted(fair.OUTPUT.glob("*.json")) if file.stat().st_mtime >= started]
    table = "\n".join([fair.HEADER, *map(fair.row, results)])
    print(f"\n{table}")
    if results:
        (fair.OUTPUT / "table.md").write_text(table + "\n", encoding="utf-8")
    missed = [result.name for result in results if result.verdict == "missed"]
    for what, which in (("failed", failed), ("missed its limit", missed)):
        if which:
            print(f"{what}: {', '.join(which)}", file=sys.stderr)
    return 1 if failed or missed else 0


def read(file: Path) -> fair.Comparison:
    """Read one comparison back."""
    content = json.loads(file.read_text(encoding="utf-8"))
    return fair.Comparison(**{name: content[name] for name in fair.Comparison.__dataclass_fields__})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
