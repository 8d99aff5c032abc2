"""GRID that estimates lambda is GRID with lambda=auto, bit for bit, under its own name."""

from __future__ import annotations

import pytest

from gridbench.config import make_config
from gridbench.errors import InputError
from gridbench.plan import make_plan
from gridbench.records.runner import Execution, run

LONG_ENOUGH_TO_ESTIMATE = 6


@pytest.fixture
def train(tmp_path, cache, settings):
    def one(method, **parameters):
        wanted = {"method": method, "slnir": 30, "epochs": LONG_ENOUGH_TO_ESTIMATE, "parameters": parameters}
        execution = Execution(runs=tmp_path / "runs", cache=cache, device="cpu", threads=1)
        return run(make_config({**settings, **wanted}), execution).metrics

    return one


def test_it_is_grid_with_lambda_auto_bit_for_bit(train):
    auto = train("grid", **{"lambda": "auto"})
    assert train("grid_auto") == auto
    assert train("grid")["ndcg@5"] != auto["ndcg@5"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"parameters": {"lambda": 20}}, "auto"),
        ({"loss": "pce"}, "predicted scene labels"),
    ],
)
def test_it_is_refused_what_would_make_it_another_method(settings, cache, words, told):
    with pytest.raises(InputError, match=told):
        make_plan(make_config({**settings, "method": "grid_auto", **words}), cache)
