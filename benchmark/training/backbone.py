"""Backbones from timm: features for heads, descriptors for retrieval, and a check before training."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gridbench.errors import InputError, nearest, reason_of
from gridbench.training.compile import compiled
from gridbench.training.pretrained import SOURCES, model_config, published_weights
from gridbench.training.weights_file import Loaded, load_weights, read_weights

__all__ = ["BackboneSpec", "Probe", "TimmBackbone", "build_backbone", "probe", "require_backbone"]

DESCRIPTOR_MAPS: dict[str, Callable[[Tensor], Tensor]] = {"relu": F.relu, "softplus": F.softplus}


@dataclass(frozen=True)
class BackboneSpec:
    """Specification of a backbone.

    Attributes:
        name: A timm model name, with its tag if any; or one of `SOURCES` and where there.
        bands: Number of input channels.
        image_size: (H, W) of the images it will see.
        reads: What heads read: the pooled descriptor or the feature map.
        pretrained: Whether timm's published weights are loaded.
        weights: A safetensors or torch state-dict file to start from instead.
        weights_prefix: Prefix of the parameter names in that file; None to detect it.
        frozen: Whether the backbone is frozen: kept in evaluation mode and without gradients.
        output_stride: Stride of the feature map, where the model can be dilated.
        descriptor_map: None, or the non-negative map applied to features: relu or softplus.
        precision: Arithmetic of the forward and backward pass: float32, or bfloat16 with autocast. The output is
            float32 in both cases.
        memory_format: Memory format of images and weights: None for contiguous, or channels_last.
        compiled: Whether torch.compile is used for training; it is never used for evaluation.
    """

    name: str
    bands: int
    image_size: tuple[int, int]
    reads: Literal["descriptor", "feature_map"] = "descriptor"
    pretrained: bool = False
    weights: str | None = None
    weights_prefix: str | None = None
    frozen: bool = False
    output_stride: int | None = None
    descriptor_map: str | None = None
    precision: str = "float32"
    memory_format: str | None = None
    compiled: bool = False


@dataclass(frozen=True)
class Probe:
    """Result of one forward pass on random input: width and lowest value of the descriptors."""

    width: int
    lowest: float
    feature_size: tuple[int, int] | None


class TimmBackbone(nn.Module):
    """A timm model without its classifier.

    Args:
        model: The timm model.
        spec: How it was built.

    Attributes:
        width: Width of its descriptors.
        loaded: How a weights file was fitted to it; None without one.
        frozen: Whether it stays as it starts.
        known: Images, their version and their features, which are returned for that very tensor if unchanged.
    """

    width: int
    loaded: Loaded | None = None
    known: tuple[Tensor, int, Tensor] | None = None

    def __init__(self, model: nn.Module, spec: BackboneSpec) -> None:
        super().__init__()
        self.model = model
        self.reads = spec.reads
        self.frozen = spec.frozen
        self._map = DESCRIPTOR_MAPS[spec.descriptor_map] if spec.descriptor_map else None
        self._channels_last = spec.memory_format == "channels_last"
        self._bfloat16 = spec.precision == "bfloat16"
        self._compiled = spec.compiled
        # A function rather than a module, so that parameter names stay those of the model.
        self._in_training = compiled(self._pass) if self._compiled else self._pass

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over a copied state; a compiled function would continue to use the weights of the original."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._in_training = compiled(self._pass) if self._compiled else self._pass

    def features(self, images: Tensor) -> Tensor:
        """Return (B, width) descriptors, or the (B, width, h, w) feature map for heads that read maps; float32."""
        if self.known is not None and self.known[0] is images and self.known[1] == images._version:
            return self.known[2]
        if self._channels_last:
            images = images.contiguous(memory_format=torch.channels_last)
        run = self._in_training if self.training else self._pass
        if not self._bfloat16:
            return run(images)
        with torch.autocast(images.device.type, torch.bfloat16):
            output = run(images)
        return output.float()

    def _pass(self, images: Tensor) -> Tensor:
        if self.reads == "descriptor":
            output: Tensor = self.model(images)
        else:
            output = _channels_first(self.model.forward_features(images), self.model)  # type: ignore[operator]
        return self._map(output) if self._map else output

    def train(self, mode: bool = True) -> TimmBackbone:
        """Switch to training or evaluation; a frozen backbone stays in evaluation."""
        return super().train(mode and not self.frozen)

    def pool(self, features: Tensor) -> Tensor:
        """Return (B, width) descriptors: the mean over positions of a feature map, or the descriptors as they are."""
        return features.mean((2, 3)) if features.ndim == 4 else features

    def forward(self, images: Tensor) -> Tensor:
        """Return the (B, width) descriptors of images (B, bands, H, W)."""
        return self.pool(self.features(images))


def build_backbone(spec: BackboneSpec) -> TimmBackbone:
    """Build a backbone; its initial weights come from torch's global generator, which the caller has seeded.

    Raises:
        InputError: There is no such model, it cannot be built as asked, or its weights cannot be had.
    """
    backbone = TimmBackbone(_create(spec), spec)
    if spec.pretrained and spec.name.startswith(SOURCES):
        backbone.loaded = load_weights(backbone.model, published_weights(spec.name).path, spec.name)
    if spec.weights:
        backbone.loaded = load_weights(backbone.model, Path(spec.weights), spec.name, spec.weights_prefix)
    if spec.frozen:
        backbone.requires_grad_(False)
    if spec.memory_format == "channels_last":
        backbone.to(memory_format=torch.channels_last)
    backbone.width = probe(backbone, spec).width
    return backbone


@torch.no_grad()
def probe(backbone: nn.Module, spec: BackboneSpec) -> Probe:
    """Pass random images through a network once, without changing it or any random state.

    Args:
        backbone: A backbone, or a method's own descriptor network that gives (B, D) descriptors.
        spec: What the backbone is and which images it will see.

    Raises:
        InputError: The network cannot take images of that size.
    """
    training = backbone.training
    backbone.eval()
    images = torch.randn(4, spec.bands, *spec.image_size, generator=torch.Generator().manual_seed(0))
    parameter = next(backbone.parameters(), images)
    try:
        images = images.to(parameter.device)
        features = backbone.features(images) if isinstance(backbone, TimmBackbone) else backbone(images)
    except Exception as error:
        size = "x".join(map(str, spec.image_size))
        raise InputError(
            f"The backbone {spec.name!r} cannot take {spec.bands}-band images of {size} px: {reason_of(error)}"
        ) from error
    finally:
        backbone.train(training)
    descriptors = (backbone.pool(features) if isinstance(backbone, TimmBackbone) else features).float()
    if descriptors.ndim != 2 or not torch.isfinite(descriptors).all():
        raise InputError(
            f"The backbone {spec.name!r} gives no usable descriptor: shape {tuple(descriptors.shape)}, "
            f"{'all finite' if torch.isfinite(descriptors).all() else 'not all finite'}."
        )
    size_of_map = (int(features.shape[2]), int(features.shape[3])) if features.ndim == 4 else None
    return Probe(int(descriptors.shape[1]), float(descriptors.min()), size_of_map)


def check_distance(found: Probe, distance: str, spec: BackboneSpec) -> None:
    """Refuse a backbone whose descriptors a distance cannot compare, before anything is trained.

    Raises:
        InputError: Descriptors are negative and the distance is chi-square, which needs non-negative ones.
    """
    if distance == "chi2" and found.lowest < 0:
        raise InputError(
            f"The backbone {spec.name!r} gives negative descriptors (down to {found.lowest:.3g}), and the "
            "chi-square distance needs non-negative ones. Use --distance euclidean|cosine|manhattan, or "
            "--descriptor-map relu|softplus."
        )


def require_backbone(name: str) -> None:
    """Refuse a name that timm does not have. The first call imports timm, which takes a second or two.

    Raises:
        InputError: With the nearest name.
    """
    import timm

    family = name.split(".")[0]
    if not name.startswith(SOURCES) and not timm.is_model(family):
        raise InputError(
            f"There is no backbone {name!r} in timm.{nearest(family, timm.list_models())} "
            "`gridbench list backbones PATTERN` lists them; hf-hub:OWNER/NAME and local-dir:FOLDER are taken, too."
        )


def _create(spec: BackboneSpec) -> nn.Module:
    require_backbone(spec.name)
    # For such sources timm silently loads only the weights that fit; `load_weights` requires all of them.
    pretrained = spec.pretrained and not spec.name.startswith(SOURCES)
    options: dict[str, Any] = {"pretrained": pretrained, "num_classes": 0, "in_chans": spec.bands}
    if spec.output_stride is not None:
        options["output_stride"] = spec.output_stride
    if spec.image_size != (224, 224):
        # Only some models have a size, and those that have none say so by a TypeError. The error must not be kept: it
        # holds its frames, and with them whatever built this backbone, archive and all.
        with suppress(TypeError):
            return _made(spec, {**options, "img_size": spec.image_size})
    try:
        return _made(spec, options)
    except TypeError as error:
        raise InputError(f"The backbone {spec.name!r} cannot be built: {error}") from error


def _made(spec: BackboneSpec, options: dict[str, Any]) -> nn.Module:
    import timm

    if options["pretrained"]:
        # Load the same file whose hash is in the run's identity.
        path = published_weights(spec.name).path
        options["pretrained_cfg_overlay"] = {"state_dict": read_weights(path)}
    try:
        config = model_config(spec.name)
        # As a local folder, so that the hub is not queried again.
        name = spec.name if config is None else f"local-dir:{config.parent}"
        model: nn.Module = timm.create_model(name, **options)
        getattr(model, "pretrained_cfg", {}).pop("state_dict", None)
        return model
    except TypeError:
        raise
    except Exception as error:
        raise InputError(f"The backbone {spec.name!r} cannot be built: {reason_of(error)}") from error


def _channels_first(features: Any, model: nn.Module) -> Tensor:
    if not isinstance(features, Tensor):
        raise ValueError(f"its features are a {type(features).__name__}, not one tensor")
    if features.ndim == 3:
        tokens = features[:, int(getattr(model, "num_prefix_tokens", 0)) :]
        side = math.isqrt(tokens.shape[1])
        if side * side != tokens.shape[1]:
            raise ValueError(f"its {tokens.shape[1]} tokens form no square map")
        return tokens.transpose(1, 2).reshape(len(tokens), -1, side, side)
    if str(getattr(model, "output_fmt", "NCHW")).endswith("NHWC"):
        return features.permute(0, 3, 1, 2)
    return features
