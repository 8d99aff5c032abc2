"""Answers orders on standard input by forking a process that has torch loaded, so that a run takes a moment to start.

What scores predictions and draws figures is loaded, too, which takes as long as the rest of a short run.

An order is a line of JSON. One with `lines` runs command lines, one after the other, one with `script` a file; the
answer is the process's id. One with `wait` waits for a process; the answer is its exit code. A write is a flush to
disk, a renaming or a removal; a process kills itself before write number `at`.
"""

import gc
import json
import os
import runpy
import signal
import sys

import matplotlib.backends.backend_agg
import matplotlib.backends.backend_pdf
import matplotlib.backends.backend_svg  # noqa: F401
import timm  # noqa: F401
import torch

import gridbench.cli.run
import gridbench.evaluation.retrieval
import gridbench.leaderboard.figures.figures
import gridbench.leaderboard.formats.markdown
import gridbench.metrics.predictions
import gridbench.records.runner
import gridbench.sweeps.computing  # noqa: F401
from gridbench.cli import main

leave = os._exit  # a plug-in that is loaded cannot call it any more
writes = 0


def counted(function, at):
    def call(*arguments, **more):
        global writes
        if writes == at:
            os.kill(os.getpid(), signal.SIGKILL)
        writes += 1
        return function(*arguments, **more)

    return call


def carry_out(order):
    """Do in this process what was ordered; return its exit code."""
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    for name in ("fsync", "replace", "unlink"):
        setattr(os, name, counted(getattr(os, name), order["at"]))
    try:
        if "script" in order:
            sys.path.insert(0, order["folder"])
            runpy.run_path(order["script"], run_name="__main__")
        for words in order.get("lines", []):
            try:
                main(words)
            except SystemExit as stop:
                if stop.code:
                    raise
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else bool(stop.code)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


torch.set_num_threads(1)
# Whoever is forked neither copies what is loaded nor searches it for garbage.
gc.freeze()
for line in sys.stdin:
    order = json.loads(line)
    if "wait" in order:
        print(os.waitstatus_to_exitcode(os.waitpid(order["wait"], 0)[1]), flush=True)
        continue
    pid = os.fork()
    if pid:
        print(pid, flush=True)
        continue
    for number, name in enumerate(("out", "err"), 1):
        os.dup2(os.open(order[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    code = carry_out(order)
    with open(order["writes"], "w") as file:  # noqa: PTH123
        file.write(str(writes))
    sys.stdout.flush()
    sys.stderr.flush()
    leave(code)
