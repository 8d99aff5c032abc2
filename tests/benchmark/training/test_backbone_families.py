"""A few dozen families of timm, with 1, 3 and 10 bands: trained for an epoch, or refused before training and why."""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

from gridbench.cli import main
from gridbench.config import make_config
from gridbench.datasets.archive.layout import GroupLayout, Layout, Sample
from gridbench.datasets.archive.writer import ArchiveWriter, build_once
from gridbench.errors import InputError
from gridbench.records.record import iter_records
from gridbench.records.runner import Execution, run
from gridbench.training.backbone import BackboneSpec, build_backbone, check_distance, probe
from gridbench.training.backbone_survey import survey_backbones

SIDE, COUNT, CLASSES = 32, 20, 4
DOCS = Path(__file__).resolve().parents[3] / "docs" / "backbones.md"

# Name -> (descriptor width, whether descriptors are never negative). The fast suite trains those of the first group,
# a convolutional network, one for small devices, one of layer norms, a transformer and one of groups, and builds those
# of the second.
TRAINED = {
    "resnet18": (512, True),
    "mobilenetv3_small_050": (1024, False),
    "convnext_atto": (320, False),
    "vit_tiny_patch16_224": (192, False),
    "regnetx_002": (368, True),
}
BUILT = {
    "efficientnet_b0": (1280, False),
    "xcit_nano_12_p16_224": (128, False),
    "edgenext_xx_small": (168, False),
    "mobilevit_xxs": (320, False),
    "ghostnet_050": (1280, True),
    "dla46_c": (256, True),
    "starnet_s1": (192, False),
    "pit_ti_224": (256, False),
    "levit_128s": (384, False),
}
HEAVY = {
    "densenet121": (1024, True),
    "swin_tiny_patch4_window7_224": (768, False),
    "mixer_s16_224": (512, False),
    "poolformer_s12": (512, False),
    "repvgg_a0": (1280, True),
    "cait_xxs24_224": (192, False),
    "mambaout_femto": (1152, False),
    "rexnet_100": (1280, False),
    "hrnet_w18_small": (2048, True),
}
FAMILIES = TRAINED | BUILT | HEAVY
BANDS = (1, 3, 10)


