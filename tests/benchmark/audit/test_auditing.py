"""An audit end to end: held out means held out, the same labels as a run, resumable, and never the test split."""

import copy
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from gridbench.audit.audit import (
    Folding,
    audit_folder,
    audit_labels,
    fold_of_images,
    read_audit,
)
from gridbench.audit.budget import epochs_of, measure_duration
from gridbench.audit.cross_validation import FoldExperiment, fold_plan, predict_held_out
from gridbench.audit.masks.audit import audit_masks
from gridbench.datasets.loading.batches import EvaluationSet
from gridbench.errors import InputError, RunFailed
from gridbench.evaluation.retrieval import predict
from gridbench.records.runner import Execution
from gridbench.training.experiment import Experiment

CPU = torch.device("cpu")


def test_each_fold_trains_on_all_others_with_the_labels_of_a_whole_run(stripes_plan):
    plan = stripes_plan(slnir=20)
    fold_of, _ = fold_of_images(plan, Folding(3))
    whole = Experiment(plan, CPU)
    for fold in range(3):
        held = np.flatnonzero(fold_of == fold)
        part = FoldExperiment(fold_plan(plan, held), CPU, held)
        kept = np.flatnonzero(fold_of != fold)
        assert np.array_equal(part.splits.train, whole.splits.train[kept])
        assert np.array_equal(part.corruption.labels, whole.corruption.labels[kept])
        assert np.array_equal(part.trainer.data.indices, whole.splits.train[kept])
        clean = plan.archive.scene_labels[part.splits.train]
        assert np.array_equal(part.truth.noisy, (part.corruption.labels != clean).any(1))
        assert np.array_equal(part.truth.added, (part.corruption.labels == 1) & (clean == 0))


def test_a_run_on_all_images_is_what_it_was(stripes_plan):
    plan = stripes_plan(slnir=20)
    all_kept = Experiment(plan, CPU, np.arange(len(plan.archive.indices("train"))))
    usual = Experiment(plan, CPU)
    assert np.array_equal(all_kept.corruption.changed, usual.corruption.changed)
    rows = [each.trainer.train_epoch(0) for each in (usual, all_kept)]
    assert rows[0]["loss"] == rows[1]["loss"]


def test_every_fold_has_an_identity_of_its_own(stripes_plan):
    plan = stripes_plan(slnir=20)
    ids = {plan.id, *(fold_plan(plan, np.array(held)).id for held in ([0], [1], [0, 1]))}
    assert len(ids) == 4


def test_a_fold_that_kept_no_margins_is_another_run(stripes_plan):
    part = fold_plan(stripes_plan(), np.array([0]))
    former = {name: version for name, version in part.versions.items() if name != "margins"}
    assert replace(part, versions=former).id != part.id


def test_margins_are_of_the_networks_that_were_trained_on_the_image(stripes_plan, tmp_path):
    plan = stripes_plan(epochs=1)
    fold_of = fold_of_images(plan, Folding(3))[0]
    found = predict_held_out(plan, fold_of, Execution(device="cpu", runs=tmp_path, keep="light"))
    image = int(np.flatnonzero(fold_of == 2)[0])
    shown = []
    for record in found.records[:2]:
        arrays = record.retrieval()
        kept = [at for at in range(len(fold_of)) if at not in set(arrays["positions"].tolist())]
        shown.append(arrays["margins"][kept.index(image)])
    assert np.allclose(found.margins[image], np.mean(shown, 0), atol=1e-6)


def test_an_audit_scores_every_label_and_tells_how_well(audited):
    audit, plan = audited
    count = len(plan.archive.indices("train"))
    assert audit.probabilities.shape == audit.scores.shape == (count, 5)
    assert np.isfinite(audit.probabilities).all()
    assert np.array_equal(audit.before, plan.archive.scene_labels[plan.archive.indices("train")])
    assert (audit.given != audit.before).any()
    assert sum(audit.document["folds"]) == count
    assert set(audit.document["calibration"]["all"]) == {"audit", "confident learning"}
    assert audit.document["noise_rate"]["errors"][0] > 0
    assert audit.document["images"] == count
    assert audit.folder.name.startswith("stripes-bce-slnir20-seed0-")


@pytest.mark.parametrize("loss", ["bce", "pce"])
def test_labels_that_are_all_the_same_are_refused_before_anything_is_trained(stripes_plan, tmp_path, loss):
    plan = stripes_plan(method=loss)
    archive = copy.copy(plan.archive)
    archive.scene_labels = np.ones_like(archive.scene_labels)
    archive.label_maps = np.where(np.arange(len(archive))[:, None, None] % 2, 2, 255) * np.ones_like(
        archive.label_maps
    )
    audit = audit_masks if loss == "pce" else audit_labels
    with pytest.raises(InputError, match="contradicts another"):
        audit(replace(plan, archive=archive), Folding(2), tmp_path, Execution(device="cpu"))
    assert list(tmp_path.iterdir()) == []


