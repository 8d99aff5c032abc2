"""Description of the machine as far as it affects floating-point results, and a label for pairing runs."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = [
    "ARITHMETIC_VARIABLES",
    "NOT_RECORDED",
    "describe_machine",
    "machine_label",
    "onednn_isa",
    "resumed_on",
]

NOT_RECORDED = "not recorded"
LONGEST_LABEL = 400

ARITHMETIC_VARIABLES = (
    "ATEN_CPU_CAPABILITY",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
)
"""Environment variables by which a user restricts the instruction sets of torch, MKL and oneDNN."""

# oneDNN's x64 levels in ascending order, with the flags of /proc/cpuinfo that each needs beside those before it in the
# same family (oneDNN 3.13, src/cpu/x64/cpu_isa_traits.hpp).
_AVX512_CORE = ("avx2", "avx512f", "avx512bw", "avx512vl", "avx512dq")
_BF16 = (*_AVX512_CORE, "avx512_vnni", "avx512_bf16")
_AMX = (*_BF16, "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16")
_ONEDNN_LEVELS: dict[str, tuple[str, ...]] = {
    "SSE41": ("sse4_1",),
    "AVX": ("avx",),
    "AVX2": ("avx2",),
    "AVX2_VNNI": ("avx2", "avx_vnni"),
    "AVX2_VNNI_2": ("avx2", "avx_vnni", "avx_vnni_int8", "avx_ne_convert"),
    "AVX512_CORE": _AVX512_CORE,
    "AVX512_CORE_VNNI": (*_AVX512_CORE, "avx512_vnni"),
    "AVX512_CORE_BF16": _BF16,
    "AVX512_CORE_FP16": (*_BF16, "avx512_fp16", "avx_vnni"),
    "AVX512_CORE_AMX": _AMX,
    "AVX512_CORE_AMX_FP16": (*_AMX, "amx_fp16"),
}

# Branches of MKL's conditional numerical reproducibility (mkl_types.h). 1: not asked for; 2: the best of this CPU.
_MKL_BRANCHES = {
    3: "COMPATIBLE",
    4: "SSE2",
    5: "SSE3",
    6: "SSSE3",
    7: "SSE4_1",
    8: "SSE4_2",
    9: "AVX",
    10: "AVX2",
    11: "AVX512_MIC",
    12: "AVX512",
    13: "AVX512_MIC_E1",
    14: "AVX512_E1",
}
# How torch spells its libraries in torch.__config__.show().
_LIBRARIES = {"mkl": r"Math Kernel Library Version (\S+)", "onednn": r"MKL-DNN v(\S+)"}
_MKL_OFF, _MKL_AUTO, _MKL_BRANCH = 1, 2, 0xFFFF


def describe_machine(device: Any, threads: int | None = None) -> dict[str, Any]:
    """Return what decides the arithmetic of a run on this machine.

    Args:
        device: The torch device that computes.
        threads: Threads of the CPU arithmetic; None for those that torch uses at this moment.

    Returns:
        `cpu` (`model`, and where it is known `stepping`: family-model-stepping), `instructions` (what torch, oneDNN
        and MKL use, under the restrictions of the environment; None for a library that is not there), `blas`,
        `libraries` (versions), `threads`, `settings` (the environment variables that restrict instructions), and for
        an accelerator `accelerator` (its `name`, its `driver` and its libraries).
    """
    import torch

    information, built = _cpuinfo(), torch.__config__.show()
    blas = re.search(r"BLAS_INFO=(\w+)", built)
    libraries = {
        name: found[1] for name, pattern in _LIBRARIES.items() if (found := re.search(pattern, built))
    }
    flags = information.get("flags", "").split()
    described: dict[str, Any] = {
        "cpu": _cpu(information),
        "instructions": {
            "torch": torch.backends.cpu.get_cpu_capability(),
            "onednn": onednn_isa(flags, os.environ) if "onednn" in libraries else None,
            "mkl": _mkl_branch() if "mkl" in libraries else None,
        },
        "blas": blas[1] if blas else "unknown",
        "libraries": {"torch": torch.__version__, **libraries},
        "threads": threads or torch.get_num_threads(),
        "settings": {name: os.environ[name] for name in ARITHMETIC_VARIABLES if os.environ.get(name)},
    }
    if device.type != "cpu":
        described["accelerator"] = _accelerator(device)
    return described


def resumed_on(machine: Mapping[str, Any], before: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a machine with those that trained a run before it, under `earlier`, unless it was only this one.

    Args:
        machine: What `describe_machine` returned.
        before: `{"machine": label, "epochs": number of epochs finished by then}` of each, in their order.
    """
    earlier = [*before[:-1], *(last for last in before[-1:] if last["machine"] != machine_label(machine))]
    return {**machine, "earlier": earlier} if earlier else dict(machine)


