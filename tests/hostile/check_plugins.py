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
