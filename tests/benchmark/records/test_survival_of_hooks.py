"""A method that overrides every hook is killed inside each of them, and goes on to the same bits."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from gridbench.records.record import iter_records

EVERY_HOOK = Path(__file__).parents[1] / "every_hook.py"


@pytest.fixture(scope="module")
def words(cache):
    def make(runs):
        return ["run", "--runs", runs, "--cache", cache, "--dataset", "stripes", "--backbone", "test_resnet",
                "--plugin", EVERY_HOOK, "--method", "every_hook", "--slnir", 30, "--epochs", 3, "--batch-size", 16,
                "--train-size", 0, "--k", 5, "--device", "cpu", "--threads", 1, "--quiet"]  # fmt: skip

    return make


def bits(runs):
    (record,) = iter_records(runs, verify=True)
    assert record.state == "done", record.reason
    names = ("history.json", "result.json", "retrieval.npz", "weights.safetensors")
    return {name: (record.folder / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def whole(warm, words, tmp_path_factory):
    """The files of the uninterrupted run."""
    runs = tmp_path_factory.mktemp("whole")
    assert warm(*words(runs)).returncode == 0
    return bits(runs)


# 48 images in batches of 16: three steps an epoch, and one batch for a pass over all of them. Each process counts anew.
@pytest.mark.parametrize(
    "moments",
    [
        ["start 1", "pass 1", "epoch 1", "sampler 1", "step 2", "update 1", "after 3"],
        ["pass 2", "epoch 1", "sampler 1", "step 2", "update 3", "after 6"],
        ["step 9", "update 3", "epoch 1", "pass 1"],
    ],
    ids=["in the first epoch", "in later ones", "in the last"],
)
def test_a_run_killed_inside_its_hooks_goes_on_to_the_same_bits(warm, words, whole, tmp_path, moments):
    runs = tmp_path / "runs"
    for moment in moments:
        assert warm(*words(runs), environment={"KILL_IN": moment}).returncode == -signal.SIGKILL, moment
    assert warm(*words(runs)).returncode == 0
    assert bits(runs) == whole
