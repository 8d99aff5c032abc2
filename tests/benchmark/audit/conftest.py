from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from gridbench.audit.audit import Audit, Folding, audit_labels
from gridbench.audit.calibration import calibrate
from gridbench.audit.estimate import estimate_errors
from gridbench.audit.expectation import expect, plant
from gridbench.config import make_config
from gridbench.datasets.archive.layout import GroupLayout, Layout, Sample
from gridbench.datasets.archive.writer import ArchiveWriter, build_once
from gridbench.plan import make_plan
from gridbench.records.runner import Execution

HOSTILE = "<img src=x onerror=document.title='owned'>"
CLASSES = ("water", HOSTILE, "field, dry")
COUNT = 40


@pytest.fixture(scope="session")
def stripes_plan(cache):
    """Plans an audit of the archive whose classes are stripes."""

    def make(**values):
        settings = {
            "dataset": "stripes",
            "method": "bce",
            "backbone": "test_resnet",
            "epochs": 2,
            "batch_size": 16,
            "train_size": 0,
            "k": 5,
            "crop": 0,
        }
        return make_plan(make_config({**settings, **values}), cache)

    return make


@pytest.fixture(scope="session")
def audited(stripes_plan, tmp_path_factory):
    """A finished audit with injected noise, and its plan."""
    plan = stripes_plan(slnir=20)
    execution = Execution(device="cpu")
    return audit_labels(plan, Folding(2), tmp_path_factory.mktemp("audits"), execution), plan


@pytest.fixture(scope="session")
def small_archive(tmp_path_factory):
    """An archive with names that a page must not take for markup."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("small") / "archives" / "small"
    layout = Layout((GroupLayout("rgb", ("r", "g", "b"), 8, 8, "uint8"),), CLASSES)
    names = [f"part/{HOSTILE if i == 3 else i}" for i in range(COUNT)]

    def build(target: Path) -> None:
        splits = ["train" if i % 5 < 3 else "val" if i % 5 == 3 else "test" for i in range(COUNT)]
        writer = ArchiveWriter(target, layout, names, splits)
        for i in range(COUNT):
            labels = np.array([1, i % 2, i % 3 == 0], dtype=np.uint8)
            writer.write(i, Sample((rng.integers(0, 255, (3, 8, 8)).astype(np.uint8),), labels))
        writer.finish("small", "folder", {"failed": []})

    return build_once(folder, build)


@pytest.fixture
def audit_by_hand(tmp_path):
    """Make an audit of an archive's training labels from given predictions: nothing is trained."""

    def make(archive, probabilities, rng, given=None, level="scene", **document):
        positions, single = archive.indices("train"), level == "single"
        before = np.array(archive.scene_labels[positions])
        injected = given is not None
        given = before if given is None else given
        estimate = estimate_errors(given, probabilities, rng, 20, exclusive=single)
        scores = estimate.scores
        expected = expect(estimate, given, probabilities, rng, exclusive=single)
        planted = plant(estimate, given, probabilities, expected.k, rng, exclusive=single)
        facts = {
            "id": "abc1234567",
            "dataset": archive.name,
            "fingerprint": archive.fingerprint,
            "images": len(given),
            "labels": int(given.sum()),
            "folds": [len(given) // 2] * 2,
            "together": "nothing",
            "config": {"method": "bce", "loss": "bce", "epochs": 5},
            "injected": {"slnir": "30", "noise": "swap", "realised": 30.0} if injected else None,
            "noise_rate": estimate.document(),
            "expected": dataclasses.asdict(expected),
            "planted": dataclasses.asdict(planted),
            "members": 1,
            "margins": True,
            "level": level,
            "skill": [0.5, 0.5],
            "calibration": calibrate(given, before, {"audit": scores}, single) if injected else None,
        }
        kept = before if injected else None
        return Audit(tmp_path, facts | document, positions, given, kept, probabilities, scores)

    return make


@pytest.fixture
def small_audit(small_archive, audit_by_hand):
    """An audit of that archive made by hand."""

    def make(injected=False):
        rng = np.random.default_rng(1)
        given = np.array(small_archive.scene_labels[small_archive.indices("train")])
        probabilities = np.where(given, 0.9, 0.1) + rng.uniform(-0.08, 0.08, given.shape)
        if injected:
            given[0] = 1 - given[0]
        return audit_by_hand(
            small_archive,
            probabilities,
            rng,
            given if injected else None,
            together=f"what {HOSTILE!r} finds",
        )

    return make
