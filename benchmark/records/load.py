"""Loading of finished runs: scores, trained network, descriptors and predictions."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gridbench.errors import InputError, counted, nearest
from gridbench.metrics import kept_scores
from gridbench.records.record import WEIGHTS, RunRecord, iter_records, read_record

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from gridbench.training.experiment import Experiment

__all__ = ["LoadedRun", "load"]

SPLITS = ("train", "val", "test")


class LoadedRun(RunRecord):
    """A finished run; data that its record does not hold are computed from its weights and archive if possible."""

    def __repr__(self) -> str:
        config = self.config["config"]
        what = " + ".join(dict.fromkeys(filter(None, (config["method"], config["loss"]))))
        scores = ", ".join(f"{name} {100 * value:.1f} %" for name, value in self._headline().items())
        return f"<{what} on {config['dataset']}, SLNIR {config['slnir']} %, seed {config['seed']}: {scores}>"

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row per epoch: losses, and what was found of noisy samples as `detection/<score>`.

        `detection/label_precision` and `detection/label_recall` are those of the samples kept as clean.
        """
        import pandas as pd

        frame = pd.json_normalize([_with_kept(row) for row in self.epochs()], sep="/")
        return frame.set_index("epoch") if "epoch" in frame else frame

    def model(self, cache: str | os.PathLike[str] | None = None, device: str = "cpu") -> nn.Module:
        """Return the trained descriptor network in evaluation mode.

        Args:
            cache: Folder of packed archives, which say what images are like; None for the user's own.
            device: auto, cpu, cuda or cuda:N.

        Returns:
            A network from standardised images (B, bands, H, W) to descriptors (B, D).

        Raises:
            InputError: The record keeps no weights, or the run cannot be rebuilt.
        """
        network: nn.Module = self._rebuilt(cache, device).method.descriptor_network.eval()
        return network

    def descriptors(
        self, split: str, cache: str | os.PathLike[str] | None = None, device: str = "cpu"
    ) -> np.ndarray[Any, Any]:
        """Return the (N, D) descriptors of a split: those that the record keeps, else those of its network.

        Args:
            split: train, val or test.
            cache: As for `model`.
            device: As for `model`.

        Raises:
            InputError: There is no such split, or neither descriptors nor weights are kept.
        """
        kept = self.arrays("descriptors.npz")
        _check_split(split)
        if split in kept:
            return kept[split]
        from gridbench.evaluation.retrieval import IMAGE_BATCH, describe

        experiment = self._rebuilt(cache, device)
        return describe(experiment.method, experiment.shown(split).batches(IMAGE_BATCH))

    def predictions(self, split: str) -> np.ndarray[Any, Any]:
        """Return what the trained head predicts of a split.

        Args:
            split: train, val or test.

        Returns:
            (N, C) scores of classes, or the (N, H, W) classes of pixels.

        Raises:
            InputError: There is no such split, or the record keeps no predictions.
        """
        _check_split(split)
        kept = self.arrays("predictions.npz")
        if split not in kept:
            predictions = self.result.get("predictions") or {}
            if "reason" in predictions:
                raise InputError(f"The run in {self.folder} has no predictions: {predictions['reason']}.")
            raise InputError(
                f"The run in {self.folder} keeps no predictions of {split!r}, and no record keeps the head. Compute it "
                f"again: gridbench run --config {self.folder / 'config.json'} --keep all --force"
            )
        return kept[split]

    def _headline(self) -> Mapping[str, float]:
        names = (f"ndcg@{self.config['config']['k']}", "map_macro", "accuracy", "miou")
        return {name: self.metrics[name] for name in names if name in self.metrics}

    def _rebuilt(self, cache: str | os.PathLike[str] | None, device: str) -> Experiment:
        from gridbench.core.environment import choose_device
        from gridbench.datasets import default_cache
        from gridbench.records.rescore import load_weights, require_weights, trained_plan
        from gridbench.training.experiment import Experiment

        require_weights(self)
        plan = trained_plan(self, Path(cache) if cache is not None else default_cache())
        experiment = Experiment(plan, choose_device(device))
        load_weights(experiment, self, self.hashes[WEIGHTS])
        return experiment


def load(folder: str | os.PathLike[str]) -> LoadedRun:
    """Load a finished run.

    Args:
        folder: A run folder, such as `runs/bluemarble-bce-slnir30-seed0-1a2b3c4d5e`.

    Returns:
        The run.

    Raises:
        InputError: There is no finished run in that folder.
    """
    path = Path(folder)
    stored = read_record(path)
    if isinstance(stored, RunRecord):
        return LoadedRun(path, "done", "", stored.config, stored.result, stored.hashes)
    if not stored.config and path.is_dir() and (below := [each.folder.name for each in iter_records(path)]):
        raise InputError(
            f"The folder {str(path)!r} holds {counted(len(below), 'run')}; load one, such as "
            f"{str(path / below[0])!r}, or all their numbers with gridbench.leaderboard.load."
        )
    if not path.is_dir():
        near = nearest(path.name, [each.folder.name for each in iter_records(path.parent)])
        raise InputError(
            f"There is no run folder {str(path)!r}.{near} `gridbench status --all` lists what there is."
        )
    raise InputError(f"The run in {str(path)!r} is not done ({stored.state}): {stored.reason}.")


def _with_kept(row: Mapping[str, Any]) -> dict[str, Any]:
    """Add the scores of the samples kept as clean, which follow from those of the flagged ones, to an epoch's row."""
    groups = ((name, row.get(name)) for name in ("detection", "loss_detection"))
    return {
        **row,
        **{name: {**scores, **kept_scores(scores)} for name, scores in groups if isinstance(scores, dict)},
    }


def _check_split(split: str) -> None:
    if split not in SPLITS:
        raise InputError(
            f"There is no split {split!r}.{nearest(split, SPLITS)} There are: {', '.join(SPLITS)}."
        )
