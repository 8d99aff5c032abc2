"""`gridbench doctor`: versions, devices, folders, threads and missing optional dependencies."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from gridbench.cli.options import cache_option, runs_option
from gridbench.core.terminal import say
from gridbench.errors import AlreadyPrinted, counted, reason_of

__all__ = ["doctor"]

# Optional libraries: (module, extra or package, feature that needs it).
OPTIONAL = (
    ("numba", "gridbench[fast]", "fast chi-square distances"),
    ("ray", "gridbench[ray]", "--engine ray"),
    ("tensorboard", "gridbench[tensorboard]", "--log tensorboard"),
    ("wandb", "gridbench[wandb]", "--log wandb"),
    ("mlflow", "gridbench[mlflow]", "--log mlflow"),
)
ENOUGH_ROOM = 2 * 2**30
"""Bytes that an archive and a sweep's records of the built-in data need, with room."""


@dataclass(frozen=True)
class Finding:
    """A line of the report.

    Attributes:
        topic: What it is about.
        text: What was found.
        problem: Whether gridbench cannot work like this.
    """

    topic: str
    text: str
    problem: bool = False


@click.command()
@runs_option
@cache_option
def doctor(runs: Path, cache: Path | None) -> None:
    """Report versions, devices, folders, threads and missing optional dependencies.

    Exit code 1: something that every run needs is missing. Paste the output into a bug report.
    """
    from gridbench.datasets.cache import default_cache

    found = []
    for finding in _findings(runs, cache or default_cache()):
        say(f"{'PROBLEM ' if finding.problem else ''}{finding.topic + ':':10} {finding.text}", indent=11)
        found.append(finding)
    problems = sum(finding.problem for finding in found)
    say(f"{counted(problems, 'problem')} found." if problems else "No problem found.")
    if problems:
        raise AlreadyPrinted


def _findings(runs: Path, cache: Path) -> Iterator[Finding]:
    import gridbench

    system = (
        f"Python {platform.python_version()}, {platform.system()} {platform.release()} {platform.machine()}"
    )
    yield Finding("gridbench", f"{gridbench.__version__} with {system}, in {Path(gridbench.__file__).parent}")
    yield from _libraries()
    yield from _machine()
    yield from _folder("cache", cache, _archives(cache))
    yield from _folder("runs", runs.absolute(), _records(runs))
    yield from _missing()


def _libraries() -> Iterator[Finding]:
    """Compare what is installed with what gridbench requires."""
    shown = []
    for line in importlib.metadata.requires("gridbench") or ():
        if "extra ==" in line:
            continue
        name, _, oldest = re.split(r"[;\s]", line)[0].partition(">=")
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding("libraries", f"{name} is missing: pip install '{line}'", problem=True)
            continue
        if _numbers(version) < _numbers(oldest):
            text = f"{name} {version} is older than {oldest}: pip install --upgrade '{line}'"
            yield Finding("libraries", text, problem=True)
        if name in ("torch", "torchvision", "timm", "numpy", "scipy", "pandas", "rasterio"):
            shown.append(f"{name} {version}")
    yield Finding("libraries", ", ".join(shown))


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3]]


def _machine() -> Iterator[Finding]:
    """Describe what computes; torch may be there and yet not load."""
    from gridbench.core.cores import cores_here
    from gridbench.core.environment import all_devices, choose_device, memory_of
    from gridbench.core.machine import describe_machine, machine_label

    try:
        import torch
    except (ImportError, OSError) as error:
        yield Finding("torch", f"cannot be imported: {reason_of(error).splitlines()[0]}", problem=True)
        return
    described = describe_machine(torch.device("cpu"), threads=1)
    settings = "".join(f", {name}={value}" for name, value in described["settings"].items())
    yield Finding("CPU", f"{machine_label(described)}, BLAS {described['blas']}{settings}")
    limits = [
        f"{name}={os.environ[name]}" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if name in os.environ
    ]
    cores = f"{len(cores_here())} of {os.cpu_count()} cores available; a run uses 1 thread, or --threads"
    yield Finding("threads", "; ".join([cores, *limits]))
    devices = []
    for name in all_devices():
        memory, device = memory_of(name), choose_device(name)
        module = torch.get_device_module(device)
        title = module.get_device_name(device) if hasattr(module, "get_device_name") and memory else ""
        room = f"{memory.total / 2**30:.0f} GiB" if memory else ""
        devices.append(" ".join(filter(None, [name, title, room])))
    yield Finding("devices", ", ".join(devices))


def _archives(cache: Path) -> str:
    from gridbench.datasets.cache import prepared_names, unfinished_names

    names, unfinished = prepared_names(cache), unfinished_names(cache)
    packed = f"{counted(len(names), 'archive')}" + (f" ({', '.join(names)})" if names else "")
    return packed + (f", half packed: {', '.join(unfinished)}" if unfinished else "")


def _records(runs: Path) -> str:
    from gridbench.records.record import iter_records

    states = [stored.state for stored in iter_records(runs)] if runs.is_dir() else []
    done = states.count("done")
    others = f" and {len(states) - done} unfinished or failed" if done < len(states) else ""
    return counted(done, "finished run") + others


def _folder(topic: str, folder: Path, content: str) -> Iterator[Finding]:
    """Report whether a folder is writable, and its free space."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    text = f"{folder}: {content}; {free / 2**30:.1f} GiB free"
    if not there.is_dir() or not os.access(there, os.W_OK):
        yield Finding(topic, f"{text}; not writable, so choose another folder with --{topic}", problem=True)
    elif free < ENOUGH_ROOM:
        yield Finding(topic, f"{text}, of which a sweep may need {ENOUGH_ROOM / 2**30:.0f}", problem=True)
    else:
        yield Finding(topic, text)


def _missing() -> Iterator[Finding]:
    """List missing optional dependencies with their purpose."""
    for module, package, purpose in OPTIONAL:
        if importlib.util.find_spec(module) is None:
            yield Finding("optional", f"{module} is not installed, for {purpose}: pip install '{package}'")
    if not any(map(shutil.which, ("g++", "clang++", "cl"))):
        yield Finding("optional", "no C++ compiler was found; --compile on a CPU needs g++ or clang++")
