"""DivideMix: two networks divide the training set for each other (Li, Socher and Hoi, ICLR 2020)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gridbench.methods._mixing import draw_mixing, semi_supervised_loss, semi_supervised_targets
from gridbench.methods._mixture import lower_component, min_max
from gridbench.methods._two_networks import TwoNetworks
from gridbench.methods.base import Batch, SampleScores, Sampling, Setup, StepOutput, TrainingView
from gridbench.parameters import parameter
from gridbench.registry import register_method

__all__ = ["DivideMix"]

ALPHA = 4.0
"""Both parameters of mixup's beta distribution, as in LiJunnan1992/DivideMix."""

Network = tuple[nn.Module, Callable[[Tensor], Tensor]]
"""A backbone, and what its head predicts of images."""


@register_method()
class DivideMix(TwoNetworks):
    """Each network trains by MixMatch on images whose labels the other one believes, and on the rest without labels.

    After a warm-up by cross entropy, a mixture of two normal distributions is fitted to each network's losses before
    every epoch; w, the probability of the lower part, divides the images for the other network. As in
    LiJunnan1992/DivideMix, the network that only guesses is in evaluation mode. Ours: both networks train in one step,
    on a quarter of the mini-batch for each of their two sets, where published code trains one after the other; the
    epoch is as long as the first network's labelled set; all views pass a network together; an epoch in which a set
    would be empty is one of the warm-up.
    """

    losses = ("ce",)
    because = "it mixes and guesses one label per image"
    views = ("weak", "weak")
    recipe: ClassVar[Mapping[str, Any]] = {
        # LiJunnan1992/DivideMix, Train_cifar.py: 64 labelled and 64 others; a tenth of the rate from epoch 150 on.
        "optimizer": "momentum",
        "momentum": 0.9,
        "learning_rate": 0.02,
        "weight_decay": 5e-4,
        "batch_size": 256,
        "epochs": 300,
        "schedule": "step",
    }

    @dataclass(frozen=True)
    class Parameters:
        """Parameters of DivideMix."""

        unlabelled: float = parameter(
            25.0,
            "lambda_u, weight of the images without labels",
            "Li et al., CIFAR-10, 50 % and more symmetric noise; 0 for 20 % and for asymmetric noise",
            low=0,
            high=1000,
            search=(0.0, 1.0, 5.0, 10.0, 15.0, 25.0, 50.0, 75.0, 100.0, 150.0),
        )
        warm_up: float = parameter(
            10.0,
            "epochs of cross entropy, percent of the run's (rounded up)",
            "LiJunnan1992/DivideMix: 30 of 300 for CIFAR-100; 10 for CIFAR-10",
            low=0,
            high=100,
            search=(1.0, 2.0, 3.0, 5.0, 8.0, 10.0, 15.0, 20.0, 30.0, 40.0),
        )
        ramp_up: float = parameter(
            5.33,
            "percent of the run after the warm-up over which lambda_u rises from 0",
            "LiJunnan1992/DivideMix: 16 of 300 epochs",
            low=0,
            high=100,
        )
        threshold: float = parameter(
            0.5, "w above which a label is believed", "LiJunnan1992/DivideMix", low=0, high=1
        )

    def __init__(self, setup: Setup, parameters: Any = None) -> None:
        super().__init__(setup, parameters)
        self.epochs = setup.epochs
        self.first_epoch = setup.epochs_in(self.p.warm_up)
        self.found: Tensor
        self.believed: Tensor
        self.register_buffer("found", torch.zeros(2, setup.num_samples))
        self.register_buffer("believed", torch.ones(2, setup.num_samples))

    def on_epoch_start(self, epoch: int, train: TrainingView) -> None:
        """Note both networks' losses, and how probably each is a small one."""
        if epoch < self.first_epoch:
            return
        self.found.copy_(torch.stack(train.apply(self._both_losses)))
        for losses, believed in zip(self.found, self.believed, strict=True):
            believed.copy_(lower_component(min_max(losses)))

    def sampler(self, epoch: int, train: TrainingView) -> Sampling:
        """Return the labelled and the other images of each network, as the other network divides them."""
        if epoch < self.first_epoch:
            return None
        by_first, by_second = (self.believed > self.p.threshold).cpu()
        sets = [part.nonzero().flatten() for part in (by_second, ~by_second, by_first, ~by_first)]
        return sets if all(map(len, sets)) else None

    def step(self, batch: Batch) -> StepOutput:
        """Return the sum of both networks' losses."""
        if not batch.sizes:
            return super().step(batch)
        first, second = (self.backbone, self.predict), (self.backbone_2, self.predict_2)
        loss = self._mixed(first, second, batch.parts[:2], self.believed[1])
        loss = loss + self._mixed(second, first, batch.parts[2:], self.believed[0])
        losses, believed = self.found[0, batch.indices], self.believed[:, batch.indices]
        return StepOutput(loss, losses, 1 - believed.mean(0), believed[1] <= self.p.threshold)

    def _mixed(self, own: Network, peer: Network, parts: Sequence[Batch], believed: Tensor) -> Tensor:
        """Return the loss of a network on mixed images of its labelled and its other set."""
        labelled = parts[0]
        count = 2 * len(labelled.indices)
        images = torch.cat([view.images for part in parts for view in part.views])
        if not len(images):
            return images.new_zeros(())
        with torch.no_grad():
            said = F.softmax(own[1](images).float(), 1)
            peer[0].eval()
            guessed = F.softmax(peer[1](images[count:]).float(), 1)
            peer[0].train()
        belief = believed[labelled.indices, None]
        targets = semi_supervised_targets(said, guessed, labelled.scene_labels, belief)
        mixing = draw_mixing(labelled.generator, len(images), ALPHA, own_most=True)
        done = labelled.epoch + labelled.step / labelled.num_steps - self.first_epoch
        length = self.epochs * self.p.ramp_up / 100
        weight = self.p.unlabelled * (min(done / length, 1.0) if length else 1.0)
        return semi_supervised_loss(own[1](mixing(images)).float(), mixing(targets), count, weight)

    def score_samples(self, train: TrainingView) -> SampleScores:
        """Return how probably each loss is a large one by both networks, and the share of images not believed."""
        doubt = 1 - self.believed.mean(0)
        (scores,) = train.average(lambda batch: [(doubt[batch.indices, None], None)])
        share = 100 * float((self.believed[1] <= self.p.threshold).float().mean())
        return SampleScores(scores.images, scores.labels, share)

    def _both_losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        predictions = self.predict(batch.images), self.predict_2(batch.images)
        first, second = (self.objective.per_sample(each, batch) for each in predictions)
        return first, second
