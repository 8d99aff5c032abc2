import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gridbench.core.environment import describe_environment
from gridbench.core.machine import NOT_RECORDED, describe_machine, machine_label, onednn_isa
from gridbench.records.record import StoredRun

CPU = torch.device("cpu")
CPUINFO = Path("/proc/cpuinfo")
INTEL = not CPUINFO.is_file() or "GenuineIntel" in CPUINFO.read_text(encoding="utf-8", errors="replace")
XEON = {
    "cpu": {"model": "Intel Xeon Platinum 8480+", "stepping": "6-143-8"},
    "instructions": {"torch": "AVX512", "onednn": "AVX512_CORE_AMX", "mkl": "AVX512_E1"},
    "blas": "mkl",
    "libraries": {"torch": "2.9.1+cpu", "mkl": "2024.2", "onednn": "3.7"},
    "threads": 1,
    "settings": {},
}
SSE = "sse4_1 sse4_2"
AVX2 = f"{SSE} avx avx2"
AVX512 = f"{AVX2} avx512f avx512bw avx512vl avx512dq"
SAPPHIRE = f"{AVX512} avx_vnni avx512_vnni avx512_bf16 avx512_fp16 amx_tile amx_int8 amx_bf16"


@pytest.mark.parametrize(
    ("flags", "variables", "expected"),
    [
        (SSE, {}, "SSE41"),
        (AVX2, {}, "AVX2"),
        (f"{AVX2} avx_vnni", {}, "AVX2_VNNI"),
        (AVX512, {}, "AVX512_CORE"),
        (f"{AVX512} avx512_vnni", {}, "AVX512_CORE_VNNI"),
        (f"{AVX512} avx512_vnni avx512_bf16", {}, "AVX512_CORE_BF16"),
        (SAPPHIRE, {}, "AVX512_CORE_AMX"),
        (SAPPHIRE, {"ONEDNN_MAX_CPU_ISA": "avx2"}, "AVX2"),
        (SAPPHIRE, {"DNNL_MAX_CPU_ISA": "SSE41"}, "SSE41"),
        (SAPPHIRE, {"ONEDNN_MAX_CPU_ISA": "AVX", "DNNL_MAX_CPU_ISA": "SSE41"}, "AVX"),
        (AVX2, {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}, "AVX2"),
        (AVX2, {"ONEDNN_MAX_CPU_ISA": "nonsense"}, "AVX2"),
        (AVX2, {"ONEDNN_MAX_CPU_ISA": "ALL"}, "AVX2"),
        ("", {}, "unknown"),
    ],
)
def test_instruction_set_of_onednn(flags, variables, expected):
    assert onednn_isa(flags.split(), variables) == expected


