"""What a method returns is looked at before anything is computed with it, and what it may not write to stays."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from gridbench import register_method
from gridbench.conformance.fixtures import Workbench, make_batch
from gridbench.conformance.subject import Subject
from gridbench.errors import InputError, RunFailed
from gridbench.evaluation.retrieval import describe, predict
from gridbench.methods.base import Loss, SampleScores, StepOutput
from gridbench.methods.checks import check_output, check_scores, versions_of, written_to
from gridbench.methods.plain import Plain
from gridbench.training.epoch_metrics import EpochLog, Truth

CPU, SIZE = torch.device("cpu"), 4
LOSS = torch.ones((), requires_grad=True)
GOOD = StepOutput(LOSS * 1, torch.ones(SIZE))
NAN = float("nan")

ONES = torch.ones(SIZE)
ODD = {
    "a loss of each image": ({"loss": ONES}, r"loss has the shape \(4,\) and must be a scalar"),
    "a loss of one entry": ({"loss": LOSS[None]}, r"loss has the shape \(1,\) and must be a scalar"),
    "a plain number": ({"loss": 1.0}, "loss is a float; it must be a tensor"),
    "a detached loss": ({"loss": torch.ones(())}, "the loss is detached"),
    "no loss of images": ({"per_sample_loss": None}, "per_sample_loss is a NoneType"),
    "the mean for all": ({"per_sample_loss": LOSS}, r"per_sample_loss has the shape \(\) on 4 images"),
    "one column": ({"per_sample_loss": ONES[:, None]}, r"shape \(4, 1\) on 4 images and must be \(4,\)"),
    "one score for all": ({"noisy_score": ONES[:1]}, r"noisy_score has the shape \(1,\) on 4 images"),
    "complex scores": ({"noisy_score": ONES * 1j}, "noisy_score is torch.complex64; it must be of real"),
    "positions for flags": ({"selected": torch.arange(SIZE)}, "selected is torch.int64; it must be bool"),
    "a list of flags": ({"selected": [True] * SIZE}, "selected is a list; it must be a tensor"),
    "one prediction": ({"prediction": torch.ones(1, 5)}, r"prediction is of the shape \(1, 5\)"),
    "a list of predictions": ({"prediction": [0] * SIZE}, "prediction is of the type list"),
    "no mapping": ({"logs": [("a", 1)]}, "logs is a list; it must be a mapping"),
    "a vector": ({"logs": {"a": torch.ones(3)}}, r"the logged 'a' is \(3,\); it must be one number"),
    "text": ({"logs": {"a": "b"}}, "the logged 'a' is 'b'; it must be one number"),
    "no value": ({"logs": {"a": None}}, "the logged 'a' is None; it must be one number"),
    "a number without end": ({"logs": {"a": 10**400}}, "the logged 'a' is 1000"),
    "no name": ({"logs": {" ": 1.0}}, "it logs something as ' '"),
    "a number for a name": ({"logs": {7: 1.0}}, "it logs something as 7"),
    "controls": ({"logs": {"a\x1b": 1.0}}, "it logs something as"),
    **{name: ({"logs": {name: 1.0}}, f"it logs something as '{name}'; .* every run has")
       for name in ("loss", "epoch", "detection", "validation", "learning_rate")},
}  # fmt: skip


@pytest.mark.parametrize("what", ODD)
def test_a_step_of_another_form_is_refused(what):
    changes, reason = ODD[what]
    with pytest.raises(ValueError, match=reason):
        check_output(replace(GOOD, **changes), SIZE)


@pytest.mark.parametrize("given", [LOSS, None, (LOSS, ONES)], ids=["a tensor", "nothing", "a tuple"])
def test_a_step_that_returns_something_else_is_refused(given):
    with pytest.raises(ValueError, match=f"it returned a {type(given).__name__}, not a StepOutput"):
        check_output(given, SIZE)


def test_what_a_step_may_return_is_taken():
    numbers = {"a": 1, "b": True, "c": np.float32(2), "d": torch.ones(()), "e": torch.ones(1), "f": NAN}
    flags = torch.ones(SIZE, dtype=torch.bool)
    check_output(replace(GOOD, noisy_score=torch.arange(SIZE), selected=flags, logs=numbers), SIZE)
    check_output(replace(GOOD, prediction=torch.ones(SIZE, 5, 2, 2), per_sample_loss=LOSS.expand(SIZE)), SIZE)


@pytest.mark.parametrize("name", ["images", "scene_labels", "label_maps", "indices"])
def test_a_tensor_that_was_written_to_is_named(name):
    batch = make_batch(level="pixel", views=2)
    before = versions_of(batch)
    assert written_to(before) == ""
    getattr(batch.views[1] if name == "images" else batch, name).zero_()
    assert written_to(before) == ("batch.views[1].images" if name == "images" else f"batch.{name}")


@pytest.fixture
def trainer(tmp_path, registries):
    """Build the trainer of plain training with another step."""

    def of(change):
        class Changed(Plain):
            """Plain training of which the output is another."""

            losses = ("bce",)

            def step(self, batch):
                return change(super().step(batch), batch)

        register_method("changed")(Changed)
        return Subject(Workbench(tmp_path), Changed, "bce", {}).fresh().trainer

    return of


def test_a_run_says_which_step_was_wrong(trainer):
    one = trainer(lambda output, batch: replace(output, logs={"loss": 1.0}) if batch.step else output)
    with pytest.raises(
        RunFailed, match="In step 2 of epoch 1 the method 'changed' broke the rules of a step: it logs"
    ):
        one.train_epoch(0)


def test_labels_that_a_step_corrects_in_place_fail_the_run(trainer):
    """The margins of the given labels would be of others."""

    def correct(output, batch):
        batch.scene_labels.fill_(1)
        return output

    with pytest.raises(RunFailed, match=r"it wrote into batch\.scene_labels; work on a copy"):
        trainer(correct).train_epoch(0)


@dataclass
class Five:
    """A task of which the first five columns are classes."""

    def present(self, prediction: Tensor) -> Tensor:
        return prediction[:, :5] > 0


def epoch_of(**changes):
    truth = Truth(np.array([True, False] * 4), np.zeros((8, 5), dtype=bool), 20.0)
    log, batch = EpochLog(truth, Five(), CPU), make_batch(level="scene")
    log.add(batch, replace(StepOutput(torch.ones(()), torch.arange(8.0)), **changes))
    return log.summary(0)


def test_scores_that_are_no_numbers_fail_the_epoch():
    """An image without a score is one that no step saw; the others alone would be scored."""
    score = torch.arange(8.0)
    assert epoch_of(noisy_score=score)["detection"]["auroc"] is not None
    score[3] = NAN
    for name in ("noisy_score", "per_sample_loss"):
        with pytest.raises(RunFailed, match=f"In epoch 1 the {name} of 1 image is not a number"):
            epoch_of(**{name: score})


def test_a_prediction_of_other_classes_fails_the_epoch():
    assert epoch_of(prediction=torch.ones(8, 6))["predicted_prevalence"] == 1
    with pytest.raises(RunFailed, match=r"prediction of the shape \(8, 3\), .* which of 5 classes"):
        epoch_of(prediction=torch.ones(8, 3))


SAID = {
    "fewer rows": (
        lambda images: images.flatten(1)[1:],
        r"returned a Tensor of the shape \(2, 4\) .* for 3 images",
    ),
    "one row": (lambda images: images.flatten(1)[:1], r"of the shape \(1, 4\)"),
    "more rows": (lambda images: images.repeat(2, 1, 1), r"of the shape \(6, 2, 2\)"),
    "complex numbers": (lambda images: images * 1j, "the type torch.complex64"),
    "an array": (lambda images: images.numpy(), "returned a ndarray"),
    "a tuple": (lambda images: (images,), "returned a tuple of no shape"),
    "a scalar": (lambda images: images.mean(), r"of the shape \(\)"),
}


@pytest.mark.parametrize("what", SAID)
@pytest.mark.parametrize("name", ["describe", "predict"])
def test_what_is_said_of_other_images_is_refused(name, what):
    """The rows would be compared with the labels of other images."""
    said, reason = SAID[what]

    class Method:
        name, training = "made", False

        def eval(self):
            pass

        train = lambda *_: None  # noqa: E731
        describe = predict = lambda _, images: said(images)

    getattr(Method, name).__name__ = name
    batches = iter([torch.ones(3, 2, 2)])
    with pytest.raises(RunFailed, match=f"^{name} of the method 'made' .*{reason}"):
        describe(Method(), batches) if name == "describe" else list(predict(Method(), batches))


def test_predictions_of_some_images_alone_are_refused():
    answers = iter([torch.ones(3, 5), None])
    method = SimpleNamespace(name="made", training=False, eval=lambda: None, train=lambda _: None)

    def say(images):
        return next(answers)

    method.predict = say
    with pytest.raises(RunFailed, match="returned None for some images and not for others"):
        list(predict(method, iter([torch.ones(3, 2), torch.ones(3, 2)])))


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ({"images": torch.ones(3)}, "it returned a dict, not SampleScores"),
        (torch.ones(3), "it returned a Tensor, not SampleScores"),
        (SampleScores(torch.ones(2)), r"images has the shape \(2,\) on 3 images"),
        (SampleScores([1.0, 2.0, 3.0]), "images is a list"),
        (SampleScores(torch.ones(3), torch.ones(3, 5)), r"labels has the shape \(3, 5\)"),
        (SampleScores(torch.ones(3), torch.tensor(1.0)), r"labels has the shape \(\) and must be"),
        (SampleScores(torch.ones(3), [1.0]), "labels is a list"),
    ],
)
def test_scores_of_another_form_are_refused(scores, reason):
    with pytest.raises(ValueError, match=reason):
        check_scores(scores, 3)


def test_no_scores_and_good_ones_are_taken():
    for scores in (None, SampleScores(torch.ones(3)), SampleScores(torch.ones(3), torch.ones(7), 20)):
        check_scores(scores, 3)


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ({"losses": "bce"}, r"losses is 'bce'; it must be a tuple of names"),
        ({"losses": (1,)}, r"losses is \(1,\)"),
        ({"losses": None}, "losses is None"),
        ({"labels": "Clean"}, "labels is 'Clean'; it must be one of 'noisy', 'clean', 'none'"),
        ({"ranking": "random"}, "ranking is 'random'; it must be one of"),
        ({"note": 3}, "note is 3; it must be text"),
        ({"recipe": None}, "recipe is None; it must be a mapping"),
    ],
)
def test_a_method_that_declares_something_else_is_refused(declared, reason):
    """Labels of another word would make it a reference row that learns from noisy labels."""
    with pytest.raises(TypeError, match=f"The method Odd cannot be used: {reason}"):
        type("Odd", (Plain,), declared)


@pytest.mark.parametrize(
    "found",
    [
        lambda losses: losses,
        lambda losses: (losses,),
        lambda losses: (losses.mean(), None),
        lambda losses: (losses.mean(1), None),
        lambda losses: (losses.mean(0, keepdim=True), None),
        lambda losses: (losses, losses > 0, None),
        lambda losses: (losses, losses),
        lambda losses: (losses, (losses > 0)[:, 0]),
        lambda losses: None,
    ],
)
def test_a_loss_that_returns_something_else_is_refused(found):
    class Odd(Loss):
        def entries(self, prediction, target):
            return found((prediction - target).square())

    with pytest.raises(
        InputError, match=r"entries of the loss 'Odd' returned a .* for a prediction of \(2, 3\)"
    ):
        Odd()(torch.ones(2, 3), torch.zeros(2, 3))


def test_what_resolve_returns_has_to_be_parameters(tmp_path, registries):
    class Odd(Plain):
        """Resolves its parameters to nothing."""

        losses = ("bce",)
        resolve = classmethod(lambda cls, parameters, context: None)

    register_method("odd")(Odd)
    with pytest.raises(InputError, match="resolve of the method 'odd' returned a NoneType"):
        _ = Subject(Workbench(tmp_path), Odd, "bce", {}).plan
