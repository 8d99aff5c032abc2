"""The catalogue of methods holds what the methods do, and the documentation shows it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gridbench.methods._two_networks import TwoNetworks
from gridbench.methods.base import TrainingView
from gridbench.methods.catalogue import CATALOGUE, catalogue_page
from gridbench.methods.losses import BUILT_IN
from gridbench.methods.pairing import losses_of, usual_loss
from gridbench.parameters import describe
from gridbench.registry import LOSSES, METHODS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "methods.md"
WORDS = {"scene": "several", "pixel": "maps", "single": "one"}
each_trained = pytest.mark.parametrize(
    "name", [name for name in CATALOGUE if METHODS.get(name).losses], ids=str
)


def test_the_catalogue_holds_every_method_but_the_plain_ones():
    built_in = {name for name in METHODS if METHODS.origin(name) == "gridbench"}
    assert set(CATALOGUE) == built_in - set(BUILT_IN)
    assert list(CATALOGUE) == sorted(CATALOGUE)
    for entry in CATALOGUE.values():
        assert 2 <= len(entry.idea.split()) <= 5
        assert entry.paper


def test_the_documentation_shows_the_catalogue():
    page = PAGE.read_text(encoding="utf-8")
    assert f"\n\n{catalogue_page()}\n## Writing a method\n" in page, "run: make catalogue"


def test_the_reference_has_every_method_and_loss():
    page = (PAGE.parent / "reference" / "components.md").read_text(encoding="utf-8")
    shown = re.findall(r"^::: (.+)$", page, re.MULTILINE)
    components = [METHODS.get(name) for name in CATALOGUE] + [LOSSES.get(name) for name in sorted(BUILT_IN)]
    assert shown == [f"{each.__module__}.{each.__name__}" for each in components]


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_method_that_is_told_the_noise_rate_or_clean_labels_says_so(name):
    method = METHODS.get(name)
    words = {word for row in describe(method.Parameters) for word in row[3].words}
    privileged = "clean" if method.labels == "clean" else "may" if "slnir" in words else ""
    assert CATALOGUE[name].privileged == privileged
    # No default depends on the noise rate.
    assert all(default != "slnir" for _, _, default, _ in describe(method.Parameters))


def test_no_method_can_see_validation_labels():
    offered = {name for name in vars(TrainingView) if not name.startswith("_")}
    assert offered == {
        *("num_samples", "num_classes", "scene_labels", "label_maps"),
        *("generator", "apply", "average"),
    }


@each_trained
def test_the_labels_are_those_of_its_losses(name):
    tasks = {LOSSES.get(loss).task.name for loss in losses_of(METHODS.get(name))}
    levels = {LOSSES.get(loss).task.level for loss in losses_of(METHODS.get(name))}
    expected = ", ".join(word for level, word in WORDS.items() if level in levels)
    if len(levels) == 3:
        expected = "any" if "cooccurrence" in tasks else "any but graphs"
    assert CATALOGUE[name].labels == expected


@each_trained
def test_a_step_costs_the_passes_that_are_said(lab, name):
    method = lab.method(name, usual_loss(METHODS.get(name)))
    batch = replace(lab.batch(epoch=9), sizes=(2, 2, 2, 2))
    passes = []
    for module in method.modules():
        if type(module).__name__ == "TinyBackbone":
            # Several views of a mini-batch that pass together are several passes.
            module.net.register_forward_hook(
                lambda _, given, __: passes.append(
                    (len(given[0]) / len(batch.indices), torch.is_grad_enabled())
                )
            )
    method.step(batch).loss.backward()
    forward, backward = sum(size for size, _ in passes), sum(size for size, learns in passes if learns)
    assert f"{forward:g}F {backward:g}B" == CATALOGUE[name].cost.split(",")[0]


@pytest.mark.parametrize("name", [name for name in METHODS if issubclass(METHODS.get(name), TwoNetworks)])
def test_of_two_networks_the_first_is_compared_and_predicts(lab, name):
    method = lab.method(name, usual_loss(METHODS.get(name)))
    plain = lab.method("bce", "bce")
    images = lab.batch().images
    assert method.descriptor_network is method.backbone
    assert torch.equal(method.predict(images), plain.predict(images))
    shown = method.step(lab.batch()).prediction
    # Methods that mix images show no prediction.
    assert shown is None or torch.equal(shown, plain.step(lab.batch()).prediction)