# What the libraries say of themselves when they are asked to be verbose.
ONEDNN_WORDS = {
    "SSE41": "Intel SSE4.1",
    "AVX2": "Intel AVX2",
    "AVX512_CORE": "Intel AVX-512 with AVX512BW, AVX512VL, and AVX512DQ extensions",
    "AVX512_CORE_VNNI": "Intel AVX-512 with Intel DL Boost",
}
PROGRAM = """
import json, torch
from gridbench.core.machine import describe_machine
torch.nn.Conv2d(3, 16, 3)(torch.ones(2, 3, 16, 16)), torch.ones(64, 64) @ torch.ones(64, 64)
print("\\n" + json.dumps(describe_machine(torch.device("cpu"))))
"""


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (
            {"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE", "ONEDNN_MAX_CPU_ISA": "SSE41"},
            {"torch": "DEFAULT", "mkl": "COMPATIBLE", "onednn": "SSE41"},
        ),
        (
            {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "AVX2,STRICT", "ONEDNN_MAX_CPU_ISA": "AVX2"},
            {"torch": "AVX2", "mkl": "AVX2", "onednn": "AVX2"},
        ),
        ({}, {}),
    ],
)
def test_what_the_libraries_say_of_themselves(variables, expected):
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("MKL_", "ONEDNN", "DNNL", "ATEN"))
    }
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM],
        env={**environment, **variables, "ONEDNN_VERBOSE": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    described = json.loads(done.stdout.splitlines()[-1])
    # torch 2.7 calls "NO AVX" what later ones call "DEFAULT".
    used = described["instructions"]
    used["torch"] = used["torch"].replace("NO AVX", "DEFAULT")
    if not INTEL and expected.get("mkl") == "AVX2":
        # On CPUs of other makers MKL takes no branch by name but COMPATIBLE, and numbers its automatic one.
        expected = {**expected, "mkl": "branch 2"}
    assert described["settings"] == variables
    assert described["threads"] == 1
    assert {name: used[name] for name in expected if used[name] is not None} == {
        name: value for name, value in expected.items() if used[name] is not None
    }
    said = [line.rpartition("isa:")[2] for line in done.stdout.splitlines() if "info,cpu,isa:" in line]
    if used["onednn"] in ONEDNN_WORDS:
        assert said == [ONEDNN_WORDS[used["onednn"]]]


def test_a_label_names_what_decides_the_arithmetic():
    assert machine_label(XEON) == (
        "Intel Xeon Platinum 8480+ 6-143-8, AVX512/AVX512_CORE_AMX/AVX512_E1, 1 thread, torch 2.9.1"
    )
    others = [
        {**XEON, "cpu": {"model": "AMD EPYC 7R13 Processor", "stepping": "25-1-1"}},
        {**XEON, "instructions": {**XEON["instructions"], "onednn": "AVX2"}},
        {**XEON, "settings": {"MKL_CBWR": "AUTO"}},
        {**XEON, "threads": 2},
        {**XEON, "libraries": {"torch": "2.10.0"}},
        {**XEON, "accelerator": {"name": "NVIDIA H100 80GB HBM3", "libraries": {"CUDA": "13.2"}}},
    ]
    assert len({machine_label(machine) for machine in (XEON, *others)}) == 7
    assert machine_label({**XEON, "libraries": {"torch": "2.9.1"}}) == machine_label(XEON)


def test_on_an_accelerator_the_cpu_does_not_count():
    accelerator = {"name": "NVIDIA H100", "driver": "580.1", "libraries": {"cuDNN": "92600", "CUDA": "13.2"}}
    label = "NVIDIA H100, CUDA 13.2, cuDNN 92600, torch 2.9.1"
    assert machine_label({**XEON, "accelerator": accelerator}) == label
    assert machine_label({**XEON, "accelerator": accelerator, "threads": 4}) == label


@pytest.mark.parametrize("machine", [None, {}, [], "x", {"cpu": {"model": "x"}}, {**XEON, "cpu": None}, 7])
def test_what_is_no_description_is_not_recorded(machine):
    assert machine_label(machine) == NOT_RECORDED


def test_a_label_is_one_short_line_whatever_a_record_says():
    label = machine_label({**XEON, "cpu": {"model": "a\nb\x1b[31m" + 500 * "c"}})
    assert label.isprintable()
    assert len(label) <= 400


def test_a_record_names_its_machine(finished):
    record = finished(method="bce", slnir=0, epochs=1)
    environment = record.environment()
    assert environment["machine"] == describe_machine(CPU, threads=1)
    assert record.machine == machine_label(environment["machine"]) != NOT_RECORDED
    del environment["machine"]
    (record.folder / "environment.json").write_text(json.dumps(environment))
    assert StoredRun(record.folder, "done", "", {}, {}).machine == NOT_RECORDED


def test_the_machine_here():
    machine = describe_environment(CPU)["machine"]
    assert machine["cpu"]["model"] not in {"", "x86_64"}
    assert machine["libraries"]["torch"] == torch.__version__
    assert machine_label(json.loads(json.dumps(machine))) == machine_label(machine)
