"""Suspicious labels in the formats of annotation tools."""

import numpy as np

from gridbench.audit.exchange import EXCHANGE_FORMATS
from gridbench.audit.ranking import Suspects


def test_tasks_and_samples_hold_the_labels_as_suggested(small_audit, small_archive):
    audit = small_audit()
    audit.given[0] = [1, 0, 1]
    suspects = Suspects(
        np.array([0, 0, 0]), np.array([0, 1, 2]), np.array([True, False, True]), np.array([0.9, 0.8, 0.2])
    )
    name = small_archive.names[audit.positions[0]]
    water, hostile, field = small_archive.class_names
    (task,) = EXCHANGE_FORMATS["label-studio"](audit, small_archive, suspects, "https://host/")
    assert task["data"]["image"] == f"https://host/{name}"
    assert task["data"]["given"] == [water, field]
    assert task["data"]["suspects"][0] == {"label": water, "kind": "wrong", "score": 0.9}
    (prediction,) = task["predictions"]
    assert prediction["score"] == 0.9
    # The third is suspicious with less than one half, so it stays.
    assert prediction["result"][0]["value"] == {"choices": [field, hostile]}
    samples = EXCHANGE_FORMATS["fiftyone"](audit, small_archive, suspects, "")
    assert samples == {"classes": [water, hostile, field], "labels": {name: [field, hostile]}}
