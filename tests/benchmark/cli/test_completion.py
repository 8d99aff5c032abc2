"""What a shell is offered, in process and in real shells."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shutil
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from gridbench.cli import COMMANDS


@pytest.fixture
def complete(cli, monkeypatch):
    """Return what may take the place of the last word of a line, as the completion script of bash receives it."""

    def ask(line):
        monkeypatch.setenv("_GRIDBENCH_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(line.count(" ")))
        code, output, messages = cli()
        assert (code, messages) == (0, "")
        return [item.partition(",")[2] for item in output.split() if item.startswith("plain,")]

    return ask


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("gridbench ", set(COMMANDS)),
        ("gridbench lead", {"leaderboard"}),
        ("gridbench run --method jo", {"jocor"}),
        ("gridbench run --loss f", {"fl"}),
        ("gridbench run --noise sw", {"swap"}),
        ("gridbench run --dataset bluemarble", {"bluemarble", "bluemarble64"}),
        ("gridbench run --datas", {"--dataset"}),
        ("gridbench sweep --method grid,el", {"grid,elr"}),
        ("gridbench list methods jo", {"jocor"}),
        ("gridbench list los", {"losses"}),
        ("gridbench data info bluemarble6", {"bluemarble64"}),
        ("gridbench verify jo", {"jocor"}),
        ("gridbench nothing ", set()),
        ("gridbench run --method nothing", set()),
    ],
)
def test_names_are_offered(complete, line, some):
    offered = set(complete(line))
    assert some <= offered
    last = line.rpartition(" ")[2]
    assert {name for name in offered if not name.startswith(last)} == set()


def test_archives_and_records_are_offered(complete, tmp_path):
    (tmp_path / "cache" / "archives" / "mine").mkdir(parents=True)
    (tmp_path / "cache" / "archives" / "mine" / "index.json").write_text("{}")
    assert complete("gridbench run --cache cache --dataset mi") == ["mine"]
    for folder in ("runs/mine-grid-1a2b", "elsewhere/mine-bce-3c4d"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "config.json").write_text("{}")
    (tmp_path / "runs" / "mine-notes").mkdir()
    assert complete("gridbench score mine-") == ["runs/mine-grid-1a2b"]
    assert complete("gridbench score runs/mi") == ["runs/mine-grid-1a2b"]
    assert complete("gridbench verify runs/mi") == ["runs/mine-grid-1a2b"]
    assert complete("gridbench score --runs elsewhere mine-") == ["elsewhere/mine-bce-3c4d"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_calls_the_command(cli, shell):
    code, output, _ = cli("completion", shell)
    assert (code, f"_GRIDBENCH_COMPLETE={shell}_complete" in output) == (0, True)


def test_nothing_that_is_completed_imports_torch(tmp_path):
    code = "import sys; from gridbench.cli import main; main([]); assert not {'torch', 'matplotlib'} & set(sys.modules)"
    asked = {
        "_GRIDBENCH_COMPLETE": "bash_complete",
        "COMP_WORDS": "gridbench sweep --method ",
        "COMP_CWORD": "3",
    }
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, **asked},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "plain,grid" in done.stdout) == (0, True), done.stderr


SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], 'eval "$(gridbench completion bash)"'),
    "zsh": (["zsh", "-f", "-i"], 'autoload -U compinit; compinit -u; eval "$(gridbench completion zsh)"'),
    "fish": (["fish", "--no-config", "-i"], "gridbench completion fish | source"),
}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_real_shell_completes(shell, tmp_path):
    """Types into an interactive shell and reads what its line becomes."""
    command, setup = SHELLS[shell]
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    record = tmp_path / "runs" / "mine-grid-1a2b"
    record.mkdir(parents=True)
    (record / "config.json").write_text("{}")
    ours, theirs = pty.openpty()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    started = subprocess.Popen(
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "TERM": "dumb", "PS1": "> ", "HOME": str(tmp_path)},
        start_new_session=True,
        # fish refuses to be interactive without a controlling terminal.
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    try:
        os.write(ours, f'{setup}; echo rea""dy\n'.encode())
        read_until(ours, r"ready\r\n")
        for typed, becomes in (
            ("gridbench lead", "leaderboard"),
            ("gridbench run --method joc", "jocor"),
            ("gridbench sweep --method grid,joc", "grid,jocor"),
            ("gridbench run --dataset bluemarble6", "bluemarble64"),
            ("gridbench score mine-", "runs/mine-grid-1a2b"),
        ):
            os.write(ours, f"{typed}\t".encode())
            read_until(ours, re.escape(becomes))
            os.write(ours, b"\x15")
    finally:
        started.kill()
        started.wait()
        os.close(ours)
        os.close(theirs)


def read_until(terminal: int, pattern: str) -> None:
    """Read until a pattern comes; fail when it does not come within a minute."""
    seen, end = "", time.monotonic() + 60
    while not re.search(pattern, seen):
        assert time.monotonic() < end, seen
        if select.select([terminal], [], [], 1)[0]:
            seen += os.read(terminal, 4096).decode(errors="replace")
