"""GRID: generative reasoning integrated label-noise-robust learning (paper, Section III), and its ablations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gridbench.methods._grid.grid_parameters import Parameters, resolve_lambda
from gridbench.methods._grid.noise_share import NoiseShare
from gridbench.methods._grid.routing import Gate, lowest_differences, scaled, split_batch
from gridbench.methods._grid.vae import SupervisedVAE, draw_epsilon, kl_divergence
from gridbench.methods.base import (
    ANY_LOSS,
    Batch,
    Context,
    Entries,
    Method,
    Objective,
    SampleScores,
    Setup,
    StepOutput,
    TrainingView,
)
from gridbench.registry import register_method

__all__ = ["GRID", "split_batch"]


@register_method()
class GRID(Method):
    """Learns noisy samples through a supervised VAE's head and clean samples through the discriminative head.

    One backward pass routes everything: gates let the discriminative loss of the clean samples and the generative
    loss of the noisy samples through to the backbone (eq. 12), while both heads and the VAE learn from all samples
    (eq. 13). MSE and KL are computed on detached descriptors, so they never reach the backbone.
    """

    losses = ANY_LOSS
    compares_losses = True
    authors_code: ClassVar[Mapping[str, Any]] = {
        "epsilon": "batch",
        "kl_reduction": "axis_one",
        "selection": "two_sorts",
    }

    Parameters = Parameters

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__(setup, parameters)
        assert setup.objective is not None  # a method that trains is planned with a loss
        self.objective: Objective = setup.objective
        self.epochs = setup.epochs
        task = self.objective.task
        self.backbone = setup.backbone("backbone")
        width: int = self.backbone.width
        if self.p.mode != "generative":
            self.head: nn.Module = setup.build("head", lambda: task.head(width))
        if self.p.mode != "discriminative":
            spatial = task.reads == "feature_map"
            self.vae: SupervisedVAE = setup.build(
                "vae", lambda: SupervisedVAE(width, self.p.latent, spatial, task.head(self.p.latent))
            )
        self.share: NoiseShare | None = None
        if self.p.lambda_ == "auto" and self.p.mode == "hybrid":
            assert setup.noise_rate is not None  # the harness always provides an estimator
            start = self.objective.loss.lambda_percent
            self.share = NoiseShare(
                setup.num_samples, setup.num_classes, setup.epochs, start, setup.noise_rate
            )

    @classmethod
    def resolve(cls, parameters: Any, context: Context) -> Any:
        """Fill in lambda: the loss's own share, or the noise rate itself where the user ties it to SLNIR."""
        return resolve_lambda(parameters, context)

    @property
    def descriptor_network(self) -> nn.Module:
        """The backbone: retrieval compares its descriptors, not the latent."""
        network: nn.Module = self.backbone
        return network

    def update_order(self) -> list[list[nn.Parameter]]:
        """Return the parameters of the discriminative head, the VAE and the backbone, as far as the mode has them."""
        parts = [getattr(self, name, None) for name in ("head", "vae", "backbone")]
        return [list(part.parameters()) for part in parts if part is not None]

    def predict(self, images: Tensor) -> Tensor:
        """Return the discriminative head's output, or the generative head's at the latent mean without one."""
        features = self.backbone.features(images)
        if self.p.mode == "generative":
            prediction: Tensor = self.vae.head(self.vae.encode(features)[0])
        else:
            prediction = self.head(features)
        return prediction

    def _percent(self, epoch: int) -> float:
        return float(self.p.lambda_) if self.share is None else self.share.percent(epoch)

    def score_samples(self, train: TrainingView) -> SampleScores | None:
        """Compare both heads' losses, the generative one's at the latent mean; only the hybrid has both.

        An image scores by how much the discriminative loss exceeds the generative one (eqs. 8 and 9 over the whole
        set), a label by their sum: the difference chooses a head for an image, not its wrong labels.
        """
        if self.p.mode != "hybrid":
            return None
        one, other = train.average(self._losses_of_heads)
        labels = None if one.labels is None or other.labels is None else one.labels + other.labels
        percent = float(self.p.lambda_) if self.share is None else self.share.after(self.epochs)
        return SampleScores(scaled(one.images) - scaled(other.images), labels, percent)

    def _losses_of_heads(self, batch: Batch) -> list[Entries]:
        features = self.backbone.features(batch.images)
        heads = self.head(features), self.vae.head(self.vae.encode(features)[0])
        return [self.objective.per_entry(prediction, batch) for prediction in heads]

    def step(self, batch: Batch) -> StepOutput:
        """Compute one mini-batch in the chosen mode."""
        steps = {
            "hybrid": self._hybrid,
            "discriminative": self._discriminative,
            "generative": self._generative,
            "joint": self._joint,
        }
        return steps[self.p.mode](self.backbone.features(batch.images), batch)

    def _hybrid(self, features: Tensor, batch: Batch) -> StepOutput:
        to_discriminative, to_generative = Gate(), Gate()
        prediction = self.head(to_discriminative(features))
        discriminative = self.objective.per_sample(prediction, batch)
        generative, rest, logs = self._generate(to_generative(features), features.detach(), batch)

        percent = self._percent(batch.epoch)
        if self.share is not None:
            probabilities = self.objective.task.probabilities(prediction.detach())
            assert probabilities is not None, "a share can be estimated where a class has a probability"
            self.share.note(batch, probabilities)
            logs["lambda"] = torch.tensor(percent)
        noisy, score = split_batch(discriminative.detach(), generative.detach(), percent)
        clean = lowest_differences(score, noisy) if self.p.selection else ~noisy
        to_discriminative.let_through(clean)
        to_generative.let_through(noisy)

        loss = discriminative.mean() + generative.mean() + rest
        logs["hybrid_loss"] = (
            (torch.where(noisy, generative, 0.0) + torch.where(clean, discriminative, 0.0)).detach().mean()
        )
        logs.update(self._logs(discriminative, prediction))
        return StepOutput(loss, discriminative, score, noisy, prediction.detach(), logs)

    def _discriminative(self, features: Tensor, batch: Batch) -> StepOutput:
        prediction = self.head(features)
        losses = self.objective.per_sample(prediction, batch)
        logs = self._logs(losses, prediction)
        return StepOutput(losses.mean(), losses, prediction=prediction.detach(), logs=logs)

    def _generative(self, features: Tensor, batch: Batch) -> StepOutput:
        """Train backbone and VAE on the generative label loss of all samples; MSE and KL train the VAE only."""
        losses, rest, logs = self._generate(features, features.detach(), batch)
        return StepOutput(losses.mean() + rest, losses, logs=logs)

    def _joint(self, features: Tensor, batch: Batch) -> StepOutput:
        """Train everything on the sum of both objectives over all samples (paper, Section V-B)."""
        prediction = self.head(features)
        discriminative = self.objective.per_sample(prediction, batch)
        generative, rest, logs = self._generate(features, features, batch)
        logs.update(self._logs(discriminative, prediction))
        loss = discriminative.mean() + generative.mean() + rest
        return StepOutput(loss, discriminative, prediction=prediction.detach(), logs=logs)

    def _generate(
        self, features: Tensor, inputs: Tensor, batch: Batch
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return the (B,) label losses of the generative head, and the rest of O_g: MSE and weighted KL (eq. 7).

        Args:
            features: What the label losses are computed from, and send their gradient to.
            inputs: The same values, as MSE and KL see them; the MSE's target is detached either way.
            batch: The mini-batch.
        """
        mean, deviation = self.vae.encode(features)
        epsilon = draw_epsilon(mean, self.p.epsilon == "batch", batch.generator)
        losses = self.objective.per_sample(self.vae.head(mean + deviation * epsilon), batch)

        mean, deviation = self.vae.encode(inputs)
        rebuilt = self.vae.decode(mean + deviation * epsilon).float()
        reconstruction = F.mse_loss(rebuilt, features.detach().float())
        divergence = kl_divergence(mean, deviation, self.p.kl_reduction)
        logs = {
            "generative_loss": losses.detach().mean(),
            "reconstruction": reconstruction.detach(),
            "kl": divergence.detach(),
        }
        return losses, reconstruction + self.p.kl_weight * divergence, logs

    def _logs(self, losses: Tensor, prediction: Tensor) -> dict[str, Tensor]:
        task_logs = self.objective.task.logs(prediction.detach())
        return {"discriminative_loss": losses.detach().mean(), **task_logs}
