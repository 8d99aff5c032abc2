from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

# Answers each line by forking a process that has torch loaded already, so that a run takes a fraction of a second.
# A write is a flush to disk, a renaming or a removal; `at` kills the process before that many have happened.
SERVER = """
import json, os, signal, sys
import torch, timm
import gridbench.records.runner, gridbench.cli.run
from gridbench.cli import main
torch.set_num_threads(1)
leave = os._exit  # a plug-in that is loaded cannot call it any more

def counted(function):
    def call(*arguments, **more):
        global writes
        if writes == at:
            os.kill(os.getpid(), signal.SIGKILL)
        writes += 1
        return function(*arguments, **more)
    return call

for line in sys.stdin:
    order = json.loads(line)
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        writes, at = 0, order["at"]
        os.environ["KILL_IN"] = order["hook"]
        for name in ("fsync", "replace", "unlink"):
            setattr(os, name, counted(getattr(os, name)))
        code = 0
        try:
            main(order["words"])
        except SystemExit as stop:
            code = stop.code or 0
        with open(order["writes"], "w") as file:
            file.write(str(writes))
        leave(code)
    status = os.waitpid(pid, 0)[1]
    print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    with (
        (folder / "messages").open("w") as messages,
        subprocess.Popen(
            [sys.executable, "-P", "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=messages,
            text=True,
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        ) as process,
    ):

        def order(*words, at=None, hook=""):
            """Run the command line in a process of its own; return its exit code and how often it wrote.

            The process is killed before its write number `at`; a plug-in finds `hook` in the environment, as KILL_IN.
            """
            note = folder / "writes"
            note.unlink(missing_ok=True)
            content = {"words": [*map(str, words)], "at": at, "hook": hook, "writes": str(note)}
            process.stdin.write(json.dumps(content) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
            assert answer, (folder / "messages").read_text()
            return int(answer), int(note.read_text()) if note.exists() else None

        yield order
        process.stdin.close()
