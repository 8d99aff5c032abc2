"""A run with the scores that its record holds: retrieval, predictions, and detection of noisy samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gridbench.datasets.loading.batches import TrainingSet
from gridbench.errors import RunFailed
from gridbench.evaluation.detectors import LabelledSet
from gridbench.evaluation.noise_detection import DetectionResult, evaluate_detectors, wrong_classes
from gridbench.evaluation.predictions import Predictions
from gridbench.evaluation.scores import LAST, LAST_EPOCHS, Scores, mean_over_epochs
from gridbench.evaluation.thumbnails import thumbnail_arrays
from gridbench.evaluation.training_view import WholeTrainingSet
from gridbench.training.building import training_set
from gridbench.training.epoch_metrics import memorised_pixels, memorised_share
from gridbench.training.experiment.base import BaseExperiment, Outcome

__all__ = ["Experiment"]

Array = np.ndarray[Any, Any]


class Experiment(BaseExperiment):
    """A run that is scored by its retrieval, the predictions of its head, and its detection of noisy samples."""

    def score(self, keep_predictions: bool = False) -> Outcome:
        """Retrieve with the learnt descriptors, predict with the trained head, and gather all scores.

        Args:
            keep_predictions: Whether the outcome also holds the predictions themselves.

        Raises:
            RunFailed: The descriptors cannot be compared with the chosen distance.
        """
        return self._outcome({}, keep_predictions=keep_predictions)

    def score_again(self, descriptors: Mapping[str, Array]) -> Outcome:
        """Score only the retrieval, not the head or the training set.

        Args:
            descriptors: Split -> descriptors of its images; those of the other splits are extracted.

        Raises:
            RunFailed: The descriptors cannot be compared with the chosen distance.
        """
        return self._outcome(descriptors, retrieval_only=True)

    def _outcome(
        self, known: Mapping[str, Array], *, retrieval_only: bool = False, keep_predictions: bool = False
    ) -> Outcome:
        last, best_epoch = None, None
        if self.trainer is not None and self.plan.config.select == "best":
            last = self._score_weights()
            best_epoch = self.trainer.use_best()
        scored = self._score_weights(known, heads=not retrieval_only, keep_predictions=keep_predictions)
        detected, pixels = DetectionResult(None, {}, {}), None
        with self.phases.timed("sample_detection"):
            if not retrieval_only:
                detected = self._detect_noise(scored.descriptors.get("train"))
                pixels = self._memorised_pixels()
        result = {**self._document(scored, detected), "memorised_pixels": pixels, "best_epoch": best_epoch}
        ranking = scored.retrieval[""].ranking
        arrays = {**scored.arrays, **thumbnail_arrays(self.plan.archive, self.splits, ranking)}
        if last is not None:
            result["metrics"] |= {LAST + name: value for name, value in last.metrics.items()}
            result["last_predictions"] = dict(last.predictions.document)
            arrays |= {f"last.{name}": values for name, values in last.arrays.items() if "@" in name}
        result["metrics"] |= self._means_over_epochs(scored)
        return Outcome(result, arrays, scored.descriptors, detected.arrays, scored.predictions.arrays)

    def _document(self, scored: Scores, detected: DetectionResult) -> dict[str, Any]:
        """Return what result.json holds of every run."""
        present = detected.present
        epoch = self.trainer.history[-1] if self.trainer else {}
        noise = self.manifest.summary()
        return {
            "schema": 1,
            "id": self.plan.id,
            "metrics": scored.metrics,
            "predictions": dict(scored.predictions.document),
            "noise": {
                "requested": str(self.plan.config.slnir),
                "realised": noise["realised"],
                "sha256": noise["sha256"],
            },
            "noisy_images": float(self.truth.noisy.mean()),
            "detection": epoch.get("detection"),
            "loss_detection": epoch.get("loss_detection"),
            "sample_detection": detected.document or None,
            "memorised": None if present is None else memorised_share(present, self.truth),
            "predicted_prevalence": None if present is None else float(present.mean()),
            "true_prevalence": float(self.relevance[self.splits.train].mean()),
            "parameters": self._count_parameters(),
        }

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

    def _detect_noise(self, descriptors: Array | None) -> DetectionResult:
        """Evaluate noise detection on the whole training set, with its descriptors if they are known."""
        if self.objective is None:
            return DetectionResult(None, {}, {})
        plan, config, train = self.plan, self.plan.config, self.splits.train
        data = self._data_as_given()
        if plan.level == "pixel":
            wrong = wrong_classes(*self._evaluated_maps(), plan.archive.num_classes)
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

    def _data_as_given(self) -> TrainingSet:
        """Return the training images with their given labels, on which a reference method was not trained."""
        assert self.trainer is not None
        if self.plan.method.labels == "noisy":
            return self.trainer.data
        given = self.corruption.labels
        return training_set(self.plan, self.splits.train, given, self.device, "noisy", limit_bytes=0)

    def _memorised_pixels(self) -> float | None:
        """Return the share of relabelled pixels whose wrong label the model predicts; None where there are no maps."""
        if self.plan.level != "pixel" or self.objective is None:
            return None
        given, clean = self._evaluated_maps()
        predictions = self.predictions("train")
        classes = (self.objective.task.pixel_classes(each) for each in predictions)
        return memorised_pixels((each.cpu().numpy() for each in classes if each is not None), given, clean)

    def _evaluated_maps(self) -> tuple[Array, Array]:
        """Return the given and the clean label maps of the training images, cropped as evaluation crops images."""
        clean = self.plan.archive.true_label_maps[self.splits.train]
        return self._as_evaluated(self.corruption.labels), self._as_evaluated(clean)

    def _count_parameters(self) -> dict[str, int]:
        network = self.method.descriptor_network
        return {
            "total": sum(p.numel() for p in self.method.parameters()),
            "backbone": sum(p.numel() for p in network.parameters()),
        }