def machine_label(machine: Mapping[str, Any] | None) -> str:
    """Return a line that names a machine; runs pair only where it is the same.

    Args:
        machine: What `describe_machine` returned, as stored in a record's environment.json under `machine`; None for
            a record from before it was stored.

    Returns:
        For a CPU its model, the instruction sets of torch, oneDNN and MKL, the threads and torch's version; for an
        accelerator its name and the versions of torch and of its libraries; the machines of earlier epochs where a
        run was resumed on another one. `not recorded` for None and for what is
        no such description.
    """
    try:
        return _label(machine) if machine else NOT_RECORDED
    except (KeyError, TypeError, AttributeError):
        return NOT_RECORDED


def _label(machine: Mapping[str, Any]) -> str:
    version = str(machine["libraries"]["torch"]).partition("+")[0]
    accelerator = machine.get("accelerator")
    if accelerator:
        libraries = [f"{name} {value}" for name, value in sorted(accelerator["libraries"].items())]
        parts = [str(accelerator["name"]), *libraries]
    else:
        used, cpu, threads = machine["instructions"], machine["cpu"], machine["threads"]
        branch = " by MKL_CBWR" if (machine.get("settings") or {}).get("MKL_CBWR") else ""
        parts = [
            " ".join(filter(None, [str(cpu["model"]), str(cpu.get("stepping") or "")])),
            "/".join(str(used[name] or "none") for name in ("torch", "onednn", "mkl")) + branch,
            f"{threads} thread" + ("s" if threads != 1 else ""),
        ]
    earlier = [f"epochs up to {each['epochs']} on {each['machine']}" for each in machine.get("earlier") or ()]
    text = " ".join("; ".join([", ".join([*parts, f"torch {version}"]), *earlier]).split())
    return "".join(letter for letter in text if letter.isprintable())[:LONGEST_LABEL]


def onednn_isa(flags: Sequence[str], environment: Mapping[str, str]) -> str:
    """Return the highest instruction set that oneDNN uses on an x86 CPU.

    Args:
        flags: The CPU's flags, as /proc/cpuinfo spells them.
        environment: Environment variables; ONEDNN_MAX_CPU_ISA and, where it is not set, DNNL_MAX_CPU_ISA set a limit.

    Returns:
        oneDNN's name of it, such as `AVX2`; `unknown` without flags.
    """
    limit = (environment.get("ONEDNN_MAX_CPU_ISA") or environment.get("DNNL_MAX_CPU_ISA") or "").upper()
    levels = list(_ONEDNN_LEVELS)
    allowed = levels[: levels.index(limit) + 1] if limit in levels else levels
    usable = [level for level in allowed if set(_ONEDNN_LEVELS[level]) <= set(flags)]
    return usable[-1] if usable else "unknown"


def _mkl_branch() -> str:
    """Ask the MKL inside of torch which of its code branches it uses."""
    import torch

    for library in sorted((Path(torch.__file__).parent / "lib").glob("*torch_cpu*")):
        with suppress(OSError, AttributeError):
            functions = ctypes.CDLL(str(library))
            branch = functions.mkl_serv_cbwr_get(1) & _MKL_BRANCH
            if branch in (_MKL_OFF, _MKL_AUTO):
                branch = functions.mkl_serv_cbwr_get_auto_branch() & _MKL_BRANCH
            return _MKL_BRANCHES.get(branch, f"branch {branch}")
    return "unknown"


def _cpuinfo() -> dict[str, str]:
    """Return the entries of the first core in /proc/cpuinfo; nothing where there is no such file."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    first = text.strip().split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _cpu(information: Mapping[str, str]) -> dict[str, str]:
    model = information.get("model name", "")
    if model:
        keys = ("cpu family", "model", "stepping")
        numbers = "-".join(information[key] for key in keys if key in information)
        # "Intel(R) Xeon(R)" and "AMD EPYC 7R13 Processor" as people write them.
        return {"model": " ".join(re.sub(r"\((R|TM|C)\)", "", model).split()), "stepping": numbers}
    if "CPU part" in information:  # Arm
        numbers = "-".join(information.get(f"CPU {key}", "") for key in ("implementer", "part", "variant"))
        return {"model": platform.machine(), "stepping": numbers}
    if platform.system() == "Darwin":
        with suppress(OSError, subprocess.SubprocessError):
            asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return {"model": subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()}
    return {"model": platform.processor() or platform.machine()}


def _accelerator(device: Any) -> dict[str, Any]:
    """Return an accelerator's name, driver and library versions."""
    import torch

    module = torch.get_device_module(device)
    name = module.get_device_name(device) if hasattr(module, "get_device_name") else device.type
    versions: Any = torch.version
    platforms = {"CUDA": versions.cuda, "HIP": versions.hip, "XPU": versions.xpu}
    libraries = {name: str(version) for name, version in platforms.items() if version}
    cudnn: Any = torch.backends.cudnn
    if cudnn.is_available():
        libraries["cuDNN"] = str(cudnn.version())
    described: dict[str, Any] = {"name": str(name), "libraries": libraries}
    with suppress(OSError):
        text = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8", errors="replace")
        found = re.search(r"\b(\d+\.\d+(?:\.\d+)?)\b", text)
        described["driver"] = found[1] if found else "unknown"
    return described
