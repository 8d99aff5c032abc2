"""Finished runs of which a file was exchanged together with its hash: what computes with them again refuses them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from check_models import tampered
from inputs import OSC, npz

HISTORIES = {
    "nothing": b"",
    "an object": b"{}",
    "no epoch": b"[]",
    "a number": b"[1]",
    "an epoch of nothing": b"[{}]",
    "a loss of text": json.dumps([{"epoch": 1, "loss": OSC}]).encode(),
    "no loss": b'[{"epoch": 1, "loss": null}]',
    "a loss of a list": b'[{"epoch": 1, "loss": [1]}]',
    "a loss that is not a number": b'[{"epoch": 1, "loss": NaN}]',
    "an infinite loss": b'[{"epoch": 1, "loss": 1e999}]',
    "a loss of digits": b'[{"epoch": 1, "loss": 123456789012345678901234567890}]',
    "losses within losses": b'[{"epoch": 1, "loss": {"a": {"b": "x"}}}]',
}
ENVIRONMENTS = {
    "nothing": b"",
    "a list": b"[]",
    "empty": b"{}",
    "a machine of text": json.dumps({"machine": OSC}).encode(),
    "a machine of lists": b'{"machine": {"cpu": [1], "instructions": [], "libraries": 7}}',
    "weights of lists": b'{"initial_weights": [1], "machine": {}}',
    "seconds of text": b'{"seconds": "x"}',
}
NOISES: dict[str, object] = {"none": None, "empty": {}, "text": OSC, "a hash of a list": {"sha256": [1]}}
DESCRIPTORS = {
    "nothing": b"",
    "text": npz(train=np.array(["x"])),
    "of no number": npz(test=np.full((24, 8), np.nan)),
    "one row": npz(test=np.zeros((1, 8))),
    "no column": npz(test=np.zeros((24, 0))),
    "complex": npz(test=np.full((24, 8), 1j)),
    "below nothing": npz(test=np.full((24, 8), -1.0)),
}
FILES = {"history.json": HISTORIES, "environment.json": ENVIRONMENTS, "descriptors.npz": DESCRIPTORS}
COMMANDS = {
    "verify": ["verify", "RECORD"],
    "score": ["score", "RECORD", "--distance", "cosine", "--runs", "scored"],
}


@pytest.fixture
def record(finished):
    """The folder of a finished run that kept its weights."""
    return finished("runs", method="bce", loss="bce", epochs=1).folder


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, kinds in FILES.items() for kind in kinds])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_of_a_run_that_was_exchanged_is_refused_or_differs(check, record, name, kind, command):
    tampered(record, name, FILES[name][kind])
    words = [str(record) if word == "RECORD" else word for word in COMMANDS[command]]
    check(*words, codes=(0, 1, 2), memory=None)


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_result_without_noise_is_refused_or_differs(check, record, kind, command):
    result = json.loads((record / "result.json").read_text())
    tampered(record, "result.json", json.dumps({**result, "noise": NOISES[kind]}).encode())
    words = [str(record) if word == "RECORD" else word for word in COMMANDS[command]]
    # Scoring draws the noise again and reads nothing of what the record says of it, and verification reports a noise
    # without a hash as not recorded.
    refused = command == "verify" and kind != "empty"
    check(*words, codes=(1, 2) if refused else (0, 1, 2), memory=None)


@pytest.mark.parametrize(
    "metrics", [{}, {"ndcg@5": 0.999}, {"map@5": 0.5}, {"ndcg@5": None}, {"ndcg@7": 0.5}]
)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_result_of_other_metrics_is_refused_or_differs(check, record, metrics, command):
    result = json.loads((record / "result.json").read_text())
    tampered(record, "result.json", json.dumps({**result, "metrics": metrics}).encode())
    words = [str(record) if word == "RECORD" else word for word in COMMANDS[command]]
    check(*words, codes=(0, 1, 2), memory=None)
