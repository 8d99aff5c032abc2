"""What the trainer offers a method beyond its steps, by methods that write down what they are given."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gridbench import register_method
from gridbench.conformance.findings import first_difference
from gridbench.conformance.fixtures import Workbench
from gridbench.conformance.subject import Subject, state_of, train
from gridbench.core.plugins import load_plugin
from gridbench.core.streams import numpy_stream
from gridbench.errors import InputError, RunFailed
from gridbench.evaluation.training_view import WholeTrainingSet, draw_batch
from gridbench.methods.base import Batch, Geometry, Method, ParameterGroup, View
from gridbench.methods.checks import check_sampling
from gridbench.methods.plain import Plain
from gridbench.registry import METHODS


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Workbench(tmp_path_factory.mktemp("bench"))


@pytest.fixture
def subject(bench, registries):
    """Register a method whose class body is given as keywords, and try it with a loss."""
    made = []

    def of(loss="bce", base=Plain, **body):
        made.append(None)
        cls = type(
            f"Hooked{len(made)}",
            (base,),
            {"__doc__": "A method.", "losses": (loss,), "__module__": __name__, **body},
        )
        register_method(cls.__name__.lower())(cls)
        return Subject(bench, cls, loss, {})

    return of


def one_batch(subject, epoch=0, step=0, positions=range(6)):
    return subject.fresh().trainer.make_batch(np.asarray(positions), epoch, step)


def same(one, other):
    return all(
        torch.equal(getattr(one, name), getattr(other, name))
        for name in ("images", "scene_labels", "indices")
    )


@pytest.mark.parametrize("loss", ["bce", "pce"])
def test_a_further_view_leaves_the_first_as_it_was(subject, loss):
    plain, two = (
        one_batch(subject(loss, **body), 1, 2) for body in ({}, {"views": ("weak", "strong", "weak")})
    )
    assert same(plain, two)
    assert len(plain.views) == 1
    assert len(two.views) == 3
    first, strong, weak = two.views
    assert first is two
    for view in (strong, weak):
        assert view.further_views == ()
        assert torch.equal(view.indices, two.indices)
        assert not torch.equal(view.images, two.images)
        assert (view.label_maps is None) == (loss == "bce")
    again = one_batch(subject(loss, views=("weak", "strong", "weak")), 1, 2)
    assert all(torch.equal(a.images, b.images) for a, b in zip(two.views, again.views, strict=True))


def test_label_maps_move_with_each_view(bench, subject):
    """The conformance archive's flips are drawn for each view; undone, both show the stored map."""
    batch = one_batch(subject("pce", views=("weak", "weak")))
    stored = torch.from_numpy(np.array(bench.archive.label_maps[bench.archive.indices("train")[:6]])).long()
    given = subject("pce").fresh().trainer.data.label_maps[:6].long()
    assert stored.shape == given.shape
    for view in batch.views:
        g = view.geometry
        undone = torch.where(g.mirrored[:, None, None], view.label_maps.flip(2), view.label_maps)
        undone = torch.where(g.flipped[:, None, None], undone.flip(1), undone)
        assert torch.equal(undone, given)
    assert not torch.equal(
        batch.views[0].geometry.mirrored, batch.views[1].geometry.mirrored
    ) or not torch.equal(batch.views[0].geometry.flipped, batch.views[1].geometry.flipped)


@pytest.mark.parametrize("views", ["weak", (), ("weka",), 3])
def test_views_that_do_not_exist_are_refused(subject, views):
    """Without this a misspelt strong view would be a weak one."""
    with pytest.raises(TypeError, match="Broken cannot be used"):
        type("Broken", (Plain,), {"views": views})

    def start(self, train):
        train.apply(lambda batch: batch.indices, views=views)

    if views != ():
        with pytest.raises((TypeError, ValueError), match=r"views is|not iterable"):
            train(subject(start=start).fresh(), 1)


def batch_of_ten():
    ten = torch.arange(10)
    geometry = Geometry(ten, ten + 10, ten % 2 == 0, ten % 3 == 0)
    view = View(ten.float().view(10, 1, 1, 1) + 100, None, geometry)
    images = ten.float().view(10, 1, 1, 1)
    labels = ten.float()[:, None]
    return Batch(
        images, labels, None, ten, 0, 4, torch.Generator(), num_steps=5, further_views=(view,), sizes=(6, 4)
    )