def test_the_same_audit_again_trains_nothing(audited, monkeypatch):
    audit, plan = audited

    def never(*_):
        raise AssertionError("a fold was trained again")

    monkeypatch.setattr("gridbench.training.trainer.Trainer.train_epoch", never)
    said = []
    again = audit_labels(plan, Folding(2), audit.folder.parent, Execution(device="cpu", say=said.append))
    assert said == []
    assert again.folder == audit.folder
    assert again.document == audit.document
    assert np.array_equal(again.scores, audit.scores)


class Interrupted(Exception):
    pass


def test_an_interrupted_audit_goes_on_and_finds_the_same(audited, tmp_path):
    audit, plan = audited
    told = []

    class Progress:
        def epoch(self, done, total, row):
            told.append((done, total))
            if done == 3 and not stopped:
                stopped.append(done)
                raise Interrupted

    stopped = []
    execution = Execution(device="cpu", progress=Progress())
    with pytest.raises(RunFailed):
        audit_labels(plan, Folding(2), tmp_path, execution)
    again = audit_labels(plan, Folding(2), tmp_path, execution)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert np.array_equal(again.probabilities, audit.probabilities)
    assert np.array_equal(again.scores, audit.scores)


def test_test_images_are_never_looked_at(stripes_plan, tmp_path, monkeypatch):
    from gridbench.datasets.archive.archive import Archive

    plan = stripes_plan(epochs=1)
    asked = []
    original = Archive.indices
    monkeypatch.setattr(Archive, "indices", lambda self, split: asked.append(split) or original(self, split))
    held = np.arange(5)
    experiment = FoldExperiment(fold_plan(plan, held), CPU, held)
    experiment.splits = replace(experiment.splits, test=np.array([10**9]), val=np.array([10**9]))
    experiment.trainer.train_epoch(0)
    outcome = experiment.score()
    assert outcome.retrieval["probabilities"].shape == (5, 5)
    assert list(outcome.result["metrics"]) == ["held_out/mean_probability"]


def test_mirror_images_are_averaged_only_where_training_mirrors(stripes_plan):
    held = np.arange(4)
    outcomes = {}
    for flips in (True, False):
        plan = stripes_plan(flips=flips, epochs=1)
        experiment = FoldExperiment(fold_plan(plan, held), CPU, held)
        outcomes[flips] = experiment.score().retrieval["probabilities"]
        shown = EvaluationSet(plan.archive, plan.archive.indices("train")[held], None, CPU)
        plain = np.concatenate(
            [torch.sigmoid(part).numpy() for part in predict(experiment.method, shown.batches(8))]
        )
        assert np.allclose(outcomes[flips], plain, atol=1e-7) is not flips


def test_reading_an_audit(audited, cache, tmp_path):
    audit, _ = audited
    read, archive = read_audit(audit.folder, cache)
    assert archive.name == "stripes"
    assert np.array_equal(read.given, audit.given)
    assert read.injected
    assert read.document == audit.document
    with pytest.raises(InputError, match="There is no finished audit"):
        read_audit(tmp_path, cache)
    changed = tmp_path / "changed"
    shutil.copytree(audit.folder, changed)
    text = (changed / "audit.json").read_text().replace(archive.fingerprint, "0" * 64)
    (changed / "audit.json").write_text(text)
    with pytest.raises(InputError, match="packed anew since"):
        read_audit(changed, cache)
    with np.load(changed / "labels.npz") as arrays:
        beyond = {**arrays, "positions": arrays["positions"] + len(archive)}
    np.savez(changed / "labels.npz", **beyond)
    with pytest.raises(InputError, match="packed anew since"):
        read_audit(changed, cache)
    (changed / "audit.json").write_text("{}")
    with pytest.raises(InputError, match="There is no finished audit"):
        read_audit(changed, cache)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"method": "oracle"}, "does not learn from the labels as they are"),
        ({"method": "untrained"}, "does not learn from the labels as they are"),
        ({"method": "pce"}, "learns from label maps; an audit is of scene labels"),
    ],
)
def test_what_cannot_audit_is_refused(stripes_plan, tmp_path, values, message):
    plan = stripes_plan(**values)
    with pytest.raises(InputError, match=message):
        audit_labels(plan, Folding(2), tmp_path, Execution(device="cpu"))
    with pytest.raises(InputError, match=message):
        predict_held_out(plan, np.zeros(48, int), Execution(device="cpu"))


