"""What a correction changed, and which images and labels two archives are scored on."""

from functools import partial

import numpy as np
import pytest

from gridbench.audit.comparison import (
    ComparedExperiment,
    changes_between,
    compared_plan,
    retrain,
    shared_between,
)
from gridbench.config import make_config
from gridbench.datasets.archive.layout import GroupLayout, Layout, Sample
from gridbench.datasets.archive.writer import ArchiveWriter, build_once
from gridbench.errors import InputError
from gridbench.evaluation.retrieval import Splits, score_method
from gridbench.plan import make_plan
from gridbench.records.runner import Execution, execute

SPLITS = ["train"] * 12 + ["val"] * 6 + ["test"] * 6
NAMES = [f"i{i:02}" for i in range(24)]
BEFORE = np.array([[i % 2, 1, i % 3 == 0] for i in range(24)], dtype=np.uint8)


@pytest.fixture
def pack(tmp_path):
    """Packs an archive of images whose pixels tell their labels; `clean` is a second table."""

    def make(name, labels=BEFORE, names=NAMES, splits=SPLITS, classes=("a", "b", "c"), clean=None):
        def build(target):
            layout = Layout(
                (GroupLayout("rgb", ("r", "g", "b"), 8, 8, "uint8"),), classes, clean_labels=clean is not None
            )
            writer = ArchiveWriter(target, layout, names, splits)
            for i, row in enumerate(labels):
                pixels = np.broadcast_to((200 * row[:3])[:, None, None], (3, 8, 8)).astype(np.uint8)
                writer.write(
                    i, Sample((pixels,), row, clean_scene_labels=None if clean is None else clean[i])
                )
            writer.finish(name, "folder", {"failed": []})

        return build_once(tmp_path / "cache" / "archives" / name, build)

    return make


def corrected():
    """Return labels with one added (b stays) and one removed in train, and one removed in test."""
    labels = BEFORE.copy()
    labels[1, 2], labels[3, 1], labels[20, 1] = 1, 0, 0
    return labels


def test_changes_are_counted_by_split_and_class(pack):
    names = [*NAMES[:23], "other"]
    splits = [*SPLITS[:5], "val", *SPLITS[6:]]
    found = changes_between(
        pack("one"), pack("two", corrected()[:, [1, 0, 2]], names, splits, ("b", "a", "d"))
    )
    assert found.images == (23, 1, 1)
    assert found.moved == 1
    assert (found.classes, found.dropped, found.introduced) == (("a", "b"), ("c",), ("d",))
    assert found.added == {"train": {}, "val": {}, "test": {}}
    assert found.removed == {"train": {"b": 1}, "val": {}, "test": {"b": 1}}
    assert found.changed == {"train": 1, "val": 0, "test": 1}
    assert found.relabelled is None
    whole = changes_between(pack("one"), pack("three", corrected()))
    assert whole.added["train"] == {"c": 1}
    assert whole.changed == {"train": 2, "val": 0, "test": 1}


def names_at(archive, positions):
    return sorted(archive.names[i] for i in positions)


def test_images_whose_given_labels_differ_are_not_scored(pack):
    one, two = pack("one"), pack("two", corrected())
    found = shared_between(one, two, "scene")
    assert not found.clean
    assert found.left_out == {"train": 2, "val": 0, "test": 1}
    expected = {
        "train": [n for n in NAMES[:12] if n not in ("i01", "i03")],
        "val": NAMES[12:18],
        "test": [n for n in NAMES[18:] if n != "i20"],
    }
    for side, archive in enumerate((one, two)):
        for split, names in expected.items():
            at = found.splits[split][side]
            assert names_at(archive, at) == names
            own = np.stack([BEFORE[NAMES.index(archive.names[i])] for i in at])
            assert np.array_equal(found.labels[side][at], own)
    # The same image stands at the same place on both sides.
    assert [one.names[i] for i in found.splits["test"][0]] == [two.names[i] for i in found.splits["test"][1]]


@pytest.mark.parametrize("which", [0, 1, 2])
def test_clean_labels_of_either_archive_are_what_both_are_scored_against(pack, which):
    clean = BEFORE.copy()
    clean[20, 0] = 1
    tables = [clean if which in (side, 2) else None for side in (0, 1)]
    one, two = pack("one", clean=tables[0]), pack("two", corrected(), clean=tables[1])
    found = shared_between(one, two, "scene")
    assert found.clean
    assert not any(found.left_out.values())
    for side, archive in enumerate((one, two)):
        rows = [NAMES.index(name) for name in archive.names]
        assert np.array_equal(found.labels[side], clean[rows])


def test_archives_without_anything_in_common_are_refused(pack):
    one = pack("one")
    with pytest.raises(InputError, match="have no image of the same name"):
        shared_between(one, pack("two", names=[f"x{name}" for name in NAMES]), "scene")
    with pytest.raises(InputError, match="have no class of the same name"):
        shared_between(one, pack("three", classes=("d", "e", "f")), "scene")
    with pytest.raises(InputError, match="no test image in common"):
        shared_between(one, pack("four", splits=["test"] * 6 + ["val"] * 6 + ["train"] * 12), "scene")


def plans(pack, tmp_path):
    pack("one")
    pack("two", corrected())
    settings = {"method": "bce", "backbone": "test_resnet", "epochs": 1, "batch_size": 8, "k": 4, "crop": 0}

    def of(seed):
        configs = (make_config({**settings, "dataset": name, "seed": seed}) for name in ("one", "two"))
        return tuple(make_plan(config, tmp_path / "cache") for config in configs)

    return of


def test_both_are_scored_on_the_shared_images_alone(pack, tmp_path, monkeypatch):
    of = plans(pack, tmp_path)
    shared = shared_between(*(plan.archive for plan in of(0)), "scene")
    execution = Execution(tmp_path / "runs", device="cpu", keep="light")
    before, after = retrain(of, shared, [1], execution)
    assert set(before) == set(after)
    assert set(before["ndcg@4"]) == {1}
    assert {"map_macro", "unseen/ndcg@4"} <= set(after)
    # By hand: the same training, described and ranked over the images that count.
    plan = compared_plan(of(1)[1], shared, 1)
    ids = {each.id for seed in (0, 1) for each in of(seed)}
    assert plan.id not in ids
    held = []

    class Kept(ComparedExperiment):
        def score(self, keep_predictions=False):
            held.append(self)
            return super().score(keep_predictions)

    record = execute(plan, Execution(tmp_path / "again", device="cpu"), partial(Kept, shared=shared, side=1))
    assert record.metrics["ndcg@4"] == after["ndcg@4"][1]
    splits = Splits(**{split: pair[1] for split, pair in shared.splits.items()})
    found, _ = score_method(
        held[0].method,
        lambda split: held[0].evaluation_set(splits[split]),
        splits,
        shared.labels[1],
        {"k": 4, "distance": plan.config.distance, "ideal": "archive", "seed": 1},
    )
    assert len(found[""].scores["ndcg@4"]) == 10
    assert found[""].scores["ndcg@4"].mean() == pytest.approx(after["ndcg@4"][1])

    def never(*_):
        raise AssertionError("a run was trained again")

    monkeypatch.setattr("gridbench.training.trainer.Trainer.train_epoch", never)
    assert retrain(of, shared, [1], execution) == (before, after)
