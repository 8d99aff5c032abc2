"""The training set judged once at the end of a run: what is scored, from what, and that the record says it again."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from gridbench import run
from gridbench.config import make_config
from gridbench.conformance.fixtures import Workbench
from gridbench.evaluation.noise_detection import wrong_classes
from gridbench.leaderboard import load
from gridbench.metrics import (
    confident_learning,
    detection_scores,
    nearest_others,
    outside_largest_component,
    top_count,
    top_share,
)
from gridbench.plan import make_plan
from gridbench.records.runner import Execution
from gridbench.training.experiment import Experiment

WAYS = {"method", "loss", "aum", "confident_learning", "knn", "topofilter", "random"}


@pytest.fixture
def go(tmp_path, cache, settings):
    def start(keep="light", **values):
        execution = Execution(runs=tmp_path / "runs", cache=cache, device="cpu", keep=keep, threads=1)
        return run(make_config({**settings, "slnir": 30, **values}), execution)

    return start


@pytest.fixture
def trained(cache, settings):
    def make(**values):
        plan = make_plan(make_config({**settings, "slnir": 30, "epochs": 2, **values}), cache)
        experiment = Experiment(plan, torch.device("cpu"))
        for epoch in range(2):
            experiment.trainer.history.append(experiment.trainer.train_epoch(epoch))
        return experiment

    return make


def loss_by_hand(experiment):
    """Binary cross entropy of each label of each training image, from the network itself."""
    method, archive, train = experiment.method.eval(), experiment.plan.archive, experiment.splits.train
    images = archive.standardise(archive.gather(train))
    labels = torch.from_numpy(experiment.corruption.labels.astype(np.float32))
    with torch.no_grad():
        features = method.backbone(images)
        heads = [method.head(features)]
        if hasattr(method, "vae"):
            heads.append(method.vae.head(method.vae.encode(features)[0]))
    return [
        torch.nn.functional.binary_cross_entropy_with_logits(each, labels, reduction="none") for each in heads
    ]


def test_every_way_is_there_at_both_levels_with_its_prevalence(finished):
    record = finished(method="grid", loss="bce", slnir=30)
    found = record.result["sample_detection"]
    assert set(found["image"]) == set(found["label"]) == WAYS
    assert found["reasons"] == {}
    changed = np.load(record.folder / "noise.npz", allow_pickle=False)["changed"]
    for way in WAYS:
        assert found["image"][way]["prevalence"] == record.result["noisy_images"]
        # A swap removes a label and adds another; the archive has 48 training images and 5 classes.
        assert found["label"][way]["prevalence"] == pytest.approx(2 * len(changed) / (48 * 5))
        assert None not in found["image"][way].values()
    assert found["image"]["method"]["selected_share"] == (48 * 20 // 100) / 48
    assert found["image"]["loss"]["selected_share"] == (48 * 30 // 100) / 48
    for way in WAYS - {"confident_learning", "topofilter"}:
        assert found["label"][way]["precision"] == found["label"][way]["recall"]


def test_the_record_gives_the_same_numbers_again(finished):
    record = finished(method="grid", loss="bce", slnir=30)
    found, arrays = record.result["sample_detection"], record.detection()
    for level in ("image", "label"):
        for way in WAYS - {"random"}:
            again = detection_scores(
                arrays[f"{level}.wrong"], arrays[f"{level}.{way}"], arrays[f"{level}.{way}.selected"]
            )
            assert again == found[level][way]
    assert arrays["label.items"].all()


def test_the_loss_is_that_of_the_trained_model_over_the_whole_set(trained):
    experiment = trained(method="bce")
    arrays = experiment.score().detection
    (entries,) = loss_by_hand(experiment)
    np.testing.assert_allclose(arrays["image.loss"], entries.mean(1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(arrays["label.loss"], entries.flatten(), rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(arrays["image.loss.selected"], top_share(arrays["image.loss"], 30))
    wrong = experiment.corruption.labels != experiment.plan.archive.scene_labels[experiment.splits.train]
    np.testing.assert_array_equal(arrays["label.wrong"], wrong.flatten())
    np.testing.assert_array_equal(arrays["image.wrong"], wrong.any(1))
    assert "image.method" not in arrays


def test_grid_compares_its_heads_over_the_whole_set_at_the_latent_mean(trained):
    experiment = trained(method="grid", loss="bce", parameters={"lambda": 25})
    arrays = experiment.score().detection
    heads = loss_by_hand(experiment)

    def scaled(losses):
        return (losses - losses.min()) / (losses.max() - losses.min())

    images = scaled(heads[0].mean(1)) - scaled(heads[1].mean(1))
    np.testing.assert_allclose(arrays["image.method"], images, rtol=1e-3, atol=1e-5)
    np.testing.assert_array_equal(arrays["image.method.selected"], top_count(arrays["image.method"], 12))
    labels = (heads[0] + heads[1]).flatten()
    np.testing.assert_allclose(arrays["label.method"], labels, rtol=1e-4, atol=1e-5)


def test_confident_learning_judges_the_labels_by_the_head_that_learnt_them(trained):
    experiment = trained(method="bce")
    arrays = experiment.score().detection
    logits = torch.cat(list(experiment.predictions("train")))
    result = confident_learning(experiment.corruption.labels, torch.sigmoid(logits).double())
    np.testing.assert_array_equal(arrays["label.confident_learning.selected"], result.found.flatten())
    np.testing.assert_array_equal(arrays["image.confident_learning.selected"], result.found.any(1))
    np.testing.assert_allclose(arrays["image.confident_learning"], result.score.max(1), rtol=1e-6)


def test_judging_draws_nothing_and_changes_nothing(trained):
    experiment = trained(method="grid", loss="bce")
    before = {name: value.clone() for name, value in experiment.method.state_dict().items()}
    state = torch.get_rng_state()
    one, other = experiment.score(), experiment.score()
    assert torch.equal(torch.get_rng_state(), state)
    assert experiment.method.training
    assert all(torch.equal(value, before[name]) for name, value in experiment.method.state_dict().items())
    assert one.result == other.result
    assert all(np.array_equal(one.detection[name], other.detection[name]) for name in one.detection)


def test_without_noise_there_is_nothing_to_find(finished):
    found = finished(method="bce", slnir=0).result["sample_detection"]
    assert found["image"]["loss"]["prevalence"] == 0
    assert found["image"]["loss"]["auroc"] is None
    assert found["label"]["loss"]["selected_share"] == 0


@pytest.mark.parametrize("method", ["untrained", "random"])
def test_a_reference_row_without_a_head_says_nothing(go, method):
    record = go(method=method)
    assert record.result["sample_detection"] is None
    assert record.detection() == {}


@pytest.mark.parametrize(
    ("method", "loss", "own"), [("pce", None, False), ("lnc", None, True), ("grid", "pce", True)]
)
def test_label_maps_are_judged_by_image_and_by_class_in_an_image(go, method, loss, own):
    record = go(method=method, loss=loss, epochs=4)
    found, arrays = record.result["sample_detection"], record.detection()
    assert set(found["image"]) == set(found["label"]) == WAYS | {"softmin"}
    assert (found["image"]["method"] is not None) == (found["label"]["method"] is not None) == own
    assert found["image"]["confident_learning"] is found["label"]["confident_learning"] is None
    assert "not probabilities" in found["reasons"]["confident_learning"]
    # Class c covers rows 3c to 3c + 2, one in three classes in an image.
    assert arrays["label.items"].shape == (48, 5)
    assert 0 < arrays["label.items"].mean() < 1
    assert len(arrays["label.wrong"]) == arrays["label.items"].sum()
    assert found["label"]["loss"]["prevalence"] == pytest.approx(arrays["label.wrong"].mean())


def test_a_graph_of_classes_has_no_single_labels(go):
    found = go(method="rrl").result["sample_detection"]
    assert found["label"] is None
    assert "edge of the class graph" in found["reasons"]["label"]
    assert found["image"]["loss"]["auroc"] is not None


def test_the_centre_of_a_map_is_judged_where_images_are_cropped(go):
    arrays = go(method="pce", crop=8, slnir=0).detection()
    # Rows 4 to 11 hold classes 1 to 3 only.
    assert arrays["label.items"][:, 1:4].any()
    assert not arrays["label.items"][:, [0, 4]].any()


def test_wrong_classes_by_hand():
    clean = np.array([[[0, 1], [2, 255]], [[0, 0], [1, 1]]])
    noisy = np.array([[[0, 2], [2, 255]], [[0, 0], [1, 1]]])
    assert wrong_classes(noisy, clean, 3).tolist() == [[False, False, True], [False, False, False]]


def test_images_with_all_classes_or_none_are_judged_too(trained):
    experiment = trained(method="grid", loss="bce")
    labels = experiment.corruption.labels
    labels[::3], labels[1::3] = 1, 0
    outcome = experiment.score()
    found = outcome.result["sample_detection"]
    assert found["reasons"] == {}
    assert all(np.isfinite(values).all() for values in outcome.detection.values())
    labels[:] = 1
    assert experiment.score().result["sample_detection"]["label"]["confident_learning"] is not None


def test_the_leaderboard_knows_the_scores_by_name(finished):
    record = finished(method="grid", loss="bce", slnir=30)
    frame = load(record.folder.parent).set_index("metric")
    stored = record.result["sample_detection"]
    for level in ("image", "label"):
        for way in WAYS:
            name = f"sample_detection/{level}/{way}/average_precision"
            assert frame.loc[name, "value"] == stored[level][way]["average_precision"]
            assert frame.loc[name, "unit"] == "fraction"


def test_neighbours_are_those_of_the_descriptors_that_retrieval_compares(trained):
    experiment = trained(method="bce")
    arrays, descriptors = (found := experiment.score()).detection, found.descriptors["train"]
    labels = experiment.corruption.labels
    voters = NearestNeighbors(n_neighbors=10, metric="cosine", algorithm="brute").fit(descriptors)
    votes = (labels[voters.kneighbors()[1]] != labels[:, None]).mean(1)
    np.testing.assert_allclose(arrays["label.knn"], votes.flatten(), atol=1e-6)
    np.testing.assert_allclose(arrays["image.knn"], votes.mean(1), atol=1e-6)
    joined = NearestNeighbors(n_neighbors=4, algorithm="brute").fit(descriptors).kneighbors()[1]
    outside = np.stack([outside_largest_component(side, joined) for side in labels.astype(int).T], 1)
    np.testing.assert_array_equal(arrays["label.topofilter.selected"], outside.flatten())
    np.testing.assert_array_equal(arrays["image.topofilter.selected"], outside.any(1))
    np.testing.assert_allclose(arrays["image.topofilter"], outside.mean(1), atol=1e-6)


def test_of_one_label_an_image_the_given_class_alone_is_judged(tmp_path):
    plan = Workbench(tmp_path).plan(method="ce", loss="ce", slnir=50)
    experiment = Experiment(plan, torch.device("cpu"))
    experiment.trainer.history.append(experiment.trainer.train_epoch(0))
    outcome = experiment.score()
    found, arrays = outcome.result["sample_detection"], outcome.detection
    assert set(found["image"]) == set(found["label"]) == WAYS
    given = experiment.corruption.labels
    probability = torch.softmax(torch.cat(list(experiment.predictions("train"))), 1).double().numpy()
    expected = confident_learning(given, probability, exclusive=True)
    for level in ("image", "label"):
        np.testing.assert_array_equal(arrays[f"{level}.confident_learning.selected"], expected.found.any(1))
        np.testing.assert_allclose(arrays[f"{level}.confident_learning"], expected.score.max(1), rtol=1e-5)
    neighbours = nearest_others(outcome.descriptors["train"], 4)
    outside = outside_largest_component(given.argmax(1), neighbours)
    np.testing.assert_array_equal(arrays["image.topofilter.selected"], outside)
    np.testing.assert_array_equal(arrays["label.topofilter.selected"], outside)
    np.testing.assert_array_equal(arrays["image.knn"], arrays["label.knn"])
