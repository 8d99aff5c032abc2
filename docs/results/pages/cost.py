"""What the runs cost, and where they ran."""

from __future__ import annotations

from collections import defaultdict

from pages.evidence import BASELINES, HERE, STUDIES, Records, prose, table

DATA = HERE / "data"


def cost(records: Records) -> list[str]:
    """Return the page of counts, hours and versions."""
    hours: dict[tuple[str, str], list[float]] = defaultdict(list)
    places: dict[str, set[str]] = defaultdict(set)
    for run in records.runs:
        method, loss = (str(run.settings.get(name) or "") for name in ("method", "loss"))
        hours[method, loss].append(run.costs().get("seconds/total", 0.0) / 3600)
        environment = run.stored.environment()
        places["processor"].add(str(environment["device_name"]))
        places["Python"].add(str(environment["python"]))
        places["threads of a run"].add(str(environment["threads"]))
        for package in ("torch", "torchvision", "timm", "numpy"):
            places[package].add(str(environment["packages"][package]))
    rows = [[*names, str(len(each)), f"{sum(each):.1f}"] for names, each in sorted(hours.items())]
    total = [hour for each in hours.values() for hour in each]
    rows.append(["all", "", str(len(total)), f"{sum(total):.1f}"])
    return [
        *prose(
            "# What the runs cost",
            "Hours by the clock of one process and thread; two shared two cores without an accelerator, often "
            "with other work beside them, so that a run took up to ten times as long as it does alone. Do not compare "
            "methods by these hours; `make bench` does that ([speed](../computing/speed.md)). The commands are in "
            "[the runs](runs.md).",
        ),
        *table(["records", "runs", "hours", "machines"], _files()),
        *prose(f"The runs of `{BASELINES.name}` and `{STUDIES.name}` by method and loss:"),
        *table(["method", "loss", "runs", "hours"], rows),
        "## Where they ran",
        "",
        *table(["", "seen"], [[name, ", ".join(sorted(seen))] for name, seen in places.items()]),
    ]


def _files() -> list[list[str]]:
    """Return a row for each file of records, and one for all."""
    rows: list[list[str]] = []
    once: dict[tuple[str, str], float] = {}  # a run may lie in two files
    for file in (BASELINES, *sorted(DATA.rglob("*.zip"))):
        records = Records(file, per_noise=True)
        hours = {(run.id, run.machine): run.costs().get("seconds/total", 0.0) / 3600 for run in records.runs}
        once |= hours
        rows.append(
            [
                f"`{file.relative_to(DATA).as_posix() if file.is_relative_to(DATA) else file.name}`",
                str(len(hours)),
                f"{sum(hours.values()):.1f}",
                "; ".join(sorted(records.machines())),
            ]
        )
    return [*rows, ["all, each run once", str(len(once)), f"{sum(once.values()):.1f}", ""]]
