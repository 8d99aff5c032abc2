"""The two protocols: each difference is a setting of its own, and `authors_code` chooses all of them."""

import numpy as np
import pytest

from gridbench.config import make_config
from gridbench.datasets.archive.archive import Archive
from gridbench.errors import InputError
from gridbench.noise.core.label_set import folders_of
from gridbench.plan import make_plan
from gridbench.protocols import PUBLISHED_NOISE, defaults_of


@pytest.fixture
def resolved(cache, settings):
    def resolve(**values):
        return make_plan(make_config({**settings, **values}), cache)

    return resolve


def test_the_paper_is_the_default(resolved):
    plan = resolved(method="grid")
    c = plan.config
    assert (c.protocol, c.move_maps, c.crop_for, c.brightness_for) == ("paper", True, "image", "image")
    assert (c.statistics, c.ideal, c.adam_epsilon, c.adam_steps) == ("train", "archive", 1e-8, None)
    assert (plan.method_parameters.epsilon, plan.method_parameters.kl_reduction) == ("sample", "sum")


def test_authors_code_chooses_every_literal_variant(resolved):
    plan = resolved(method="grid", protocol="authors_code")
    c = plan.config
    assert (c.move_maps, c.crop_for, c.brightness_for, c.adam_epsilon) == (False, "run", "batch", 1e-7)
    assert (c.adam_steps, c.adam_epsilon_form) == ("shared", "hat")
    assert (plan.method_parameters.epsilon, plan.method_parameters.kl_reduction) == ("batch", "axis_one")


def test_what_the_paper_s_protocol_does_anyway_may_be_said(resolved):
    said = resolved(adam_steps="own", adam_epsilon_form="torch")
    assert said.id == resolved().id
    again = resolved(**{**resolved(protocol="authors_code", adam_epsilon_form="torch").config.canonical()})
    assert again.config.adam_epsilon_form == "torch"


@pytest.mark.parametrize(("kind", "ideal"), [("dlrsd", 420), ("bigearthnet", 1000), ("folder", "archive")])
def test_the_published_ideal_and_statistics_belong_to_the_published_archives(kind, ideal):
    chosen = defaults_of("authors_code", kind)
    assert chosen["ideal"] == ideal
    assert chosen["statistics"] == ("train" if kind == "folder" else "published")


@pytest.mark.parametrize(
    "values",
    [
        {"move_maps": True},
        {"crop_for": "image"},
        {"brightness_for": "image"},
        {"adam_epsilon": 1e-8},
        {"adam_steps": "own"},
        {"adam_epsilon_form": "torch"},
        {"ideal": "archive"},
    ],
)
def test_what_the_user_says_wins_over_the_protocol(resolved, values):
    c = resolved(protocol="authors_code", **values).config
    for name, value in values.items():
        assert getattr(c, name) == value


def test_parameters_that_the_user_gives_win_over_the_protocol(resolved):
    plan = resolved(method="grid", protocol="authors_code", parameters={"epsilon": "sample"})
    assert (plan.method_parameters.epsilon, plan.method_parameters.kl_reduction) == ("sample", "axis_one")


def test_the_noise_of_the_published_code_belongs_to_its_protocol(resolved):
    assert resolved().config.noise_parameters == {"replacement": "absent"}
    assert resolved(protocol="authors_code").noise.parameters.replacement == "any"
    mine = resolved(protocol="authors_code", noise_parameters={"replacement": "absent"})
    assert mine.noise.parameters.replacement == "absent"


def test_an_archive_with_a_published_preparation_gets_its_noise(resolved, monkeypatch):
    kind = resolved().archive.kind
    assert PUBLISHED_NOISE.keys() == {"dlrsd"}
    monkeypatch.setitem(PUBLISHED_NOISE, kind, PUBLISHED_NOISE["dlrsd"])
    plan = resolved(protocol="authors_code", method="bce")
    assert (plan.config.noise, plan.config.noise_parameters) == ("folder_swap", {"labels": "maps"})
    assert resolved().config.noise == "swap"
    mine = resolved(protocol="authors_code", noise_parameters={"replacement": "absent"})
    assert mine.config.noise == "swap"
    assert resolved(protocol="authors_code", noise="missing").config.noise == "missing"


def test_images_belong_to_the_folder_in_their_name():
    names = ["agricultural04", "agricultural10", "beach/one", "beach/two", "77"]
    assert folders_of(names).tolist() == ["agricultural", "agricultural", "beach", "beach", ""]


def test_the_protocols_are_different_cells(resolved):
    assert resolved().cell != resolved(protocol="authors_code").cell


def test_published_statistics_replace_those_of_the_train_split(cache):
    archive = Archive.open(cache / "archives" / "stripes")
    with pytest.raises(InputError, match="'folder'"):
        archive.scaling("published")
    archive.kind = "dlrsd"
    mean, scale = archive.scaling("published")
    np.testing.assert_allclose(mean.flatten(), [76.548, 76.802, 73.499], rtol=1e-6)
    np.testing.assert_allclose(1 / scale.flatten(), [72.219, 70.419, 63.127], rtol=1e-6)
