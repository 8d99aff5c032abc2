"""The command that `gridbench run` suggests at its end."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridbench.cli.options import plugin_words
from gridbench.errors import InputError

if TYPE_CHECKING:
    from gridbench.records.record import RunRecord

__all__ = ["leaderboard_command", "next_command"]


def next_command(
    record: RunRecord, typed: Mapping[str, Any], cache: Path | None, machine: Mapping[str, Any]
) -> str | None:
    """Suggest the baseline where it is missing, with every option that was typed; None where there is none to compute.

    Args:
        record: The finished run.
        typed: Settings that were typed.
        cache: Folder of packed archives, where it was named.
        machine: Options that decide on which machine it counts as computed; None for those that were not given.
    """
    from gridbench.records.record import iter_records

    runs, config = record.folder.parent, record.config["config"]
    baseline = config["loss"]
    there = any(
        stored.config["config"].get("method") == baseline
        and stored.config["config"].get("slnir") == config["slnir"]
        for stored in iter_records(runs)
        if stored.state == "done"
    )
    settings = {name: value for name, value in typed.items() if name not in ("loss", "parameters")}
    settings |= {"method": baseline, "dataset": config["dataset"], "slnir": str(config["slnir"])}
    if not baseline or there or config["method"] == baseline or not _can_be_computed(settings, config, cache):
        return None
    words = ["gridbench", "run", "--method", baseline, "--dataset", config["dataset"]]
    words += ["--slnir", str(config["slnir"])]
    for name, value in settings.items():
        if name not in ("method", "dataset", "slnir"):
            words += _option(name, value)
    given = {**machine, "--cache": cache, "--runs": None if str(runs) == "runs" else runs}
    words += [word for flag, value in given.items() if value is not None for word in (flag, str(value))]
    return shlex.join([*words, *plugin_words()])


def _option(name: str, value: Any) -> list[str]:
    """Return how a setting of a flag, or of a YAML file, is written on the command line."""
    from gridbench.config import RunConfig, flag_of

    flag = flag_of(name)
    if isinstance(value, Mapping):
        return [word for key, one in value.items() for word in (flag, f"{key}={one}")]
    if value is None or isinstance(value, bool):
        negative = value is False and RunConfig.model_fields[name].annotation == (bool | None)
        return [flag] if value else [flag.replace("--", "--no-", 1)] if negative else []
    return [flag, str(value)]


def _can_be_computed(settings: Mapping[str, Any], decided: Mapping[str, Any], cache: Path | None) -> bool:
    """Return whether plain training takes these settings; it has no recipe of its own, for example.

    Args:
        settings: Settings of the run that is suggested.
        decided: Settings of the finished run, in which nothing is `auto`.
        cache: Folder of packed archives, where it was named.
    """
    from gridbench.config import make_config
    from gridbench.datasets import default_cache
    from gridbench.plan import make_plan

    config = make_config(settings)
    config = config.model_copy(update={name: decided[name] for name in config.undecided})
    try:
        make_plan(config, cache or default_cache())
    except InputError:
        return False
    return True


def leaderboard_command(record: RunRecord) -> str:
    """Return the command that tabulates the folder of a run."""
    runs = record.folder.parent
    return "gridbench leaderboard" + ("" if str(runs) == "runs" else f" --runs {shlex.quote(str(runs))}")