def cases():
    """Five families with one number of bands each in the fast suite; all that is left is slow."""
    for number, name in enumerate(FAMILIES):
        for bands in BANDS:
            fast = name in TRAINED and bands == BANDS[number % 3]
            yield pytest.param(name, bands, marks=[] if fast else pytest.mark.slow)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A cache with an archive of 10 training images for each number of bands."""
    cache = tmp_path_factory.mktemp("tiny")
    for bands in BANDS:
        rng = np.random.default_rng(bands)
        layout = Layout(
            (GroupLayout("all", tuple(f"b{b}" for b in range(bands)), SIDE, SIDE, "uint8"),),
            tuple(f"class {c}" for c in range(CLASSES)),
            None,
            False,
        )
        split = ["train" if i % 2 else "val" if i % 4 else "test" for i in range(COUNT)]

        def build(target, layout=layout, split=split, rng=rng, bands=bands):
            writer = ArchiveWriter(target, layout, [f"image{i}" for i in range(COUNT)], split)
            for i in range(COUNT):
                labels = np.eye(CLASSES, dtype=np.uint8)[i % CLASSES]
                image = rng.integers(0, 256, (bands, SIDE, SIDE)).astype(np.uint8)
                writer.write(i, Sample((image,), labels, None, None))
            writer.finish(f"bands{bands}", "folder", {"failed": []})

        build_once(cache / "archives" / f"bands{bands}", build)
    return cache


@pytest.fixture
def go(tiny, tmp_path):
    def start(name, bands, **values):
        config = make_config(
            {"dataset": f"bands{bands}", "method": "bce", "backbone": name, "epochs": 1, "batch_size": 5,
             "train_size": 0, "k": 3, "crop": 0, "learning_rate": 1e-4, **values}
        )  # fmt: skip
        return run(config, Execution(runs=tmp_path / "runs", cache=tiny, device="cpu", threads=1, keep="all"))

    return start


@pytest.mark.parametrize(("name", "bands"), list(cases()))
def test_a_family_is_trained_or_refused_before_training(go, tmp_path, name, bands):
    width, never_negative = FAMILIES[name]
    more = {}
    if not never_negative:
        with pytest.raises(InputError, match=r"negative descriptors.*--distance.*--descriptor-map"):
            go(name, bands)
        assert not (tmp_path / "runs").exists()
        more = {"distance": "cosine"} if bands != 3 else {"descriptor_map": "softplus"}
    record = go(name, bands, **more)
    assert 0 <= record.metrics["ndcg@3"] <= 1
    with np.load(record.folder / "descriptors.npz", allow_pickle=False) as arrays:
        assert {array.shape[1] for array in arrays.values()} == {width}
        assert all(np.isfinite(array).all() for array in arrays.values())
    assert {stored.state for stored in iter_records(tmp_path / "runs")} == {"done"}


@pytest.mark.parametrize("name", BUILT)
def test_a_family_is_described_or_refused(name):
    width, never_negative = FAMILIES[name]
    spec = BackboneSpec(name, 3, (SIDE, SIDE))
    found = probe(build_backbone(spec), spec)
    assert (found.width, found.lowest >= 0) == (width, never_negative)
    with nullcontext() if never_negative else pytest.raises(InputError, match="negative descriptors"):
        check_distance(found, "chi2", spec)


def test_a_backbone_that_cannot_take_small_images_is_refused(go, tmp_path):
    with pytest.raises(InputError, match=r"'inception_v3' cannot take 3-band images of 32x32 px"):
        go("inception_v3", 3)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("name", "width", "size"),
    [
        ("resnet18", 512, (2, 2)),
        ("swin_tiny_patch4_window7_224", 768, (2, 2)),
        ("vit_tiny_patch16_224", 192, (4, 4)),
        ("mambaout_femto", 288, (2, 2)),
    ],
)
def test_feature_maps_are_channels_first_whatever_the_layout(name, width, size):
    spec = BackboneSpec(name, 3, (64, 64), reads="feature_map")
    found = probe(build_backbone(spec), spec)
    assert (found.width, found.feature_size) == (width, size)


@pytest.mark.parametrize("name", ["swin_tiny_patch4_window7_224", "vit_tiny_patch16_224"])
def test_positions_of_a_feature_map_are_those_of_the_image(name):
    spec = BackboneSpec(name, 3, (64, 64), reads="feature_map")
    torch.manual_seed(0)
    backbone = build_backbone(spec).eval()
    image = torch.randn(1, 3, 64, 64)
    other = image.clone()
    # Strong in one corner only, so that the change is largest there although attention spreads it.
    other[:, :, 48:, :16] += 5 * torch.randn(3, 16, 16)
    with torch.no_grad():
        change = (backbone.features(image) - backbone.features(other)).abs().mean((0, 1))
    assert change.argmax() == (change.shape[0] - 1) * change.shape[1]


@pytest.mark.parametrize("mapping", ["relu", "softplus"])
def test_a_descriptor_map_makes_descriptors_never_negative(mapping):
    spec = BackboneSpec("test_vit", 3, (32, 32), descriptor_map=mapping)
    assert probe(build_backbone(spec), spec).lowest >= 0


def test_a_probe_changes_nothing():
    spec = BackboneSpec("test_resnet", 3, (32, 32))
    backbone = build_backbone(spec).train()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    state = torch.get_rng_state()
    probe(backbone, spec)
    assert backbone.training
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in backbone.state_dict().items())


def test_the_descriptor_network_of_a_method_is_looked_at_too():
    spec = BackboneSpec("test_resnet", 3, (32, 32))
    projected = torch.nn.Sequential(build_backbone(spec), torch.nn.Linear(96, 8))
    found = probe(projected, spec)
    assert found.width == 8
    with pytest.raises(InputError, match="negative"):
        check_distance(found, "chi2", spec)


def rows_of_the_page():
    return {
        cells[0]: cells[1:] for cells in map(cells_of, DOCS.read_text(encoding="utf-8").splitlines()) if cells
    }


def cells_of(line):
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    return cells if len(cells) == 5 and re.fullmatch(r"[a-z]\w+", cells[0]) and cells[0] != "backbone" else []


def test_the_page_lists_every_family_of_the_tests():
    rows = rows_of_the_page()
    assert rows.keys() >= FAMILIES.keys()
    for name, (width, never_negative) in FAMILIES.items():
        assert rows[name][0] == str(width)
        assert rows[name][1].startswith("never negative" if never_negative else "negative (to")
        assert rows[name][3] == (
            "every distance" if never_negative else "--distance or --descriptor-map needed"
        )


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "mobilevit_xxs"])
def test_the_page_says_what_the_probe_says(name):
    (row,) = survey_backbones([name], 3, 64)
    width, _, map_width, verdict = rows_of_the_page()[name]
    assert (str(row.width), str(row.map_width), row.verdict) == (width, map_width, verdict)


def test_the_command_prints_the_table(capsys):
    main(["list", "backbones", "test_resnet", "test_vit", "--probe", "--size", "32", "--bands", "10"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "| test_resnet | 96 | never negative | 96 | every distance |"
    assert lines[3].startswith("| test_vit | 64 | negative (to -")