def test_a_batch_is_divided_into_its_parts_with_all_views():
    clean, noisy = batch_of_ten().parts
    assert clean.indices.tolist() == [0, 1, 2, 3, 4, 5]
    assert noisy.indices.tolist() == noisy.scene_labels.flatten().tolist() == [6, 7, 8, 9]
    assert (noisy.views[1].images - noisy.images).unique().tolist() == [100]
    assert noisy.views[1].geometry.left.tolist() == [16, 17, 18, 19]
    assert noisy.parts == (noisy,)
    assert noisy.last_step
    assert not replace(noisy, step=3).last_step


def test_what_is_left_out_is_left_out_of_views_and_parts():
    kept = batch_of_ten().only(torch.arange(10) % 2 == 0)
    assert [part.indices.tolist() for part in kept.parts] == [[0, 2, 4], [6, 8]]
    assert kept.views[1].images.flatten().tolist() == [100, 102, 104, 106, 108]


def test_hooks_are_called_in_their_order_and_as_often_as_they_should(subject):
    calls = []

    def step(self, batch):
        calls.append(f"step {batch.step}{' last' * batch.last_step}")
        return Plain.step(self, batch)

    body = {
        "step": step,
        "start": lambda self, train: calls.append("start"),
        "on_epoch_start": lambda self, epoch, train: calls.append(f"epoch {epoch}"),
        "sampler": lambda self, epoch, train: calls.append("sampler"),
        "after_step": lambda self: calls.append("after"),
    }
    subject_ = subject(**body)
    train(subject_.fresh(), 2)
    steps = ["step 0", "after", "step 1 last", "after"]
    assert calls == ["start", "epoch 0", "sampler", *steps, "epoch 1", "sampler", *steps]
    calls.clear()
    subject_.resumed()
    assert calls.count("start") == 1, "the run that is resumed does not start again"
    assert calls[-6:] == ["epoch 2", "sampler", *steps]


@pytest.mark.parametrize("loss", ["bce", "pce"])
def test_a_pass_sees_the_visible_labels_in_order_and_in_evaluation_mode(subject, loss):
    seen = {}

    def start(self, train):
        modes = []

        def function(batch):
            modes.append((self.training, torch.is_grad_enabled()))
            maps = (
                batch.images.new_zeros(len(batch.indices)) if batch.label_maps is None else batch.label_maps
            )
            return batch.indices, batch.scene_labels, maps, batch.images

        seen["found"] = train.apply(function)
        seen["one"] = train.apply(lambda batch: batch.indices)
        seen["modes"] = modes
        seen["training"] = self.training
        seen["labels"], seen["maps"] = train.scene_labels, train.label_maps
        assert (train.num_samples, train.num_classes) == train.scene_labels.shape
        train.scene_labels.zero_()

    experiment = subject(loss, start=start).fresh()
    train(experiment, 1)
    indices, labels, maps, images = seen["found"]
    n = len(experiment.splits.train)
    assert indices.tolist() == seen["one"].tolist() == list(range(n))
    assert set(seen["modes"]) == {(False, False)}
    assert seen["training"]
    assert torch.equal(labels, seen["labels"])
    assert torch.equal(experiment.trainer.data.scene_labels, labels), "what a method is given are copies"
    shown = torch.cat(list(experiment.shown("train").batches(5)))
    assert torch.equal(images, shown)
    given = torch.from_numpy(experiment.corruption.labels.copy())
    if loss == "bce":
        assert torch.equal(labels, given.float())
        assert seen["maps"] is None
    else:
        assert torch.equal(maps, given.long())
        assert torch.equal(seen["maps"], given)
        there = torch.stack([(given == c).flatten(1).any(1) for c in range(labels.shape[1])], 1)
        assert torch.equal(labels, there.float()), (
            "clean scene labels would tell what the maps should have been"
        )