def test_other_methods_and_losses_audit_too(stripes_plan, tmp_path):
    plan = stripes_plan(method="grid", loss="asl", epochs=1)
    audit = audit_labels(plan, Folding(2), tmp_path, Execution(device="cpu"))
    assert not audit.injected
    assert audit.document["calibration"] is None


def test_groups_are_used_where_there_are_enough(stripes_plan, monkeypatch):
    from gridbench.datasets.archive.groups import Grouping

    plan = stripes_plan()
    count = len(plan.archive)
    few = Grouping([str(i % 3) for i in range(count)], "few")
    many = Grouping([str(i % 12) for i in range(count)], "many")
    monkeypatch.setattr("gridbench.audit.audit.groupings_of", lambda archive, pattern: [few, many])
    fold_of, words = fold_of_images(plan, Folding())
    assert (words, fold_of.max() + 1) == ("many", 5)
    assert fold_of_images(plan, Folding(2))[1] == "few"
    assert "singly" in fold_of_images(plan, Folding(by_image=True))[1]
    monkeypatch.setattr("gridbench.audit.audit.groupings_of", lambda archive, pattern: [few])
    fold_of, words = fold_of_images(plan, Folding())
    assert words == "few"
    assert 2 <= fold_of.max() + 1 <= 3
    with pytest.raises(InputError, match="groups of images it can be 2 to"):
        fold_of_images(plan, Folding(7))
    one = Grouping(["all"] * count, "one")
    monkeypatch.setattr("gridbench.audit.audit.groupings_of", lambda archive, pattern: [one])
    with pytest.raises(
        InputError, match=r"two groups of images at least.*there are 1\. Take --fold-by image"
    ):
        fold_of_images(plan, Folding())


def test_small_archives_have_as_many_folds_as_images(stripes_plan):
    fold_of, _ = fold_of_images(stripes_plan(train_size=4), Folding())
    assert sorted(fold_of) == [0, 1, 2, 3]


def test_another_division_is_another_audit(stripes_plan, tmp_path):
    plan = stripes_plan()
    folders = {audit_folder(tmp_path, plan, fold_of_images(plan, Folding(k))[0]) for k in (2, 3, 2)}
    assert len(folders) == 2


@pytest.mark.parametrize(
    ("images", "batch", "folds", "steps", "epochs"),
    [
        (230, 64, 5, None, 40),
        (2377, 64, 5, None, 10),
        (10**6, 64, 5, None, 1),
        (230, 64, 5, 10, 4),
        (4, 64, 2, None, 120),
    ],
)
def test_the_length_is_counted_in_optimiser_steps(images, batch, folds, steps, epochs):
    assert epochs_of(images, batch, folds, steps) == epochs


def test_members_are_averaged_and_train_on_seeds_of_their_own(stripes_plan, tmp_path):
    plan = stripes_plan(epochs=1)
    fold_of, _ = fold_of_images(plan, Folding(2))
    execution = Execution(device="cpu", runs=tmp_path, keep="light")
    found = predict_held_out(plan, fold_of, execution, members=2)
    both, records = found.probabilities, found.records
    assert [record.config["config"]["seed"] for record in records] == [0, 0, 1, 1]
    parts = [np.zeros_like(both), np.zeros_like(both)]
    for at, record in enumerate(records):
        arrays = record.retrieval()
        parts[at // 2][arrays["positions"]] = arrays["probabilities"]
    assert np.allclose(both, (parts[0] + parts[1]) / 2, atol=1e-6)
    assert not np.allclose(parts[0], parts[1])


def test_folds_over_everything_hold_out_validation_and_test_images_too(stripes_plan):
    plan = stripes_plan()
    whole = replace(plan, archive=plan.archive.as_training())
    fold_of, _ = fold_of_images(whole, Folding(3))
    assert len(fold_of) == len(plan.archive)
    assert whole.id != plan.id
    assert len(plan.archive.indices("test"))
    assert np.array_equal(whole.archive.indices("train"), np.arange(len(plan.archive)))


def test_the_time_is_measured_without_writing(stripes_plan):
    plan = stripes_plan()
    fold_of, _ = fold_of_images(plan, Folding(3))
    found = measure_duration(plan, fold_of, 2, CPU)
    assert found.networks == 6
    assert found.steps == 2 * -(-len(fold_of) * 2 // (3 * 16))
    assert 0 < found.seconds < 600
