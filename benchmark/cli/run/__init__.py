"""`gridbench run`: one run, and the table at its end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridbench.cli.options import (
    GroupedCommand,
    cache_option,
    collect,
    config_options,
    device_option,
    keep_option,
    plugin_option,
    quiet_option,
    runs_option,
    threads_option,
)
from gridbench.cli.run.next_command import leaderboard_command, next_command
from gridbench.core.terminal import say
from gridbench.errors import InputError, method_in_words

if TYPE_CHECKING:
    from gridbench.config import RunConfig
    from gridbench.records.record import RunRecord
    from gridbench.records.runner import Execution

__all__ = ["print_result", "run"]

PREDICTED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "labels": (("mAP", "map_macro"), ("F1", "f1_macro")),
    "single": (("accuracy", "accuracy"), ("F1", "f1_macro")),
    "pixels": (("mIoU", "miou"), ("F1", "f1_macro")),
}
"""What a head predicts -> the scores that the closing table shows beside those of retrieval."""

Row = tuple[str, str, str, str]
"""A line of the closing table: name, value, what was predicted, remark."""


@click.command(cls=GroupedCommand)
@config_options()
@plugin_option
@runs_option
@cache_option
@device_option
@threads_option
@keep_option("weights")
@click.option(
    "--log",
    type=click.Choice(["tensorboard", "wandb", "mlflow"]),
    multiple=True,
    help="Log to this experiment tracker; can be repeated.  [extras: gridbench[tensorboard], [wandb], [mlflow]]",
)
@click.option(
    "--log-dir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder for the local files of trackers.  [default: tensorboard in the run's folder; wandb, mlflow in --runs]",
)
@click.option(
    "--profile",
    is_flag=True,
    help="Show the time of each phase; training is slower, since accelerators are synchronised at each.",
)
@click.option("--force", is_flag=True, help="Run again even if the record exists.")
@click.option("--dry-run", is_flag=True, help="Show what would run, and stop.")
@quiet_option
def run(
    runs: Path,
    cache: Path | None,
    device: str,
    threads: int,
    keep: str,
    log: tuple[str, ...],
    log_dir: Path | None,
    profile: bool,
    force: bool,
    dry_run: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Corrupt the training labels, train a method, retrieve, and score the ranking.

    The same command again resumes an unfinished run, and does nothing if it is done.

    \b
    Examples:
      gridbench run --method grid --loss bce --slnir 30
      gridbench run --method grid --slnir 30 -p lambda=40 --seed 1
      gridbench run --config my.yaml --epochs 10
    """  # noqa: D301
    from gridbench.config import make_config

    typed = collect(given)
    _refuse_lists(typed)
    config = make_config(typed)
    if log_dir is not None and not log:
        raise InputError("--log-dir says where trackers write; name one with --log tensorboard.")
    from gridbench.core.progress import ProgressReporter
    from gridbench.records.runner import Execution
    from gridbench.records.runner import run as compute

    with ProgressReporter(quiet) as progress:
        execution = Execution(
            runs=runs,
            cache=cache,
            device=device,
            keep=keep,
            force=force,
            threads=threads,
            progress=progress,
            building=progress.build,
            say=progress.say,
            log=log,
            log_folder=log_dir,
            profile=profile,
        )
        if dry_run:
            _print_plan(config, execution)
            return
        record = compute(config, execution)
    machine = {
        "--device": device if device != "auto" else None,
        "--threads": threads if threads != 1 else None,
    }
    print_result(record, next_command(record, typed, cache, machine))
    if profile:
        from gridbench.cli.run.profile_table import print_profile

        print_profile(record)


def _refuse_lists(typed: Mapping[str, Any]) -> None:
    """Refuse several values of one setting, and settings that only sweeps have.

    Raises:
        InputError: With the command that takes them.
    """
    from gridbench.config import flag_of
    from gridbench.sweeps.grid import AXES
    from gridbench.sweeps.settings import OWN

    for name in (*OWN, "chosen"):
        if name in typed:
            raise InputError(
                f"The setting {name!r} is one of sweeps, not of a run; `gridbench sweep` takes it."
            )
    for name in AXES:
        value = typed.get(name)
        # Names of data sets, backbones and files may have any characters.
        text = "" if name in ("dataset", "backbone", "weights", "weights_prefix") else str(value)
        if isinstance(value, list) or "," in text or text.count(":") == 2:
            raise InputError(
                f"The setting {name!r} ({flag_of(name)}) is {value!r}; a run takes one value. `gridbench sweep` takes "
                "lists and ranges."
            )


def _print_plan(config: RunConfig, execution: Execution) -> None:
    """Print the resolved settings, the identity, and whether the run exists already."""
    from gridbench.datasets.archive.building import nothing_built
    from gridbench.records.record import read_record
    from gridbench.records.runner import check, planned

    with nothing_built():
        plan, execution = planned(config, execution)
        check(plan, execution)
    folder = execution.runs / plan.folder_name
    state = read_record(folder).state if folder.exists() else "not started"
    for name, value in plan.config.canonical().items():
        say(f"{name:18} {_plain(value)}", indent=19)
    for name, value in plan.resolved.items():
        say(f"{name:18} {_plain(value)} in this run", indent=19)
    say(f"{'id':18} {plan.id}\n{'cell':18} {plan.cell}\n{'folder':18} {folder}\n{'state':18} {state}")


