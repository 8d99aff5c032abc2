"""Parameter counts: the paper's networks to the digit, and what the counts consist of."""

import pytest
import torch
from click.testing import CliRunner

from gridbench.cli.listing import listing
from gridbench.errors import InputError
from gridbench.training.backbone import BackboneSpec
from gridbench.training.parameter_counts import count_parameters

# DenseNet-121: the authors' network, counted in their code; heads by hand.
DLRSD = {"classification": 7_367_970, "segmentation": 9_654_882, "cooccurrence": 7_524_914}
BEN = {"classification": 7_392_230, "segmentation": 8_214_310, "cooccurrence": 7_589_564}


@pytest.mark.parametrize(
    ("classes", "bands", "size", "backbone", "totals"),
    [(17, 3, 224, 6_953_856, DLRSD), (19, 10, 120, 6_975_808, BEN)],
    ids=["dlrsd", "bigearthnet"],
)
def test_totals_of_the_papers_networks(classes, bands, size, backbone, totals):
    rows = count_parameters(BackboneSpec("densenet121", bands, (size, size)), classes)
    # A head over single labels is one over scene labels.
    assert {row.task: row.hybrid for row in rows} == {**totals, "single_label": totals["classification"]}
    edges = classes * (classes + 1) // 2
    linear = {"classification": classes, "single_label": classes, "cooccurrence": edges}
    for row in rows:
        assert row.backbone == backbone
        # Both heads, the encoder 1024 -> 2 x 128 and the decoder 128 -> 1024.
        head, vae = row.discriminative - backbone, row.generative - backbone
        assert row.hybrid == backbone + head + vae
        if row.task in linear:
            assert head == 1025 * linear[row.task]
            assert vae == 262_400 + 132_096 + 129 * linear[row.task]


def test_the_latent_and_one_task_can_be_chosen():
    spec = BackboneSpec("test_resnet", 3, (32, 32))
    (small,) = count_parameters(spec, 5, latent=8, tasks=["classification"])
    (large,) = count_parameters(spec, 5, latent=16, tasks=["classification"])
    width = (small.discriminative - small.backbone) // 5 - 1
    # A latent dimension more: two encoder outputs, a decoder input and an input of the generative head.
    assert large.hybrid - small.hybrid == 8 * (2 * (width + 1) + width + 5)
    assert small.discriminative == large.discriminative


def test_counting_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    count_parameters(BackboneSpec("test_resnet", 3, (32, 32)), 5)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_unknown_task_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="Did you mean 'segmentation'"):
        count_parameters(BackboneSpec("test_resnet", 3, (32, 32)), 5, tasks=["segmentaton"])


def test_the_command_prints_a_row_per_task():
    result = CliRunner().invoke(
        listing, ["parameters", "--backbone", "test_resnet", "--size", "32", "--classes", "4"]
    )
    assert result.exit_code == 0, result.output
    rows = count_parameters(BackboneSpec("test_resnet", 3, (32, 32)), 4)
    for row in rows:
        assert row.task in result.output
        assert f"{row.hybrid:,}" in result.output
