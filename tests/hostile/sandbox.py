"""Runs a command in a child of limited time and memory, and tells what it did."""

from __future__ import annotations

import os
import re
import resource
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from gridbench.cli import main

MEGABYTE = 2**20
# A plug-in that is loaded cannot call it any more, and neither could the child then.
leave = os._exit
# What a refusal may take beyond the process that it runs in, and what ends it if it takes more.
MOST_MEMORY, MOST_SECONDS = 200, 10.0
ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


@dataclass(frozen=True)
class Answer:
    """What a command did: its exit code (negative for a signal), text, seconds of computing, and MB it took."""

    code: int
    text: str
    seconds: float
    memory: float


def _size(name: str) -> int:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(rf"{name}:\s+(\d+) kB", status)[1]) * 1024


def call(words: list[str], folder: Path) -> Answer:
    """Run gridbench with these words in a folder, in a forked child."""
    output = folder / ".output"
    child = os.fork()
    if child == 0:
        _run(words, folder, output)
    before = time.monotonic()
    while True:
        done, status, used = os.wait4(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() - before > 6 * MOST_SECONDS:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.005)
    text = output.read_text(encoding="utf-8", errors="replace")
    start = int((folder / ".start").read_text())
    code = os.waitstatus_to_exitcode(status)
    return Answer(code, text, used.ru_utime + used.ru_stime, (used.ru_maxrss * 1024 - start) / MEGABYTE)


def _run(words: list[str], folder: Path, output: Path) -> None:
    code = 70
    try:
        os.chdir(folder)
        (folder / ".start").write_text(str(_size("VmRSS")))
        limit = _size("VmSize") + 2 * MOST_MEMORY * MEGABYTE
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CPU, (int(MOST_SECONDS), int(MOST_SECONDS) + 1))
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
        try:
            main(words)
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 71
        sys.stdout.flush()
    except BaseException:
        import traceback

        os.write(2, traceback.format_exc().encode("utf-8", "replace"))
    finally:
        leave(code & 0xFF)