def _plain(value: Any) -> str:
    """Return a setting as it would be typed."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_plain(each)}" for name, each in value.items()) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def print_result(record: RunRecord, following: str | None = None) -> None:
    """Print the closing table of a run.

    Args:
        record: The finished run.
        following: The command that is suggested; None for the leaderboard.
    """
    from rich.table import Table

    from gridbench.core.console import Console

    config = record.config["config"]
    title = f"{method_in_words(config['method'], config['loss'])} on {config['dataset']}, "
    title += f"SLNIR {config['slnir']} %, seed {config['seed']}"
    table = Table(title=title, show_header=False, title_justify="left")
    for _ in range(3):
        # Only remarks are wrapped: wrapping could separate a number from its sign.
        table.add_column(no_wrap=True)
    for row in [*_score_rows(record), *_noise_rows(record.result), *_cost_rows(record)]:
        table.add_row(*row)
    Console().print(table)
    if reason := (record.result.get("predictions") or {}).get("reason"):
        say(f"No predictions: {reason}", indent=16)
    if record.config["note"]:
        say(f"Note: {record.config['note']}")
    say(f"Machine: {record.machine}", indent=9)
    say(f"Record: {record.folder}\nNext:   {following or leaderboard_command(record)}", indent=8)


def _score_rows(record: RunRecord) -> list[Row]:
    """Return the retrieval scores by query and searched split, beside the prediction scores of the latter."""
    k = record.config["config"]["k"]
    best = record.result["best_epoch"]
    shown = [
        ("test", "", "training queries, test archive: the headline"),
        ("validation", "validation/", "the only one that may select"),
        ("unseen", "unseen/", "validation queries, never trained on"),
    ]
    if best is not None:
        shown.append(
            ("last epoch", "last/", f"test after the last epoch; above: epoch {best}, the best on validation")
        )
    if epochs := record.config["config"].get("last_epochs"):
        shown.append(("last epochs", "last_epochs/", f"test, mean over the last {epochs} epochs"))
    return [
        (
            f"{name} NDCG@{k}",
            _percent(record.metrics.get(f"{prefix}ndcg@{k}")),
            _predicted(record, prefix),
            remark,
        )
        for name, prefix, remark in shown
    ]


def _noise_rows(result: Any) -> list[Row]:
    """Return how many labels were changed, how well that was noticed, and how much of it was learnt."""
    noise = result["noise"]
    remark = f"injected, of {noise['requested']} % asked; {_noisy_images(result)}"
    rows = [("label noise", f"{noise['realised']:.2f} %", "", remark), *_detection_rows(result)]
    if result["memorised"] is not None:
        remark = "wrong training labels that the model predicts"
        rows.append(("memorised", _percent(result["memorised"]), "", remark))
    if result.get("memorised_pixels") is not None:
        remark = "wrongly labelled pixels whose wrong label the model predicts"
        rows.append(("memorised pixels", _percent(result["memorised_pixels"]), "", remark))
    return rows


def _cost_rows(record: RunRecord) -> list[Row]:
    """Return the size of the networks and the time."""
    environment, counted = record.environment(), record.result["parameters"]
    seconds = environment["seconds"]
    training = f"{seconds.get('training', 0):.1f} s of it training; {environment['device']}"
    return [
        ("parameters", f"{counted['total']:,}", "", f"of which backbone {counted['backbone']:,}"),
        ("time", f"{sum(seconds.values()):.1f} s", "", training),
    ]


def _noisy_images(result: Any) -> str:
    """Return the share of noisy images in words; it is unknown without injected noise and without clean labels."""
    if not result["noisy_images"]:
        return "whether the given labels are right is not known"
    return f"{_percent(result['noisy_images'])} of training images are noisy"


def _predicted(record: RunRecord, prefix: str) -> str:
    """Return the first scores of what the head predicts of a split."""
    predictions = record.result.get("predictions") or {}
    shown = PREDICTED.get(str(predictions.get("of")), ())
    values = [(words, record.metrics.get(prefix + name)) for words, name in shown]
    return "\n".join(f"{words} {_percent(value)}" for words, value in values if value is not None)


def _detection_rows(result: Any) -> list[Row]:
    detection = result["detection"]
    if not detection or detection.get("precision") is None or not detection.get("prevalence"):
        return []
    remark = (
        f"of the images flagged as noisy are, against {_percent(detection['prevalence'])} of all; last epoch"
    )
    return [("detection precision", _percent(detection["precision"]), "", remark)]


def _percent(value: float | None) -> str:
    return "—" if value is None else f"{100 * value:.1f} %"
