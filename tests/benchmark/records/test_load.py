"""`gridbench.load`: the object that a notebook works with."""

import numpy as np
import pytest
import torch

import gridbench
from gridbench.config import make_config
from gridbench.errors import InputError
from gridbench.records.runner import Execution


@pytest.fixture
def go(tmp_path, cache, settings):
    def start(keep, **values):
        execution = Execution(runs=tmp_path / "runs", cache=cache, device="cpu", keep=keep)
        config = make_config({**settings, "slnir": 30, "epochs": 2, **values})
        return gridbench.load(gridbench.run(config, execution).folder)

    return start


def test_a_run_that_kept_all_has_everything(go, cache):
    record = go("all", method="grid", loss="bce")
    assert isinstance(record, gridbench.RunRecord)
    assert repr(record).startswith("<grid + bce on stripes, SLNIR 30 %, seed 0: ndcg@5 ")
    assert "map_macro" in repr(record)
    assert len(repr(record)) < 120
    assert list(record.history.index) == [1, 2]
    assert {"loss", "loss_detection/auroc"} <= set(record.history.columns)
    first = record.epochs()[0]["detection"]
    clean = 1 - first["selected_share"] - first["prevalence"] + first["selected_share"] * first["precision"]
    found = record.history.loc[1]
    assert found["detection/label_precision"] == pytest.approx(clean / (1 - first["selected_share"]))
    assert found["detection/label_recall"] == pytest.approx(clean / (1 - first["prevalence"]))
    assert record.predictions("test").shape == (24, 5)
    archive = gridbench.datasets.open_archive("stripes", cache)
    images = archive.standardise(archive.gather(archive.indices("val")))
    with torch.no_grad():
        described = record.model(cache)(images).numpy()
    np.testing.assert_allclose(described, record.descriptors("val"), atol=1e-5)


def test_descriptors_that_were_not_kept_come_from_the_weights(go, cache):
    kept = go("all", method="bce")
    weights = go("weights", method="bce", seed=0, k=4)
    np.testing.assert_allclose(weights.descriptors("test", cache), kept.descriptors("test"), atol=1e-6)
    with pytest.raises(InputError, match=r"keeps no predictions of 'test'.*--keep all --force"):
        weights.predictions("test")
    with pytest.raises(InputError, match=r"no split 'tests'\. Did you mean 'test'"):
        kept.predictions("tests")


def test_what_a_record_has_not_is_told_with_the_reason(go, cache):
    record = go("light", method="untrained")
    assert record.history.empty
    with pytest.raises(InputError, match="trains no head"):
        record.predictions("test")
    with pytest.raises(InputError, match="--keep light"):
        record.model(cache)
    with pytest.raises(InputError, match="holds 1 run; load one"):
        gridbench.load(record.folder.parent)
    with pytest.raises(InputError, match=f"Did you mean '{record.folder.name}'"):
        gridbench.load(f"{record.folder}x")
    (record.folder / "done").unlink()
    with pytest.raises(InputError, match=r"is not done \(incomplete\)"):
        gridbench.load(record.folder)
