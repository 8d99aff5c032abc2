"""Commands that only tell something answer without importing torch."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROBE = """
import sys
from gridbench.cli import main
try:
    main(sys.argv[1:])
except SystemExit as stop:
    code = stop.code or 0
else:
    code = 0
heavy = [name for name in ("torch", "timm", "matplotlib") if name in sys.modules]
print(code, *heavy, file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("--help", 0),
        ("--version", 0),
        ("run --help", 0),
        ("leaderboard --help", 0),
        ("leaderboard export --help", 0),
        ("compare --help", 0),
        ("noise --help", 0),
        ("noise apply --help", 0),
        ("list methods", 0),
        ("list losses", 0),
        ("list noise", 0),
        ("list datasets --cache .", 0),
        ("leaderboard --runs .", 2),
        ("status --runs .", 0),
        ("leaderbord", 2),
        ("completion bash", 0),
    ],
)
def test_no_torch(line, code, tmp_path):
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROBE, *line.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.splitlines()[-1] == str(code), done.stderr
