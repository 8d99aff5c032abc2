"""In-memory execution of one planned run: corrupted labels, method, trainer and scores, without writing files."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch

from gridbench.core.environment import keep_float32
from gridbench.datasets.loading.batches import EvaluationSet, TrainingSet
from gridbench.datasets.loading.storage import Pixels
from gridbench.errors import RunFailed
from gridbench.evaluation.detectors import LabelledSet
from gridbench.evaluation.noise_detection import (
    DetectionResult,
    centre_of,
    evaluate_detectors,
    wrong_classes,
)
from gridbench.evaluation.predictions import CleanLabels, Predictions, score_predictions
from gridbench.evaluation.retrieval import (
    MAPS_TOGETHER,
    PAIRS,
    TOGETHER,
    Retrieval,
    Splits,
    predict,
    score_method,
)
from gridbench.evaluation.scores import LAST, LAST_EPOCHS, Scores, mean_over_epochs
from gridbench.evaluation.thumbnails import thumbnail_arrays
from gridbench.evaluation.training_view import WholeTrainingSet
from gridbench.methods.base import Objective
from gridbench.noise.core.corruption import Corruption
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
from gridbench.training.epoch_metrics import memorised_pixels, memorised_share
from gridbench.training.timing import Phases
from gridbench.training.trainer import Trainer

__all__ = ["Experiment", "Outcome"]

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


class Experiment:
    """Builds all components of a plan, and raises InputError for settings that turn out to be invalid.

    Args:
        plan: The plan.
        device: Device to compute on.
        kept: Sorted positions of the training images to train on; None for all. Labels are corrupted before the
            subset is taken, so that the labels of an image do not depend on the subset.
        limit_bytes: Largest size of the training images that is held; None to decide by room, 0 to read none here.
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
        self.corruption = self._corrupt()
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

    def score(self, keep_predictions: bool = False) -> Outcome:
        """Retrieve with the learnt descriptors, predict with the trained head, and gather all scores.

        Args:
            keep_predictions: Whether the outcome holds the predictions themselves, too.

        Raises:
            RunFailed: The descriptors cannot be compared with the chosen distance.
        """
        return self._outcome({}, keep_predictions=keep_predictions)

    def score_again(self, descriptors: Mapping[str, Array]) -> Outcome:
        """Score only the retrieval, not the head or the training set.

        Args:
            descriptors: Split -> descriptors of its images, as far as they are known; the others are extracted.

        Raises:
            RunFailed: The descriptors cannot be compared with the chosen distance.
        """
        return self._outcome(descriptors, retrieval_only=True)

    def _outcome(
        self, known: Mapping[str, Array], *, retrieval_only: bool = False, keep_predictions: bool = False
    ) -> Outcome:
        config = self.plan.config
        best_epoch, last = None, None
        if self.trainer is not None and config.select == "best":
            last = self._score_weights()
            best_epoch = self.trainer.use_best()
        scored = self._score_weights(known, heads=not retrieval_only, keep_predictions=keep_predictions)
        beside = {} if last is None else {LAST + name: value for name, value in last.metrics.items()}
        beside |= self._means_over_epochs(scored)
        detected, pixels = DetectionResult(None, {}, {}), None
        with self.phases.timed("sample_detection"):
            if not retrieval_only:
                detected = self._detect_noise(scored.descriptors.get("train"))
                pixels = self._memorised_pixels()
        present = detected.present
        epoch = self.trainer.history[-1] if self.trainer else {}
        result = {
            "schema": 1,
            "id": self.plan.id,
            "metrics": {**scored.metrics, **beside},
            "predictions": dict(scored.predictions.document),
            "noise": {
                "requested": str(config.slnir),
                "realised": self.manifest.summary()["realised"],
                "sha256": self.manifest.summary()["sha256"],
            },
            "noisy_images": float(self.truth.noisy.mean()),
            "detection": epoch.get("detection"),
            "loss_detection": epoch.get("loss_detection"),
            "sample_detection": detected.document or None,
            "memorised": None if present is None else memorised_share(present, self.truth),
            "memorised_pixels": pixels,
            "predicted_prevalence": None if present is None else float(present.mean()),
            "true_prevalence": float(self.relevance[self.splits.train].mean()),
            "parameters": self._count_parameters(),
            "best_epoch": best_epoch,
        }
        ranking = scored.retrieval[""].ranking
        arrays = {**scored.arrays, **thumbnail_arrays(self.plan.archive, self.splits, ranking)}
        if last is not None:
            result["last_predictions"] = dict(last.predictions.document)
            arrays |= {f"last.{name}": values for name, values in last.arrays.items() if "@" in name}
        return Outcome(result, arrays, scored.descriptors, detected.arrays, scored.predictions.arrays)

    def _score_weights(
        self, known: Mapping[str, Array] | None = None, *, heads: bool = True, keep_predictions: bool = False
    ) -> Scores:
        """Score the weights that the method has now."""
        try:
            retrieval, descriptors = self._score_pairs(known=known)
        except ValueError as error:
            raise RunFailed(
                f"The descriptors turned out unusable after training: {error}. The weights are kept; score them with "
                "another distance: gridbench score RUN --distance euclidean|cosine|manhattan."
            ) from error
        with self.phases.timed("predictions"):
            predictions = self._score_predictions(keep_predictions) if heads else Predictions({}, {})
        return Scores(retrieval, descriptors, predictions)

    def _means_over_epochs(self, scored: Scores) -> dict[str, float]:
        """Return the means over the last epochs, where the settings ask for them."""
        if self.plan.config.last_epochs is None:
            return {}
        if self.trainer is not None:
            return mean_over_epochs(self.trainer.history)
        # What trains nothing has the same scores after every epoch.
        return {LAST_EPOCHS + name: value for name, value in scored.metrics.items()}

    def _corrupt(self) -> Corruption:
        """Corrupt the training labels by the run's noise model, and keep the manifest."""
        corruption = corrupt_training_labels(self.plan)
        self.manifest = self.plan.noise.manifest(corruption, self.plan)
        return corruption

    def _build_trainer(self, limit_bytes: int | None) -> Trainer:
        assert self.objective is not None
        labels = self.corruption.labels
        data = training_set(self.plan, self.splits.train, labels, self.device, limit_bytes=limit_bytes)
        settings = training_settings(self.plan)
        evaluate = (_weakly(self._validation_score), _weakly(self._epoch_scores))
        return Trainer(self.method, self.objective.task, data, self.truth, settings, self.device, *evaluate)

    def _validation_score(self) -> float:
        """Return the score by which --select best chooses an epoch."""
        with _comparable("of the validation split, by which --select best chooses,"):
            results, _ = self._score_pairs(pairs=("validation/",), whole=False)
        return float(results["validation/"].scores[f"ndcg@{self.plan.config.k}"].mean())

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

    def shown(self, split: str) -> EvaluationSet:
        """Return the images of a split as evaluation sees them; what an accelerator holds of them stays there."""
        if split not in self._shown:
            there = self.trainer.data.held if split == "train" and self.trainer is not None else None
            self._shown[split] = self.evaluation_set(self.splits[split], there)
        return self._shown[split]

    def evaluation_set(self, indices: Array, held: Pixels | None = None) -> EvaluationSet:
        """Return the images at `indices` (n,) of the archive as evaluation sees them; `held` is these, if given."""
        config, archive = self.plan.config, self.plan.archive
        statistics = config.statistics or "train"
        return EvaluationSet(archive, indices, config.crop or None, self.device, statistics, held)

    def predictions(self, split: str) -> Iterator[torch.Tensor]:
        """Yield the head's output for the images of a split, in evaluation mode, batch by batch."""
        size = MAPS_TOGETHER if self.plan.kind == "pixel" else TOGETHER
        yield from predict(self.method, self.shown(split).batches(size))

    def _score_predictions(self, keep: bool) -> Predictions:
        """Score what the head predicts of the validation and test images."""
        archive = self.plan.archive

        def maps(positions: Array) -> Array:
            return self._as_evaluated(archive.true_label_maps[positions])

        clean = CleanLabels(self.relevance, maps)
        task = self.objective.task if self.objective else None
        return score_predictions(task, self.predictions, self.splits, clean, archive.class_names, keep)

    def _detect_noise(self, descriptors: Array | None) -> DetectionResult:
        """Evaluate noise detection on the whole training set; known descriptors are not extracted again."""
        if self.objective is None:
            return DetectionResult(None, {}, {})
        plan, config, train = self.plan, self.plan.config, self.splits.train
        data = self._data_as_given()
        if plan.kind == "pixel":
            wrong = wrong_classes(*self._maps_as_seen(), plan.archive.num_classes)
        else:
            wrong = (self.corruption.labels != 0) != (self.relevance[train] != 0)
        samples = LabelledSet(
            train=WholeTrainingSet(self.method, self.objective.task, data, config.seed, "detection"),
            scene_labels=data.scene_labels.cpu().numpy(),
            wrong=wrong,
            noisy=self.truth.noisy,
            margins=self._margins(),
            descriptors=descriptors,
        )
        return evaluate_detectors(self.method, self.objective, samples, self.truth.percent, config.seed)

    def _margins(self) -> Array | None:
        """Return the mean margins of the given labels in training; None for a method that did not see them."""
        assert self.trainer is not None
        margins = self.trainer.margins.means() if self.plan.method.labels == "noisy" else None
        return None if margins is None or not bool(torch.isfinite(margins).all()) else margins.cpu().numpy()

    def _data_as_given(self) -> TrainingSet:
        """Return the training images with the labels that were given, which a reference method was not trained on."""
        assert self.trainer is not None
        if self.plan.method.labels == "noisy":
            return self.trainer.data
        given = self.corruption.labels
        return training_set(self.plan, self.splits.train, given, self.device, "noisy", limit_bytes=0)

    def _memorised_pixels(self) -> float | None:
        """Return the share of relabelled pixels whose wrong label the model predicts; None where there are no maps."""
        if self.plan.kind != "pixel" or self.objective is None:
            return None
        given, clean = self._maps_as_seen()
        predictions = self.predictions("train")
        classes = (self.objective.task.pixel_classes(each) for each in predictions)
        return memorised_pixels((each.cpu().numpy() for each in classes if each is not None), given, clean)

    def _maps_as_seen(self) -> tuple[Array, Array]:
        """Return the label maps that were trained on and the clean ones, cut as evaluation cuts images."""
        clean = self.plan.archive.true_label_maps[self.splits.train]
        return self._as_evaluated(self.corruption.labels), self._as_evaluated(clean)

    def _as_evaluated(self, maps: Array) -> Array:
        """Return label maps (n, H, W) cut as evaluation cuts images; whole where the recipe leaves maps whole."""
        config = self.plan.config
        return centre_of(maps, config.crop) if config.move_maps is not False and config.crop else maps

    def _count_parameters(self) -> dict[str, int]:
        network = self.method.descriptor_network
        return {
            "total": sum(p.numel() for p in self.method.parameters()),
            "backbone": sum(p.numel() for p in network.parameters()),
        }


def _weakly(method: Callable[[], T]) -> Callable[[], T]:
    """Return a function that calls a bound method without keeping its object alive.

    What holds each other stays in memory, pixels and all, until the next full collection, and a sweep or an audit
    computes many runs in one process.
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