def test_a_pass_with_views_draws_them_from_streams_of_its_own(subject):
    found = []

    def on_epoch_start(self, epoch, train):
        for _ in range(2):
            found.append(
                train.apply(lambda batch: tuple(v.images for v in batch.views), views=("weak", "strong"))
            )

    train(subject(on_epoch_start=on_epoch_start).fresh(), 2)
    first, *others = (pair for pair in found)
    assert all(not torch.equal(a, b) for other in others for a, b in zip(first, other, strict=True))
    found.clear()
    train(subject(on_epoch_start=on_epoch_start).fresh(), 1)
    assert all(torch.equal(a, b) for a, b in zip(first, found[0], strict=True))


def test_a_pass_that_returns_something_else_says_so(subject):
    def start(self, train):
        train.apply(lambda batch: self.predict(batch.images).mean())

    with pytest.raises(ValueError, match=r"returned \(\) for 14 images"):
        train(subject(start=start).fresh(), 1)


def steps_of(subject, epoch=0):
    """Return the indices and part sizes of each step of an epoch."""
    seen = []
    experiment = subject.fresh()
    step = type(experiment.method).step

    def watched(batch):
        seen.append((batch.indices.tolist(), [len(part.indices) for part in batch.parts]))
        return step(experiment.method, batch)

    experiment.method.step = watched
    row = experiment.trainer.train_epoch(epoch)
    return seen, row


def test_weights_draw_with_replacement(subject):
    weights = torch.zeros(14)
    weights[[2, 5]] = torch.tensor([1.0, 3.0])
    seen, _ = steps_of(subject(sampler=lambda self, epoch, train: weights))
    drawn = [index for indices, _ in seen for index in indices]
    assert len(drawn) == 14
    assert set(drawn) == {2, 5}


def test_a_list_is_visited_once(subject):
    seen, row = steps_of(subject(sampler=lambda self, epoch, train: [torch.arange(3, 12)]))
    assert sorted(index for indices, _ in seen for index in indices) == list(range(3, 12))
    assert [parts for _, parts in seen] == [[9]], "a last batch of one image joins the one before it"
    assert row["loss_detection"] is not None


def test_lists_stand_side_by_side_and_the_first_makes_the_epoch(subject):
    clean, noisy = torch.tensor([0, 1, 2, 3, 4, 5, 6]), torch.tensor([7, 8, 9])
    seen, _ = steps_of(subject(sampler=lambda self, epoch, train: [clean, noisy]))
    assert [parts for _, parts in seen] == [[4, 4], [3, 4]]
    assert sorted(i for indices, (n, _) in seen for i in indices[:n]) == clean.tolist()
    others = [i for indices, (n, _) in seen for i in indices[n:]]
    assert sorted(others[:3]) == sorted(others[3:6]) == noisy.tolist(), "each round holds each once"
    again, _ = steps_of(subject(sampler=lambda self, epoch, train: [clean, noisy]))
    later, _ = steps_of(subject(sampler=lambda self, epoch, train: [clean, noisy]), epoch=1)
    assert again == seen != later


def test_an_empty_further_list_gives_empty_parts(subject):
    none = torch.empty(0, dtype=torch.int64)
    seen, _ = steps_of(subject(sampler=lambda self, epoch, train: [torch.arange(8), none]))
    assert [parts for _, parts in seen] == [[4, 0], [4, 0]]


@pytest.mark.parametrize(
    ("sampling", "reason"),
    [
        (torch.ones(13), r"shape \(14,\)"),
        (torch.ones(14, dtype=torch.int64), r"\[indices\]"),
        (torch.full((14,), -1.0), "at least 0"),
        (torch.zeros(14), "not all 0"),
        (torch.full((14,), torch.nan), "finite"),
        ([torch.ones(14, dtype=torch.bool)], "nonzero"),
        ([torch.tensor([3, 14])], "beyond 0 to 13"),
        ([torch.tensor([], dtype=torch.int64)], "return None"),
        ([], "return None"),
        ([torch.arange(2)] * 9, "9 lists for batches of 8"),
    ],
)
def test_a_sampler_that_returns_something_else_is_refused(sampling, reason):
    with pytest.raises(ValueError, match=reason):
        check_sampling(sampling, 14, 8)


