"""The manifest: reproduces the noisy labels, survives a round trip, and notices whatever does not belong to it."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from gridbench.errors import InputError
from gridbench.noise import LabelSet, Manifest
from gridbench.parameters import parse
from gridbench.registry import NOISE

LABELS = (np.random.default_rng(0).random((40, 7)) < 0.3).astype(np.uint8)
MAPS = np.random.default_rng(1).integers(0, 3, (12, 5, 5)).astype(np.uint8)
MAPS[:, 0, 0] = 255
CLASSES = 7


def make(level: str = "scene", rate: object = "30", seed: int = 5):
    model = NOISE.get("swap")()
    rng = np.random.default_rng(seed)
    corruption = model.corrupt(LABELS, MAPS, CLASSES, rate, rng, level)
    return corruption, Manifest.of(corruption, model, seed=seed, fingerprint="ab" * 32)


@pytest.fixture
def saved(tmp_path):
    _, manifest = make()
    manifest.save(tmp_path / "kept")
    return tmp_path / "kept"


def test_summary_tells_what_was_asked_for_and_what_came_out():
    corruption, manifest = make()
    summary = manifest.summary()
    assert summary["requested"] == "30"
    assert summary["positives"] == LABELS.sum()
    assert summary["affected"] == len(corruption.changed) == LABELS.sum() * 30 // 100
    assert (
        summary["realised"]
        == corruption.realised
        == pytest.approx(100 * len(corruption.changed) / LABELS.sum())
    )
    assert summary["noisy_samples"] == corruption.noisy.sum()
    assert (summary["model"], summary["version"]) == ("swap", 1)
    assert summary["parameters"] == {"replacement": "absent"}
    assert (summary["seed"], summary["fingerprint"], summary["shape"]) == (5, "ab" * 32, [40, 7])
    per_class = summary["per_class"]
    removed = ((LABELS == 1) & (corruption.labels == 0)).sum(0)
    added = ((LABELS == 0) & (corruption.labels == 1)).sum(0)
    assert per_class["removed"] == per_class["affected"] == removed.tolist()
    assert per_class["added"] == added.tolist()
    assert per_class["realised"] == pytest.approx((100 * removed / LABELS.sum(0)).tolist())
    json.dumps(summary, allow_nan=False)


def test_a_class_that_nobody_has_is_no_nan():
    labels = np.zeros((4, 3), int)
    model = NOISE.get("swap")()
    manifest = Manifest.of(model.scene(labels, 50, np.random.default_rng(0)), model)
    assert manifest.summary()["per_class"]["realised"] == [None] * 3
    assert manifest.summary()["realised"] == 0.0


@pytest.mark.parametrize("level", ["scene", "pixel"])
@pytest.mark.parametrize("rate", [0, 30])
def test_round_trip_reproduces_the_noisy_labels(level, rate, tmp_path):
    corruption, manifest = make(level, rate)
    manifest.save(tmp_path)
    loaded = Manifest.load(tmp_path)
    assert loaded.summary() == manifest.summary()
    np.testing.assert_array_equal(loaded.changed, corruption.changed)
    clean = LABELS if level == "scene" else MAPS
    before = clean.copy()
    noisy = loaded.apply(LABELS) if level == "scene" else loaded.apply_maps(MAPS)
    np.testing.assert_array_equal(noisy, corruption.labels)
    assert noisy.dtype == clean.dtype
    np.testing.assert_array_equal(clean, before)


def test_labels_of_another_type_become_noisy_in_that_type():
    corruption, manifest = make()
    np.testing.assert_array_equal(manifest.apply(LABELS.astype(np.float32)), corruption.labels)
    corruption, manifest = make("pixel")
    np.testing.assert_array_equal(manifest.apply_maps(MAPS.astype(np.int64)), corruption.labels)


def test_added_and_removed_labels_are_applied():
    _, manifest = make()
    changed = np.array(
        [[0, -1, int(np.flatnonzero(LABELS[0] == 0)[0])], [1, int(np.flatnonzero(LABELS[1])[0]), -1]]
    )
    changed_manifest = Manifest(**{**vars(manifest), "changed": changed})
    expected = LABELS.copy()
    expected[0, changed[0, 2]], expected[1, changed[1, 1]] = 1, 0
    np.testing.assert_array_equal(changed_manifest.apply(LABELS), expected)
    assert sum(changed_manifest.summary()["per_class"]["removed"]) == 1


def test_the_hash_is_known_and_depends_on_every_change():
    _, manifest = make()
    fixed = {**vars(manifest), "shape": (2, 3), "changed": np.array([[0, 1, 2]])}
    # sha256 of b"gridbench noise 1 scene [2, 3]\nchanged 1\n" and three little-endian 64-bit integers.
    assert Manifest(**fixed).sha256 == "b1a85cc4c027d77e17d94ee225864068fd46fcc988155bdd25ca9832edc9e2fe"
    others = [
        {"changed": np.array([[0, 2, 1]])},
        {"changed": np.array([[0, 1, 2]] * 2)},
        {"shape": (3, 3)},
        {"level": "pixel"},
    ]
    hashes = {Manifest(**{**fixed, **other}).sha256 for other in others}
    assert len(hashes | {Manifest(**fixed).sha256}) == 5
    big_endian = {**fixed, "changed": fixed["changed"].astype(">i8")}
    assert Manifest(**big_endian).sha256 == Manifest(**fixed).sha256


def test_the_same_noise_gives_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        make()[1].save(tmp_path / name)
    for file in ("noise.json", "noise.npz"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["noise.json", "noise.npz"]


def test_a_model_describes_its_corruption_of_a_planned_run():
    model = NOISE.get("swap")()
    corruption, expected = make()
    plan = SimpleNamespace(
        config=SimpleNamespace(noise_seed=5), archive=SimpleNamespace(fingerprint="ab" * 32)
    )
    assert model.manifest(corruption, plan).summary() == expected.summary()


def test_verify_accepts_its_own_archive():
    make()[1].verify(fingerprint="ab" * 32, labels=LABELS)
    make("pixel")[1].verify(fingerprint="ab" * 32, maps=MAPS)


OTHER = LABELS.copy()
OTHER[:, :] = 1 - OTHER


@pytest.mark.parametrize(
    ("level", "given", "message"),
    [
        (
            "scene",
            {"fingerprint": "cd" * 32},
            "another archive: its fingerprint is abababababab.*cdcdcdcdcdcd",
        ),
        ("scene", {"labels": OTHER}, "other labels: sample .* cannot have gone from class"),
        ("scene", {"labels": LABELS[:-1]}, r"shape \(40, 7\), but these have \(39, 7\)"),
        ("scene", {"maps": MAPS}, "of scene labels, not of label maps"),
        ("pixel", {"labels": LABELS}, "of label maps, not of scene labels"),
        ("pixel", {"maps": np.full_like(MAPS, 6)}, "other labels"),
        ("pixel", {"maps": np.full_like(MAPS, 9)}, "holds class 9"),
    ],
)
def test_verify_refuses_what_is_not_its_own(level, given, message):
    with pytest.raises(InputError, match=message):
        make(level)[1].verify(**given)


@pytest.mark.parametrize("row", [[40, 0, 1], [-1, 0, 1], [0, 7, 1], [0, 0, 7], [0, -2, 1], [0, 0, -2]])
def test_changes_outside_the_labels_are_refused(row):
    manifest = Manifest(**{**vars(make()[1]), "changed": np.array([row])})
    with pytest.raises(InputError, match="samples or classes that these labels do not have"):
        manifest.apply(LABELS)


def edit(folder, change):
    stored = json.loads((folder / "noise.json").read_text())
    change(stored)
    (folder / "noise.json").write_text(json.dumps(stored))


def rewrite(folder, changed):
    np.savez_compressed(folder / "noise.npz", changed=changed)


TAMPERINGS = {
    "another change": lambda f: rewrite(f, make()[0].changed[::-1]),
    "a change less": lambda f: rewrite(f, make()[0].changed[:-1]),
    "a class that is none": lambda f: rewrite(f, make()[0].changed + 100),
    "no changes": lambda f: rewrite(f, np.zeros((0, 3), int)),
    "other arrays": lambda f: np.savez(f / "noise.npz", other=np.zeros(3)),
    "objects": lambda f: np.savez(f / "noise.npz", changed=np.array([{}], dtype=object)),
    "no archive of arrays": lambda f: (f / "noise.npz").write_bytes(b"nothing"),
    "an empty file": lambda f: (f / "noise.npz").write_bytes(b""),
    "half a file": lambda f: (f / "noise.npz").write_bytes((f / "noise.npz").read_bytes()[:-40]),
    "missing arrays": lambda f: (f / "noise.npz").unlink(),
    "missing text": lambda f: (f / "noise.json").unlink(),
    "broken text": lambda f: (f / "noise.json").write_text("{"),
    "a list": lambda f: (f / "noise.json").write_text("[]"),
    "another rate": lambda f: edit(f, lambda s: s.update(realised=29.0)),
    "another class rate": lambda f: edit(f, lambda s: s["per_class"]["removed"].reverse()),
    "another shape": lambda f: edit(f, lambda s: s.update(shape=[41, 7])),
    "another schema": lambda f: edit(f, lambda s: s.update(schema=2)),
    "another hash": lambda f: edit(f, lambda s: s.update(sha256="0" * 64)),
    "no positives": lambda f: edit(f, lambda s: s["per_class"].pop("positives")),
    "no hash": lambda f: edit(f, lambda s: s.pop("sha256")),
    "no shape": lambda f: edit(f, lambda s: s.update(shape=None)),
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_tampering_is_noticed(tampering, saved):
    Manifest.load(saved)
    TAMPERINGS[tampering](saved)
    with pytest.raises(InputError, match=r"noise\.(json|npz)"):
        Manifest.load(saved)


def test_nothing_half_written_is_left(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        make()[1].save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_copied_manifest_is_as_good(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "elsewhere")
    assert Manifest.load(tmp_path / "elsewhere").summary() == make()[1].summary()


HOSTILE = {
    "a level that there is not": {"level": "x"},
    "a level of a list": {"level": ["scene"]},
    "parameters of a list": {"parameters": ["replacement"]},
    "parameters of text": {"parameters": "replacement"},
    "a fingerprint of a number": {"fingerprint": 7},
    "a request of an object": {"requested": {"a": 1}},
    "a seed of text": {"seed": "x"},
    "no shape": {"shape": ()},
    "a shape of text": {"shape": ("x", "y")},
    "samples below nothing": {"shape": (-5, 7)},
    "samples without end": {"shape": (10**12, 7)},
    "three sides of scene labels": {"shape": (40, 7, 7)},
    "more affected than there is": {"affected": np.full(7, 10**9)},
    "fewer affected than changed": {"affected": np.zeros(7, dtype=int)},
    "affected of other classes": {"affected": np.roll(make()[1].affected, 1)},
    "fewer than nothing": {"positives": np.full(7, -1)},
    "a million classes": {"positives": np.ones(10**6, dtype=int), "affected": np.zeros(10**6, dtype=int)},
    "no class": {"positives": np.zeros(0, dtype=int), "affected": np.zeros(0, dtype=int)},
    "a sample that there is not": {"changed": np.array([[40, 0, 1]])},
    "a sample before the first": {"changed": np.array([[-1, 0, 1]])},
    "samples by the billion": {"changed": np.array([[2**40, 0, 1]])},
    "classes by the billion": {"changed": np.array([[0, 2**40, 1]])},
    "from no class to no class": {"changed": np.array([[0, -1, -1]])},
    "a class below none": {"changed": np.array([[0, 0, -2]])},
    "a run beyond the end": {"runs": np.array([[0, 2**40, 1]])},
    "a run before the first": {"runs": np.array([[-1, 1, 1]])},
    "a run of a class by the billion": {"runs": np.array([[0, 1, 2**40]])},
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_manifest_that_lies_is_refused_before_anything_is_counted(tmp_path, monkeypatch, kind):
    """Its hashes are right, and it would fill the memory, or fail later."""
    manifest = Manifest(**{**vars(make()[1]), **HOSTILE[kind]})
    per_class = {"positives": manifest.positives.tolist(), "affected": manifest.affected.tolist()}
    stored = {**make()[1].summary(), "per_class": per_class, "sha256": manifest.sha256}
    written = {{"level": "kind"}.get(name, name): value for name, value in HOSTILE[kind].items()}
    stored |= {name: written[name] for name in written.keys() & stored.keys() - per_class.keys()}
    np.savez(tmp_path / "noise.npz", **manifest.arrays())
    (tmp_path / "noise.json").write_text(json.dumps(stored))
    monkeypatch.setattr(Manifest, "summary", lambda self: pytest.fail("its changes were counted"))
    with pytest.raises(InputError, match="does not hold a noise manifest"):
        Manifest.load(tmp_path)


@pytest.mark.parametrize("kind", [float, complex, bool, "U3", "M8[s]"])
def test_changes_of_another_type_are_refused(tmp_path, kind):
    manifest = make()[1]
    manifest.save(tmp_path)
    np.savez(tmp_path / "noise.npz", changed=np.zeros((1, 3), dtype=kind))
    with pytest.raises(InputError, match=r"does not hold a noise manifest.*not whole numbers"):
        Manifest.load(tmp_path)


OWN = [
    (name, level)
    for name in NOISE
    if NOISE.origin(name) == "gridbench"
    for level in NOISE.get(name).levels
    if (name, level) != ("none", "pixel")
]


@pytest.fixture
def corrupted(tmp_path):
    """Corrupt labels by a model of the package, and return the manifest."""

    def corrupt(name, level, rate=30):
        component, given = NOISE.get(name), {}
        if name == "class_dependent":
            np.savetxt(tmp_path / "table.csv", np.ones((CLASSES, CLASSES)), delimiter=",", fmt="%g")
            given = {"table": str(tmp_path / "table.csv")}
        if name == "folder_swap" and level != "pixel":
            given = {"labels": "own"}
        if name == "confusable":
            given = {"pairs": "0-1,2-3,4-5"}
        model = component(parse(component.Parameters, given, name))
        rng = np.random.default_rng(2)
        blocks = np.repeat(np.repeat(rng.integers(0, 3, (12, 5, 5)), 4, axis=1), 4, axis=2)
        scene = np.eye(CLASSES, dtype=int)[rng.integers(0, CLASSES, 40)] if level == "single" else LABELS
        labels = LabelSet(
            CLASSES,
            None if level == "pixel" else scene,
            blocks if level == "pixel" else None,
            difficulty=rng.random(LABELS.shape),
            descriptors=rng.integers(0, 255, (40, 9)),
        )
        return Manifest.of(model.apply(labels, str(rate), rng, level), model)

    return corrupt


@pytest.mark.parametrize(("name", "level"), OWN)
def test_what_is_affected_follows_from_the_changes(corrupted, tmp_path, name, level):
    manifest = corrupted(name, level, 0 if name == "none" else 30)
    manifest.save(tmp_path / "kept")
    assert Manifest.load(tmp_path / "kept").summary() == manifest.summary()
    other = manifest.affected.copy()
    other[manifest.positives.argmax()] += 1 if name == "none" else 10**4 if manifest.runs is not None else -1
    positives = manifest.positives + 10**6
    Manifest(**{**vars(manifest), "affected": other, "positives": positives}).save(tmp_path / "kept")
    with pytest.raises(InputError, match="does not hold a noise manifest: affected"):
        Manifest.load(tmp_path / "kept")


@pytest.mark.parametrize("name", ["coarse", "missing_objects", "region", "shift"])
def test_pixels_that_changed_without_anything_affected_are_refused(corrupted, tmp_path, name):
    manifest = corrupted(name, "pixel")
    Manifest(**{**vars(manifest), "affected": np.zeros(CLASSES, dtype=int)}).save(tmp_path)
    with pytest.raises(InputError, match=r"affected is 0, where \d+ pixels changed"):
        Manifest.load(tmp_path)


def test_pairs_that_no_pixel_of_a_map_shows_may_be_affected(corrupted, tmp_path):
    manifest = corrupted("folder_swap", "pixel")
    more = {"affected": manifest.affected + 1, "positives": manifest.positives + 1}
    Manifest(**{**vars(manifest), **more}).save(tmp_path)
    assert Manifest.load(tmp_path).affected.tolist() == more["affected"].tolist()


PLUGIN = {"model": "of_a_plug_in", "parameters": {}}


def test_labels_of_a_plugin_that_changed_without_anything_affected_are_refused(tmp_path):
    Manifest(**{**vars(make()[1]), **PLUGIN, "affected": np.zeros(CLASSES, dtype=int)}).save(tmp_path)
    with pytest.raises(InputError, match=r"affected is 0, where \d+ labels changed"):
        Manifest.load(tmp_path)


def test_what_a_plugin_affected_is_compared_with_the_labels(tmp_path):
    """Whether it counts labels is known when there are labels to compare with."""
    other = {**vars(make()[1]), **PLUGIN, "affected": np.roll(make()[1].affected, 1)}
    Manifest(**other).save(tmp_path / "told")
    told = Manifest.load(tmp_path / "told")
    with pytest.raises(InputError, match=r"says that \d+ labels of class 0 changed; it lists \d+"):
        told.verify(labels=LABELS)
    Manifest(**{**vars(make()[1]), **PLUGIN}).verify(labels=LABELS)
    Manifest(**{**other, "positives": make()[1].positives + 1}).verify(labels=LABELS)
    Manifest(**{**other, "counts_drawn": True}).save(tmp_path / "drawn")
    drawn = Manifest.load(tmp_path / "drawn")
    drawn.verify(labels=LABELS)
    assert drawn.summary()["counts_drawn"]
