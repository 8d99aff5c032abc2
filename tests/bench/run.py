"""Run every `bench_*.py` beside this file and print a table per part; the numbers go to the folder `bench/`.

    python tests/bench/run.py              all of them, about half an hour on two quiet cores
    python tests/bench/run.py step chi2    only bench_step.py and bench_chi2.py
    python tests/bench/run.py --quick      small work and few rounds, to see that everything runs

Each script runs in a process of its own. The exit code is 1 when a script fails or a number clearly misses its
goal; quick numbers are judged by nobody.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from itertools import groupby
from pathlib import Path

from helpers import fair

HERE = Path(__file__).resolve().parent


def main(arguments: list[str]) -> int:
    """Run the named benchmarks, or all, and return the exit code."""
    options = ["--quick"] if "--quick" in arguments else []
    names = [name for name in arguments if name not in options]
    scripts = [HERE / f"bench_{name}.py" for name in names] or sorted(HERE.glob("bench_*.py"))
    absent = [script.name for script in scripts if not script.exists()]
    if absent:
        known = ", ".join(path.stem.removeprefix("bench_") for path in sorted(HERE.glob("bench_*.py")))
        print(f"There is no {', '.join(absent)}. There are: {known}.", file=sys.stderr)
        return 2
    started = time.time()
    failed = [s.name for s in scripts if subprocess.run([sys.executable, s, *options]).returncode]
    files = [file for file in fair.OUTPUT.glob("*.json") if file.stat().st_mtime >= started]
    results = [read(file) for file in sorted(files, key=lambda file: file.stat().st_mtime)]
    page = tables(results)
    print(f"\n{page}\n{(time.time() - started) / 60:.1f} minutes")
    if results:
        (fair.OUTPUT / "table.md").write_text(page, encoding="utf-8")
    missed = [] if options else [result.name for result in results if result.verdict == "missed"]
    for what, which in (("failed", failed), ("missed its goal", missed)):
        if which:
            print(f"{what}: {', '.join(which)}", file=sys.stderr)
    return 1 if failed or missed else 0


def tables(results: list[fair.Comparison | fair.Figure]) -> str:
    """Format results as a markdown table per part."""
    parts = groupby(sorted(results, key=lambda result: result.part), lambda result: result.part)
    return "\n".join(
        "\n".join([f"## {part}", "", fair.HEADER, *map(fair.row, rows), ""]) for part, rows in parts
    )


def read(file: Path) -> fair.Comparison | fair.Figure:
    """Read one result back."""
    content = json.loads(file.read_text(encoding="utf-8"))
    kind = fair.Figure if "unit" in content else fair.Comparison
    return kind(**{name: content[name] for name in kind.__dataclass_fields__})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
