"""A small world for methods: a tiny network, set-ups and batches of every kind, a short training."""

import pytest
import torch
from torch import nn

from gridbench.methods.base import (
    Averages,
    Batch,
    Context,
    Geometry,
    Objective,
    Setup,
    View,
    mean_of_valid,
)
from gridbench.metrics.noise_rate import estimate_noise_rate
from gridbench.parameters import parse
from gridbench.registry import LOSSES, METHODS

CLASSES, SIZE, SAMPLES = 4, 16, 40


class TinyBackbone(nn.Module):
    """Two convolutions with batch normalisation and ReLU; a 4 x 4 feature map of a 16 x 16 image."""

    width = 10

    def __init__(self, reads="descriptor"):
        super().__init__()
        self.reads = reads
        self.net = nn.Sequential(
            nn.Conv2d(3, 6, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.Conv2d(6, 10, 3, stride=2, padding=1),
            nn.ReLU(),
        )

    def features(self, images):
        maps = self.net(images)
        return maps if self.reads == "feature_map" else maps.mean((2, 3))

    def pool(self, features):
        return features.mean((2, 3)) if features.ndim == 4 else features

    def forward(self, images):
        return self.pool(self.features(images))


class FixedOutput(nn.Module):
    """A network whose output is what it was told, whatever the images are."""

    def __init__(self, output):
        super().__init__()
        self.output = nn.Parameter(output.clone())
        self.width = output.shape[1]

    def features(self, images):
        return self.output

    def forward(self, images):
        return self.output


class TrainingSet:
    """A training set of which a batch holds all images, as `TrainingView` shows it."""

    def __init__(self, batch):
        self.batch = batch
        self.num_samples, self.num_classes = batch.scene_labels.shape
        self.label_maps = batch.label_maps

    @property
    def scene_labels(self):
        return self.batch.scene_labels.clone()

    @property
    def generator(self):
        return torch.Generator().manual_seed(7)

    @torch.no_grad()
    def apply(self, function, views=()):
        return function(self.batch)

    @torch.no_grad()
    def average(self, function):
        return [
            Averages(mean_of_valid(values, valid), values.flatten() if valid is None else values[valid])
            for values, valid in function(self.batch)
        ]


class Lab:
    """Factories that tests share."""

    classes, size, samples = CLASSES, SIZE, SAMPLES

    def objective(self, loss, **parameters):
        """An objective by the loss's name."""
        component = LOSSES.get(loss)
        task = component.task(CLASSES, (SIZE, SIZE), (SIZE // 4, SIZE // 4))
        return Objective(task, component(parse(component.Parameters, parameters, f"loss {loss}")))

    def setup(self, loss, *, seed=0, epochs=10, stored=SIZE, samples=SAMPLES, **parameters):
        """What a method is built from; the same seed and stream name give the same weights."""
        objective = self.objective(loss, **parameters)

        def build(name, factory):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(1000 * seed + sum(map(ord, name)))
                return factory()

        return Setup(
            backbone=lambda name: build(name, lambda: TinyBackbone(objective.task.reads)),
            build=build,
            objective=objective,
            num_samples=samples,
            num_classes=CLASSES,
            epochs=epochs,
            map_size=(stored, stored),
            noise_rate=lambda labels, predicted: estimate_noise_rate(labels.numpy(), predicted.numpy()).rate,
        )

    def fixed(
        self,
        name,
        loss,
        outputs,
        *,
        labels=None,
        slnir=0.0,
        samples=SAMPLES,
        epochs=10,
        map_size=None,
        **parameters,
    ):
        """A method whose networks, in the order in which it builds them, give fixed outputs through no head.

        Given the labels of the whole training set, it is started with them.
        """
        component, given = METHODS.get(name), iter(outputs)
        task, classes = LOSSES.get(loss).task, outputs[0].shape[1]
        objective = Objective(task(classes, map_size), LOSSES.get(loss)())
        setup = Setup(
            backbone=lambda stream: FixedOutput(next(given)),
            build=lambda stream, factory: nn.Identity(),
            objective=objective,
            num_samples=samples,
            num_classes=classes,
            epochs=epochs,
            map_size=map_size,
        )
        parsed = parse(component.Parameters, parameters, f"method {name}")
        method = component(setup, component.resolve(parsed, Context(LOSSES.get(loss), slnir)))
        if labels is not None:
            method.start(TrainingSet(self.labelled(scene_labels=labels)))
        return method

    def labelled(self, *, scene_labels=None, maps=None, indices=None, epoch=0, geometry=None):
        """A batch with the given labels, for networks that do not look at images."""
        labels = maps if scene_labels is None else scene_labels
        return Batch(
            images=torch.zeros(len(labels), 1, 1, 1),
            scene_labels=torch.zeros(len(labels), 1) if scene_labels is None else scene_labels,
            label_maps=maps,
            indices=torch.arange(len(labels)) if indices is None else torch.as_tensor(indices),
            epoch=epoch,
            step=0,
            generator=torch.Generator().manual_seed(0),
            geometry=geometry,
        )

    def method(self, name, loss, *, setup=None, slnir=0.0, seed=0, **parameters):
        """A method by name, its parameters resolved as the harness does."""
        component = METHODS.get(name)
        parsed = parse(component.Parameters, parameters, f"method {name}")
        resolved = component.resolve(parsed, Context(LOSSES.get(loss), slnir))
        method = component(setup or self.setup(loss, seed=seed), resolved)
        method.start(TrainingSet(self.batch(SAMPLES)))
        return method

    def training_set(self, batch):
        """The training set whose images are those of the batch."""
        return TrainingSet(batch)

    def batch(self, size=8, *, seed=0, epoch=0, step=0, indices=None, maps=None):
        """A batch of random images with scene labels and blocky label maps, some pixels unknown."""
        generator = torch.Generator().manual_seed(seed)
        if maps is None:
            blocks = torch.randint(0, CLASSES, (size, 4, 4), generator=generator)
            maps = blocks.repeat_interleave(SIZE // 4, 1).repeat_interleave(SIZE // 4, 2)
            unknown = torch.rand(maps.shape, generator=generator) < 0.1
            maps = torch.where(unknown, 255, maps)
        geometry = self.geometry(size)
        return Batch(
            images=torch.randn(size, 3, SIZE, SIZE, generator=generator),
            scene_labels=(torch.rand(size, CLASSES, generator=generator) < 0.4).float(),
            label_maps=maps,
            indices=torch.arange(size) if indices is None else torch.as_tensor(indices),
            epoch=epoch,
            step=step,
            generator=torch.Generator().manual_seed(seed + 1),
            geometry=geometry,
            further_views=(View(torch.randn(size, 3, SIZE, SIZE, generator=generator), maps, geometry),),
        )

    def geometry(self, size, top=0, left=0, mirrored=False, flipped=False):
        """The same cut for every image of a batch."""
        return Geometry(
            torch.full((size,), top),
            torch.full((size,), left),
            torch.full((size,), mirrored),
            torch.full((size,), flipped),
        )

    def train(self, method, steps, *, size=8, first=0, epoch_of=lambda step: 0, rate=1e-2):
        """Train for some steps and return the per-sample losses of each."""
        optimizer = torch.optim.Adam(method.parameters(), lr=rate)
        trail = []
        for step in range(first, first + steps):
            indices = (torch.arange(size) + 3 * step) % SAMPLES
            output = method.step(self.batch(size, seed=step, epoch=epoch_of(step), indices=indices))
            optimizer.zero_grad(set_to_none=True)
            output.loss.backward()
            optimizer.step()
            with torch.no_grad():
                method.after_step()
            trail.append(output.per_sample_loss.detach().clone())
        return trail

    def assert_same_training(self, one, other, steps=6, **options):
        """Check that two methods train alike bit for bit, in all that the first one holds."""
        for a, b in zip(self.train(one, steps, **options), self.train(other, steps, **options), strict=True):
            assert torch.equal(a, b)
        theirs = other.state_dict()
        for name, value in one.state_dict().items():
            assert torch.equal(value, theirs[name]), name


X = torch.tensor(
    [[2, -1, 0.5, -3, 0.2], [-0.5, 1.5, -2, 0, 1], [0.1, -0.2, 3, -4, -1.2], [-1.5, 0.8, 0.7, 2.2, -0.6]]
)
Y = torch.tensor([[1, 0, 1, 0, 0], [0, 1, 1, 0, 0], [0, 0, 1, 1, 0], [1, 0, 1, 1, 0]], dtype=torch.float32)
Z = torch.tensor(
    [[1, -0.5, 0, -2, 0.4], [0.5, 1, -1, 0.3, 0.2], [-0.4, 0.2, 2, -1, -0.8], [-0.7, 1.1, 0.4, 1.6, 0.9]]
)
GRADIENT = torch.tensor(
    [
        [-0.00596015, 0.0134471, -0.0188770, 0.00237129, 0.0274917],
        [0.0188770, -0.00912128, -0.0440399, 0.025, 0.0365529],
        [0.0262490, 0.0225083, -0.00237129, -0.0491007, 0.0115738],
        [-0.0408787, 0.0344987, -0.0165906, -0.00498752, 0.0177172],
    ]
)


class Golden:
    """Logits, labels and logits of a second network, and the gradient of the mean BCE, to the digits that are given."""

    x, y, z, gradient = X, Y, Z, GRADIENT


@pytest.fixture(scope="session")
def golden():
    """Four images with five classes, for which official code, or a transcription of it, gave the expected numbers."""
    return Golden


@pytest.fixture(scope="session")
def lab():
    return Lab()
