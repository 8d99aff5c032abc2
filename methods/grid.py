"""GRID: generative reasoning integrated label-noise-robust learning (paper, Section III), and its ablations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gridbench.methods.base import ANY_LOSS, Batch, Context, Method, Objective, Setup, StepOutput
from gridbench.methods.gate import Gate
from gridbench.methods.vae import SupervisedVAE, draw_epsilon, kl_divergence
from gridbench.parameters import parameter
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

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of GRID."""

        lambda_: float | str | None = parameter(
            None,
            "share of each mini-batch taken for noisy, percent; unset: 20 for scene losses, 10 for pixel losses",
            "paper, Section V-A",
            low=0,
            high=100,
            words=("slnir",),
        )
        mode: str = parameter(
            "hybrid",
            "which reasoning trains the backbone",
            "paper, Fig. 6",
            choices=("hybrid", "discriminative", "generative", "joint"),
        )
        latent: int = parameter(
            128, "latent dimension J of the VAE", "paper, Section IV-B", low=1, high=65536
        )
        kl_weight: float = parameter(1.0, "weight of the KL divergence", "paper, eq. 7", low=0)
        kl_reduction: str = parameter(
            "sum",
            "how the KL divergence is reduced",
            "paper, eq. 7; axis_one: published code",
            choices=("sum", "mean", "axis_one"),
        )
        epsilon: str = parameter(
            "sample",
            "one latent noise vector per sample, or one for the whole batch",
            "paper, eq. 6; batch: published code",
            choices=("sample", "batch"),
        )

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__(setup, parameters)
        assert setup.objective is not None  # the border admits no training method without a loss
        self.objective: Objective = setup.objective
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

    @classmethod
    def resolve(cls, parameters: Any, context: Context) -> Any:
        """Fill in lambda: the loss's own share, or the noise rate itself where the user ties it to SLNIR."""
        if parameters.lambda_ == "slnir":
            return replace(parameters, lambda_=float(context.slnir))
        if parameters.lambda_ is None:
            assert context.loss is not None
            return replace(parameters, lambda_=float(context.loss.lambda_percent))
        return parameters

    @property
    def descriptor_network(self) -> nn.Module:
        """The backbone: retrieval compares its descriptors, not the latent."""
        network: nn.Module = self.backbone
        return network

    def predict(self, images: Tensor) -> Tensor:
        """Return the discriminative head's output, or the generative head's at the latent mean without one."""
        features = self.backbone.features(images)
        if self.p.mode == "generative":
            prediction: Tensor = self.vae.head(self.vae.encode(features)[0])
        else:
            prediction = self.head(features)
        return prediction

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
        generative, epsilon = self._generative_losses(to_generative(features), batch)
        reconstruction, divergence = self._elbo_rest(features.detach(), features, epsilon)

        noisy, score = split_batch(discriminative.detach(), generative.detach(), self.p.lambda_)
        to_discriminative.let_through(~noisy)
        to_generative.let_through(noisy)

        objective_g = generative.mean() + reconstruction + self.p.kl_weight * divergence
        logs = self._logs(discriminative, generative, reconstruction, divergence)
        logs["hybrid_loss"] = torch.where(noisy, generative, discriminative).detach().mean()
        return StepOutput(
            discriminative.mean() + objective_g, discriminative, score, noisy, prediction.detach(), logs
        )

    def _discriminative(self, features: Tensor, batch: Batch) -> StepOutput:
        prediction = self.head(features)
        losses = self.objective.per_sample(prediction, batch)
        return StepOutput(losses.mean(), losses, prediction=prediction.detach())

    def _generative(self, features: Tensor, batch: Batch) -> StepOutput:
        """Train backbone and VAE on the generative label loss of all samples; MSE and KL train the VAE only."""
        losses, epsilon = self._generative_losses(features, batch)
        reconstruction, divergence = self._elbo_rest(features.detach(), features, epsilon)
        loss = losses.mean() + reconstruction + self.p.kl_weight * divergence
        logs = {"generative_loss": losses.detach().mean(), "reconstruction": reconstruction.detach()}
        return StepOutput(loss, losses, logs={**logs, "kl": divergence.detach()})

    def _joint(self, features: Tensor, batch: Batch) -> StepOutput:
        """Train everything on the sum of both objectives over all samples (paper, Section V-B)."""
        prediction = self.head(features)
        discriminative = self.objective.per_sample(prediction, batch)
        generative, epsilon = self._generative_losses(features, batch)
        reconstruction, divergence = self._elbo_rest(features, features, epsilon)
        loss = discriminative.mean() + generative.mean() + reconstruction + self.p.kl_weight * divergence
        logs = self._logs(discriminative, generative, reconstruction, divergence)
        return StepOutput(loss, discriminative, prediction=prediction.detach(), logs=logs)

    def _generative_losses(self, features: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the (B,) label losses of the generative head, and the noise they were drawn with."""
        mean, deviation = self.vae.encode(features)
        epsilon = draw_epsilon(mean, self.p.epsilon == "batch", batch.generator)
        prediction = self.vae.head(mean + deviation * epsilon)
        return self.objective.per_sample(prediction, batch), epsilon

    def _elbo_rest(self, inputs: Tensor, features: Tensor, epsilon: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean squared reconstruction error against the detached features, and KL (eq. 7)."""
        mean, deviation = self.vae.encode(inputs)
        rebuilt = self.vae.decode(mean + deviation * epsilon).float()
        return F.mse_loss(rebuilt, features.detach().float()), kl_divergence(
            mean, deviation, self.p.kl_reduction
        )

    @staticmethod
    def _logs(
        discriminative: Tensor, generative: Tensor, reconstruction: Tensor, divergence: Tensor
    ) -> dict[str, Tensor]:
        return {
            "discriminative_loss": discriminative.detach().mean(),
            "generative_loss": generative.detach().mean(),
            "reconstruction": reconstruction.detach(),
            "kl": divergence.detach(),
        }


def split_batch(discriminative: Tensor, generative: Tensor, percent: float) -> tuple[Tensor, Tensor]:
    """Take the samples whose discriminative loss exceeds the generative one most for noisy (eqs. 8 to 10).

    Each head's losses are min-max scaled over the mini-batch on their own (all zero when they are all equal).
    Exactly floor(B * percent / 100) samples are taken, where the paper's strict inequality would take one less;
    among equal differences the earlier sample is taken.

    Args:
        discriminative: (B,) detached losses of the discriminative head.
        generative: (B,) detached losses of the generative head.
        percent: Lambda in percent, 0 to 100.

    Returns:
        (B,) bool, the noisy samples W, and (B,) the differences in [-1, 1].
    """
    difference = _scaled(discriminative) - _scaled(generative)
    count = int(len(difference) * Fraction(str(percent)) // 100)
    order = torch.sort(difference, descending=True, stable=True).indices
    noisy = torch.zeros_like(difference, dtype=torch.bool)
    noisy[order[:count]] = True
    return noisy, difference


def _scaled(losses: Tensor) -> Tensor:
    low, high = losses.min(), losses.max()
    return torch.where(high > low, (losses - low) / (high - low), 0.0)
