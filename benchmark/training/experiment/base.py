"""What all kinds of runs share: corrupted labels, method, trainer, and images as evaluation sees them."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch

from gridbench.core.environment import keep_float32
from gridbench.datasets.loading.batches import EvaluationSet
from gridbench.datasets.loading.storage import Pixels
from gridbench.errors import InputError, RunFailed
from gridbench.evaluation.noise_detection import centre_of
from gridbench.evaluation.predictions import HEADLINE, CleanLabels, Predictions, score_predictions
from gridbench.evaluation.retrieval import (
    IMAGE_BATCH,
    MAP_BATCH,
    PAIRS,
    Retrieval,
    Splits,
    predict,
    score_method,
)
from gridbench.evaluation.scores import Scores
from gridbench.methods.base import Objective
from gridbench.plan import Plan
from gridbench.training.backbone import TimmBackbone
from gridbench.training.building import build_method, build_objective, training_set, training_settings
from gridbench.training.checkpoint import independent
from gridbench.training.corrupt import (
    check_labelled,
    corrupt_training_labels,
    labels_of,
    training_images,
    truth_of,
)
from gridbench.training.timing import Phases
from gridbench.training.trainer import Trainer

__all__ = ["BaseExperiment", "Outcome"]

Array = np.ndarray[Any, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """Results of a run: the content of result.json and of its array files, of which the last two may be empty."""

    result: dict[str, Any]
    retrieval: dict[str, Array]
    descriptors: dict[str, Array]
    detection: dict[str, Array] = field(default_factory=dict)
    predictions: Mapping[str, Array] = field(default_factory=dict)


class BaseExperiment(ABC):
    """Base class of runs in memory: builds all components of a plan; subclasses decide how the method is scored.

    Args:
        plan: The plan.
        device: Device to compute on.
        kept: Sorted positions of the training images to train on; None for all. Labels are corrupted before the
            subset is taken, so that the labels of an image do not depend on the subset.
        limit_bytes: Most bytes of training images to hold in memory; None for as many as fit, 0 to read none yet.

    Raises:
        InputError: A setting turns out to be invalid.
    """

    def __init__(
        self, plan: Plan, device: torch.device, kept: Array | None = None, limit_bytes: int | None = None
    ) -> None:
        self.plan = plan
        self.device = device
        self.phases = Phases(device)
        keep_float32()
        self._shown: dict[str, EvaluationSet] = {}
        config, archive = plan.config, plan.archive
        train = training_images(archive, config.train_size)
        self.splits = Splits(train, archive.indices("val"), archive.indices("test"))
        self.relevance = archive.true_scene_labels
        self.corruption = corrupt_training_labels(plan)
        self.manifest = plan.noise.manifest(self.corruption, plan)
        if kept is not None:
            self.splits = replace(self.splits, train=train[kept])
            self.corruption = labels_of(kept, self.corruption, len(train))
        check_labelled(plan, self.corruption.labels)
        self.truth = truth_of(plan, self.splits.train, self.corruption.labels)
        self.method = build_method(plan, self.objective, len(self.splits.train)).to(device)
        self.trainer = self._build_trainer(limit_bytes) if plan.method.labels != "none" else None

    @cached_property
    def objective(self) -> Objective | None:
        """The task and its loss; None for a method that trains nothing."""
        return build_objective(self.plan)

    def noise_document(self) -> dict[str, Any]:
        """Return the summary of the noise manifest."""
        return {"schema": 1, **self.manifest.summary()}

    def weights(self) -> bytes:
        """Return the descriptor network's weights as safetensors that load into `timm.create_model`."""
        from safetensors.torch import save

        network = self.method.descriptor_network
        model = network.model if isinstance(network, TimmBackbone) else network
        return save(independent(model.state_dict()))

    def shown(self, split: str) -> EvaluationSet:
        """Return the images of a split as evaluation sees them; those that are on the device are not copied again."""
        if split not in self._shown:
            held = self.trainer.data.held if split == "train" and self.trainer is not None else None
            self._shown[split] = self.evaluation_set(self.splits[split], held)
        return self._shown[split]

    def evaluation_set(self, indices: Array, held: Pixels | None = None) -> EvaluationSet:
        """Return the images at `indices` (n,) of the archive as evaluation sees them.

        Args:
            indices: (n,) positions in the archive.
            held: The pixels of these images, if they are in memory already.
        """
        config, archive = self.plan.config, self.plan.archive
        statistics = config.statistics or "train"
        return EvaluationSet(archive, indices, config.crop or None, self.device, statistics, held)

    def predictions(self, split: str) -> Iterator[torch.Tensor]:
        """Yield the head's output for the images of a split, in evaluation mode, batch by batch."""
        size = MAP_BATCH if self.plan.level == "pixel" else IMAGE_BATCH
        yield from predict(self.method, self.shown(split).batches(size))

    @abstractmethod
    def score(self, keep_predictions: bool = False) -> Outcome:
        """Score the trained method.

        Args:
            keep_predictions: Whether the outcome also holds the predictions themselves.
        """

    def _build_trainer(self, limit_bytes: int | None) -> Trainer:
        assert self.objective is not None
        if self.plan.config.select == "best" and not len(self.splits.val):
            raise InputError(
                f"The data set {self.plan.config.dataset!r} has no validation images, by whose scores --select best "
                "chooses an epoch. Leave it out, or prepare the data with a validation split."
            )
        labels = self.corruption.labels
        data = training_set(self.plan, self.splits.train, labels, self.device, limit_bytes=limit_bytes)
        settings = training_settings(self.plan)
        evaluate = (_weakly(self._validation_score), _weakly(self._epoch_scores))
        return Trainer(self.method, self.objective.task, data, self.truth, settings, self.device, *evaluate)

    def _validation_score(self) -> float:
        """Return the score by which --select best chooses an epoch."""
        if self.plan.config.select_by == "prediction":
            return self._validation_score_of_predictions()
        with _comparable("of the validation split, by which --select best chooses,"):
            results, _ = self._score_pairs(pairs=("validation/",), whole=False)
        return float(results["validation/"].scores[f"ndcg@{self.plan.config.k}"].mean())

    def _validation_score_of_predictions(self) -> float:
        """Return the score of what the head predicts of the validation images; no test image is looked at.

        Raises:
            RunFailed: There is no such score.
        """
        nothing = self.splits.test[:0]
        found = self._score_predictions(keep=False, splits=replace(self.splits, test=nothing))
        name = HEADLINE.get(str(found.document.get("of")), "")
        score = found.metrics.get(f"validation/{name}")
        if score is None:
            reason = found.document.get("reason", f"no {name} is defined for want of positives")
            raise RunFailed(
                f"No epoch can be chosen by predictions of the validation images: {reason}. "
                "Leave out --select-by prediction."
            )
        return score

    def _epoch_scores(self) -> dict[str, float]:
        """Return all scores of the weights after an epoch, for --last-epochs."""
        with _comparable("of an epoch that --last-epochs scores"):
            retrieval, _ = self._score_pairs()
        return Scores(retrieval, {}, self._score_predictions(keep=False)).metrics

    def _score_pairs(
        self,
        pairs: tuple[str, ...] = tuple(PAIRS),
        known: Mapping[str, Array] | None = None,
        whole: bool = True,
    ) -> tuple[dict[str, Retrieval], dict[str, Array]]:
        config = self.plan.config
        settings = {name: getattr(config, name) for name in ("k", "distance", "ideal", "seed")}
        return score_method(
            self.method,
            self.shown,
            self.splits,
            self.relevance,
            settings,
            pairs=pairs,
            known=known,
            whole=whole,
        )

    def _score_predictions(self, keep: bool, splits: Splits | None = None) -> Predictions:
        """Score what the head predicts of the validation and test images, or of those in other splits."""
        archive = self.plan.archive

        def maps(positions: Array) -> Array:
            return self._as_evaluated(archive.true_label_maps[positions])

        clean = CleanLabels(self.relevance, maps)
        task = self.objective.task if self.objective else None
        return score_predictions(
            task, self.predictions, splits or self.splits, clean, archive.class_names, keep
        )

    def _margins(self) -> Array | None:
        """Return the mean margins of the given labels in training; None for a method that did not see them."""
        assert self.trainer is not None
        margins = self.trainer.margins.means() if self.plan.method.labels == "noisy" else None
        return None if margins is None or not bool(torch.isfinite(margins).all()) else margins.cpu().numpy()

    def _as_evaluated(self, maps: Array) -> Array:
        """Return label maps (n, H, W) cropped as evaluation crops images, unless the recipe leaves maps whole."""
        config = self.plan.config
        return centre_of(maps, config.crop) if config.move_maps is not False and config.crop else maps


def _weakly(method: Callable[[], T]) -> Callable[[], T]:
    """Return a function that calls a bound method without keeping its object alive.

    Otherwise experiment and trainer would refer to each other and stay in memory, with all pixels, until the next full
    garbage collection, and a sweep or an audit computes many runs in one process.
    """
    reference = weakref.WeakMethod(method)

    def call() -> T:
        bound = reference()
        assert bound is not None, "a trainer does not outlive its experiment"
        return bound()

    return call


@contextmanager
def _comparable(which: str) -> Iterator[None]:
    """Turn the error of descriptors that cannot be compared during training into the failure of the run."""
    try:
        yield
    except ValueError as error:
        raise RunFailed(
            f"The descriptors {which} turned out unusable: {error}. "
            "Train with another --distance euclidean|cosine|manhattan."
        ) from error