def test_a_run_says_which_sampler_was_wrong(subject):
    with pytest.raises(
        RunFailed, match=r"The sampler of the method 'hooked1' in epoch 1: its first list is empty"
    ):
        subject(sampler=lambda self, epoch, train: []).fresh().trainer.train_epoch(0)


def test_a_group_that_is_not_the_methods_is_refused_before_training(subject):
    stranger = torch.nn.Parameter(torch.zeros(1))
    with pytest.raises(InputError, match="cannot be trained: the parameter group 'a' holds a tensor"):
        subject(parameter_groups=lambda self: [ParameterGroup("a", [stranger])]).fresh()


def test_all_hooks_together_are_resumed_to_the_same_bits(subject):
    load_plugin(Path(__file__).parents[1] / "every_hook.py")
    hooked = subject(base=METHODS.get("every_hook"))
    experiment, state = hooked.trained
    assert not first_difference(state, hooked.resumed()[1])
    assert experiment.method.offsets.any()
    again = hooked.fresh()
    train(again, 1)
    before = copy.deepcopy(again.trainer.checkpoint())
    # Killed within the second epoch: everything that it changed is left behind.
    again.trainer.train_epoch(1)
    fresh = hooked.fresh()
    fresh.trainer.restore(before)
    train(fresh, 3)
    assert not first_difference(state, state_of(fresh))


def test_an_attribute_named_like_a_hook_hides_nothing(subject):
    """Methods that are older than the hooks use such names for their own things."""

    def init(self, setup, parameters=None):
        Plain.__init__(self, setup, parameters)
        self.start, self.sampler, self.views, self.after_step = 3, "uniform", None, False

    old = subject(__init__=init)
    assert not first_difference(old.trained[1], subject().trained[1])


@pytest.mark.parametrize("name", ["labels", "views", "sampler", "start", "recipe", "after_step"])
@pytest.mark.parametrize(
    "keep",
    [
        lambda method, name: method.register_buffer(name, torch.zeros(1)),
        lambda method, name: setattr(method, name, torch.nn.Linear(1, 1)),
        lambda method, name: setattr(method, name, torch.nn.Parameter(torch.zeros(1))),
    ],
    ids=["buffer", "network", "parameter"],
)
def test_what_a_method_keeps_may_not_be_called_like_a_part_of_every_method(subject, name, keep):
    def init(self, setup, parameters=None):
        Plain.__init__(self, setup, parameters)
        keep(self, name)

    with pytest.raises(InputError, match=f"Hooked1 keeps .* as '{name}'.*'own_{name}'"):
        subject(__init__=init).fresh()


def test_every_hook_does_nothing_unless_it_is_overridden(subject):
    experiment = subject().fresh()
    method, data = experiment.method, experiment.trainer.data
    view = WholeTrainingSet(method, experiment.objective.task, data, 0, "epoch")
    before = {name: value.clone() for name, value in method.state_dict().items()}
    assert Method.start(method, view) is None
    assert Method.on_epoch_start(method, 0, view) is None
    assert Method.sampler(method, 0, view) is None
    assert Method.after_step(method) is None
    assert not first_difference(before, dict(method.state_dict()))
    assert (Method.views, dict(Method.recipe)) == (("weak",), {})
    (group,) = method.parameter_groups()
    assert list(group.parameters) == list(method.parameters())


def test_strong_everywhere_replaces_the_weak_view(subject):
    data = subject().fresh().trainer.data
    weak = draw_batch(data, np.arange(6), ("weak",), 0, 0, 0)
    asked = draw_batch(data, np.arange(6), ("strong",), 0, 0, 0)
    data.augmentation = replace(data.augmentation, always_strong=True)
    assert torch.equal(draw_batch(data, np.arange(6), ("weak",), 0, 0, 0).images, asked.images)
    assert not torch.equal(weak.images, asked.images)
    calm = data.batch(np.arange(6), None)
    assert torch.equal(calm.images, data.batch(np.arange(6), None, strong=True).images)
    assert torch.equal(weak.images, draw_again(data, weak))


def draw_again(data, weak):
    data.augmentation = replace(data.augmentation, always_strong=False)
    return data.batch(weak.indices.numpy(), numpy_stream(0, "augment", 0, 0)).images
