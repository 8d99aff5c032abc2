"""A plug-in for tests: a method that overrides every hook, and ends the process where KILL_IN says."""

import copy
import os
import signal
from dataclasses import replace

import torch

from gridbench import register_method
from gridbench.methods.base import ParameterGroup
from gridbench.methods.plain import Plain

visits = {}


def moment(name):
    """Count a visit, and end the process at the one that the environment names."""
    visits[name] = visits.get(name, 0) + 1
    if os.environ.get("KILL_IN") == f"{name} {visits[name]}":
        os.kill(os.getpid(), signal.SIGKILL)


@register_method()
class Everything(Plain):
    """Relabels, draws by its own losses, follows a second view, averages its weights, and trains offsets of images."""

    losses = ("bce",)
    views = ("weak", "strong")

    def __init__(self, setup, parameters=None):
        super().__init__(setup, parameters)
        self.average = copy.deepcopy(self.backbone).requires_grad_(False)
        self.offsets = torch.nn.Parameter(torch.zeros(setup.num_samples, setup.num_classes))
        self.register_buffer("current", torch.zeros(setup.num_samples, setup.num_classes))
        self.register_buffer("loss_of", torch.zeros(setup.num_samples))

    @property
    def descriptor_network(self):
        return self.average

    def parameter_groups(self):
        networks = [*self.backbone.parameters(), *self.head.parameters()]
        offsets = ParameterGroup("offsets", [self.offsets], lr=5.0, momentum=0.9)
        return [ParameterGroup("networks", networks, lr_factor=2.0), offsets]

    def start(self, train):
        self.current.copy_(train.scene_labels)
        moment("start")

    def on_epoch_start(self, epoch, train):
        self.current.mul_(0.9).add_(torch.rand(self.current.shape, generator=train.generator), alpha=0.01)
        self.loss_of.copy_(train.apply(self.losses_of, views=("strong",)))
        moment("epoch")

    def losses_of(self, batch):
        moment("pass")
        return self.objective.per_sample(self.predict(batch.images), batch)

    def sampler(self, epoch, train):
        moment("sampler")
        half, order = len(self.loss_of) // 2, self.loss_of.argsort(stable=True)
        return [None, [order[:half], order[half:]], self.loss_of.exp()][epoch % 3]

    def step(self, batch):
        self.current[batch.indices] += 0.01
        moment("step")
        labels = (self.current[batch.indices] + self.offsets[batch.indices]).sigmoid()
        output = super().step(replace(batch, scene_labels=labels))
        other = self.predict(batch.views[1].images).sigmoid()
        return replace(output, loss=output.loss + (output.prediction.sigmoid() - other).square().mean())

    @torch.no_grad()
    def after_step(self):
        moment("update")
        for old, new in zip(
            self.average.state_dict().values(), self.backbone.state_dict().values(), strict=True
        ):
            old.lerp_(new, 0.1) if old.is_floating_point() else old.copy_(new)
        moment("after")
