"""What is checked before the first run of a sweep: every set of parameters, on few networks, and with progress."""

from dataclasses import dataclass

import pytest
from torch import nn

from gridbench.config import make_config
from gridbench.errors import InputError, RunFailed
from gridbench.methods.plain import Plain
from gridbench.parameters import parameter
from gridbench.plan import make_plan
from gridbench.registry import register_method
from gridbench.training import building
from gridbench.training.backbone import TimmBackbone


@pytest.fixture
def changing(registries):
    """A method that changes its backbone, so that none can be given to a second one, and ends on some parameters."""

    @register_method("changing")
    class Changing(Plain):
        """Plain training without the first normalisation of its backbone."""

        losses = ("bce",)

        @dataclass(frozen=True)
        class Parameters:
            """How it is built."""

            rate: float = parameter(0.0, "how much", "ours", low=0, high=9)

        def __init__(self, setup, parameters=None):
            super().__init__(setup, parameters)
            if parameters.rate == 8:
                raise SystemExit(0)
            if parameters.rate == 9:
                raise InputError("The parameter 'rate' is 9, which does not fit the data.")
            if isinstance(self.backbone.model.bn1, nn.Identity):
                raise RuntimeError("there is nothing to take out any more")
            self.backbone.model.bn1 = nn.Identity()

    return Changing


@pytest.fixture
def plans(cache, settings):
    def of(method, name, values):
        each = [{**settings, "method": method, "parameters": {name: value}} for value in values]
        return [make_plan(make_config(values), cache) for values in each]

    return of


def test_parameters_of_one_method_are_checked_on_one_copy_of_its_backbone(plans, monkeypatch):
    copies = []
    copied = TimmBackbone.__setstate__
    monkeypatch.setattr(
        TimmBackbone, "__setstate__", lambda self, state: (copies.append(self), copied(self, state))
    )
    building.check_networks(plans("grid", "lambda", range(10, 60, 10)))
    assert len(copies) == 1


def test_a_method_that_changes_its_backbone_gets_another_one_for_each_set_of_parameters(changing, plans):
    building.check_networks(plans("changing", "rate", [1, 2, 3]))


@pytest.mark.parametrize(("rate", "error"), [(8, RunFailed), (9, InputError)])
def test_parameters_after_the_first_are_refused_too(changing, plans, rate, error):
    with pytest.raises(error, match=r"does not fit the data|failed before it began"):
        building.check_networks(plans("changing", "rate", [1, rate]))


def test_a_long_check_shows_how_far_it_has_come(plans, monkeypatch):
    shown = []
    each = plans("grid", "lambda", [10, 20, 30])
    building.check_networks(each, lambda *what: shown.append(what))
    assert shown == []
    monkeypatch.setattr(building, "QUIET_SECONDS", -1.0)
    building.check_networks(each, lambda *what: shown.append(what))
    assert shown == [(done, 3, "checking parameters") for done in (1, 2, 3)]
