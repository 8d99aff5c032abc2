"""Plug-ins that end the process, or raise what is no error, wherever their code is called."""

from __future__ import annotations

import pytest
from inputs import OSC

PLUGIN = """
import os, sys
from dataclasses import dataclass
from gridbench import register_loss, register_method, register_noise
from gridbench.methods.base import Loss
from gridbench.methods.losses import LOSSES
from gridbench.methods.plain import Plain

class Ended(BaseException):
    pass

class Mute(Exception):
    def __str__(self):
        sys.exit(0)

def end():
    {leave}

{module}

@register_method()
class Hostile(Plain):
    \"\"\"Ends in one of its functions.\"\"\"

    losses = ("bce",)

    {method}
"""
FUNCTIONS = {
    "__init__": "def __init__(self, setup, parameters=None): super().__init__(setup, parameters); end()",
    "resolve": "resolve = classmethod(lambda *a: end())",
    "descriptor_network": "descriptor_network = property(lambda self: end())",
    **{
        name: f"{name} = lambda *a, **k: end()"
        for name in ("start", "on_epoch_start", "sampler", "step", "after_step", "parameter_groups")
    },
    **{
        name: f"{name} = lambda *a, **k: end()"
        for name in ("score_samples", "predict", "describe", "state_dict", "train", "to")
    },
    "class body": "end()",
    "module": "",
}
ENDINGS = {
    "sys.exit": "sys.exit(0)",
    "os._exit": "os._exit(0)",
    "posix._exit": "sys.modules[os.name]._exit(0)",
    "GeneratorExit": "raise GeneratorExit",
    "BaseException": "raise Ended('over')",
}
ODD = {
    "no code": "sys.exit()",
    "text": "sys.exit('over')",
    "a negative code": "sys.exit(-1)",
    "False": "sys.exit(False)",
    "3": "sys.exit(3)",
    "StopIteration": "raise StopIteration",
    "cancelled": "import asyncio; raise asyncio.CancelledError",
    "controls": f"raise ValueError({OSC!r})",
    "a name of controls": f"raise type({OSC!r}, (Exception,), {{}})('x')",
    "a long message": "raise ValueError('x' * 10**6)",
    "no message": "raise KeyError",
    "a message that ends the process": "raise Mute",
    "an error of files": "raise FileNotFoundError(2, 'none', 'x')",
    "memory": "raise MemoryError",
    "recursion": "end()",
    "click abort": "import click; raise click.Abort",
    "click exit": "import click; raise click.exceptions.Exit(0)",
    "the end of the command": "import click; click.get_current_context().exit()",
    "an interruption": "raise KeyboardInterrupt",
    "a kind of interruption": "raise type('Stop', (KeyboardInterrupt,), {})",
    "a click error of code 0": "import click; raise type('E', (click.ClickException,), {'exit_code': 0})('x')",
    "an input error of code 0": "from gridbench.errors import InputError as E; e = E('x'); e.exit_code = 0; raise e",
    "an error of its own": "from gridbench.errors import RunFailed as R; raise type('E', (R,), {'exit_code': 0})",
    "a closed pipe": "raise BrokenPipeError(32, 'x')",
    "an end of input": "raise EOFError",
    "another program": "os.execv('/bin/true', ['true'])",
    "another program by its name": "os.execlp('true', 'true')",
    "another program with its environment": "os.execve('/bin/true', ['true'], {})",
    "a group of ends": "raise BaseExceptionGroup('x', [SystemExit(0), KeyboardInterrupt()])",
    "a group of errors": "raise ExceptionGroup('x', [ValueError(i) for i in range(1000)])",
    "an end within a list": "[sys.exit(0) for _ in [1]]",
    "half a surrogate pair": "raise ValueError(chr(0xd800))",
    "causes without end": "e = None\n    for i in range(3000): f = ValueError(i); f.__cause__ = e; e = f\n    raise e",
    "an error without a class of its own": "raise type('', (Exception,), {})",
    "an end while it is printed": "end = lambda s: sys.exit(0)\n    raise type('E', (Exception,), {'__str__': end})",
    "input error": f"from gridbench.errors import InputError; raise InputError({OSC!r})",
}
RUN = ["--method", "hostile", "--dataset", "stripes", "--epochs", "1", "--backbone", "test_resnet",
       "--plugin", "hostile.py", "--batch-size", "16", "--train-size", "0", "--device", "cpu"]  # fmt: skip


def write(folder, function, ending):
    module = "end()" if function == "module" else ""
    text = PLUGIN.replace("{leave}", ending).replace("{module}", module)
    (folder / "hostile.py").write_text(text.replace("{method}", FUNCTIONS[function]), encoding="utf-8")


def refused(check, tmp_path, *words):
    answer = check(*words, codes=(1, 2), memory=None)
    assert "Error: " in answer.text
    assert len(answer.text) < 5000
    assert not list(tmp_path.glob("runs/*/done"))
    return answer


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_plugin_that_ends_the_process_is_a_run_that_failed(check, tmp_path, function, ending):
    write(tmp_path, function, ENDINGS[ending])
    refused(check, tmp_path, "run", *RUN)


@pytest.mark.parametrize("ending", ODD)
@pytest.mark.parametrize("function", ["module", "resolve", "__init__", "step"])
def test_whatever_a_plugin_raises_is_told(check, tmp_path, function, ending):
    write(tmp_path, function, ODD[ending])
    refused(check, tmp_path, "run", *RUN)


PLANNED: dict[str, list[str]] = {
    "sweep --dry-run": ["sweep", *RUN[:-4], "--dry-run", "--seeds", "2"],
    "check": ["check", "hostile.py"],
    "compare": ["compare", "hostile.py", "--quick"],
    "audit": ["audit", *RUN[:-6], "--dry-run"],
}


@pytest.mark.parametrize(
    "ending",
    ["click exit", "the end of the command", "an interruption", "no code", "a click error of code 0"],
)
@pytest.mark.parametrize("function", ["module", "class body", "resolve"])
@pytest.mark.parametrize("command", PLANNED)
def test_a_plugin_that_ends_what_is_planned_is_told(check, tmp_path, command, function, ending):
    write(tmp_path, function, ODD[ending])
    assert "hostile.py" in refused(check, tmp_path, *PLANNED[command]).text


NAMES = [
    "",
    " ",
    ".",
    "../x",
    "a/b",
    "-rf",
    "--help",
    "a,b",
    "a=b",
    "a b",
    "x\n",
    OSC,
    "x" * 5000,
    "$(id)",
    "é",
    "=1+1",
    7,
]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:20])
@pytest.mark.parametrize("kind", ["method", "loss", "noise", "dataset"])
def test_a_name_that_is_none_is_refused(check, tmp_path, kind, name):
    attributes = "step=0, describe=0, entries=0, task=0, corrupt=0, open=0, recipes=0"
    (tmp_path / "hostile.py").write_text(
        f"from gridbench import register_{kind} as register\n"
        f"class Empty: {'; '.join(attributes.split(', '))}\n"
        f"register({name!r})(Empty)\n",
        encoding="utf-8",
    )
    assert "cannot be used: take letters" in check("list", "methods", "--plugin", "hostile.py").text
