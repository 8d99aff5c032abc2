"""A file that the noise reads is part of a run's identity by its content, and only where there is one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gridbench.config import make_config
from gridbench.errors import InputError
from gridbench.noise import NoiseModel
from gridbench.plan import make_plan
from gridbench.registry import NOISE


@pytest.fixture
def plan(cache, settings):
    def make(**values):
        return make_plan(make_config({**settings, "method": "bce", "slnir": "20", **values}), cache)

    return make


@pytest.fixture
def table(tmp_path):
    def write(content: np.ndarray) -> dict[str, object]:
        np.savetxt(tmp_path / "table.csv", content, delimiter=",")
        return {"noise": "class_dependent", "noise_parameters": {"table": str(tmp_path / "table.csv")}}

    return write


def test_the_content_of_the_table_is_part_of_the_identity(plan, table):
    one = plan(**table(np.ones((5, 5))))
    other = plan(**table(np.ones((5, 5)) + np.eye(5)))
    again = plan(**table(np.ones((5, 5))))
    assert one.config == other.config
    assert (one.id, one.cell) == (again.id, again.cell)
    assert one.id != other.id
    assert one.cell != other.cell


def test_noise_without_files_has_no_hash_of_files(plan):
    assert set(plan().versions) == {"protocol", "method", "loss", "noise"}
    assert NoiseModel.inputs(NOISE.get("swap")()) == ()


def test_several_files_count_in_their_order(plan, tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    swap = NOISE.get("swap")
    seen = set()
    for names in ("ab", "ba", "a"):
        paths = tuple(Path(tmp_path / name) for name in names)
        monkeypatch.setattr(swap, "inputs", lambda self, paths=paths: paths)
        seen.add(plan().versions["noise_files"])
    assert len(seen) == 3


def test_a_file_that_cannot_be_read_is_named(plan, tmp_path):
    missing = {"noise": "class_dependent", "noise_parameters": {"table": str(tmp_path / "no.csv")}}
    with pytest.raises(
        InputError, match=r"no\.csv' of the noise model 'class_dependent' cannot be read: No such"
    ):
        plan(**missing)
    assert plan(noise="class_dependent", noise_parameters={}).noise.inputs() == ()
