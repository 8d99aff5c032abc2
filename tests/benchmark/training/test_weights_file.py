"""Weights files as training scripts leave them: prefixes, nested dictionaries, stems of other bands."""

import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.models import adapt_input_conv
from timm.models.vision_transformer import checkpoint_filter_fn

from gridbench.errors import InputError
from gridbench.training.weights_file import load_weights


def network(bands=3, seed=0):
    torch.manual_seed(seed)
    return timm.create_model("test_resnet", num_classes=0, in_chans=bands)


def weights(bands=3, seed=1, prefix=""):
    state = network(bands, seed).state_dict()
    return {prefix + name: value for name, value in state.items()}


def same(model, state):
    return all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "model.encoder.", "student.module.backbone."])
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_any_prefix_is_found_and_told(tmp_path, prefix, suffix):
    file, state = tmp_path / f"w{suffix}", weights(prefix=prefix)
    state["head.weight"] = torch.ones(3, 4)
    (save_file if suffix == ".safetensors" else torch.save)(state, file)
    model = network()
    found = load_weights(model, file, "test_resnet")
    assert same(model, weights())
    assert found.document() == {"prefix": prefix}


def test_nested_dictionaries_are_named_by_their_path(tmp_path):
    file = tmp_path / "checkpoint.pth"
    torch.save({"epoch": 7, "state_dict": weights(prefix="module."), "optimizer": {"lr": 0.1}}, file)
    model = network()
    assert load_weights(model, file, "test_resnet").prefix == "state_dict.module."
    assert same(model, weights())


def test_two_networks_in_one_file_need_a_word(tmp_path):
    file = tmp_path / "dino.pth"
    torch.save(
        {"teacher": weights(seed=2, prefix="backbone."), "student": weights(seed=3, prefix="backbone.")}, file
    )
    model = network()
    with pytest.raises(InputError, match=r"--weights-prefix: 'student\.backbone\.', 'teacher\.backbone\.'"):
        load_weights(model, file, "test_resnet")
    load_weights(model, file, "test_resnet", "teacher.backbone.")
    assert same(model, weights(seed=2))
    with pytest.raises(InputError, match=r"of another shape under the prefix .ema\."):
        load_weights(model, file, "test_resnet", "ema.")


@pytest.mark.parametrize("bands", [1, 4, 12])
def test_a_stem_of_colours_is_converted_as_timm_does(tmp_path, bands):
    file = tmp_path / "w.safetensors"
    save_file(weights(prefix="module."), file)
    model = network(bands)
    found = load_weights(model, file, "test_resnet")
    assert found.document()["stem"] == f"3 bands to {bands} by timm's adapt_input_conv"
    stem = model.pretrained_cfg["first_conv"] + ".weight"
    assert torch.equal(model.state_dict()[stem], adapt_input_conv(bands, weights()[stem]))
    others = {name: value for name, value in weights().items() if name != stem}
    assert all(torch.equal(model.state_dict()[name], value) for name, value in others.items())


@pytest.mark.parametrize("name", ["test_vit", "vit_tiny_patch16_224", "vit_base_patch14_dinov2"])
def test_positions_of_another_image_size_are_resampled_as_timm_does(tmp_path, name):
    """DINOv2's weights are those of images of 518 px."""
    small = {"embed_dim": 12, "depth": 1, "num_heads": 2, "num_classes": 0}
    patch = 14 if "14" in name else 16
    file = tmp_path / "w.safetensors"
    theirs = timm.create_model(name, img_size=6 * patch, **small)
    save_file(theirs.state_dict(), file)
    model = timm.create_model(name, img_size=4 * patch, **small)
    found = load_weights(model, file, name)
    assert found.document()["positions"] == "37 tokens to 17 by timm's resample_abs_pos_embed"
    expected = checkpoint_filter_fn(theirs.state_dict(), model)
    state = model.state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[entry], value) for entry, value in expected.items())


def test_other_positions_are_refused(tmp_path):
    """A row of five patches is not a square."""
    file = tmp_path / "w.safetensors"
    model = timm.create_model("test_vit", num_classes=0, img_size=32)
    save_file({**model.state_dict(), "pos_embed": torch.zeros(1, 6, 64)}, file)
    with pytest.raises(InputError, match=r"the first being 'pos_embed'"):
        load_weights(model, file, "test_vit")


def test_other_stems_are_refused(tmp_path):
    file = tmp_path / "w.safetensors"
    save_file(weights(bands=13), file)
    with pytest.raises(InputError, match=r"1 of .* entries are missing or of another shape"):
        load_weights(network(4), file, "test_resnet")


def test_another_network_is_refused(tmp_path):
    file = tmp_path / "w.safetensors"
    save_file(timm.create_model("test_vit", num_classes=0).state_dict(), file)
    with pytest.raises(InputError, match="does not fit the backbone 'test_resnet'"):
        load_weights(network(), file, "test_resnet")
