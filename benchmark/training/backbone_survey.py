"""Survey of untrained backbones: width and sign of their descriptors, and the distances that these allow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch

from gridbench.core.streams import torch_scope
from gridbench.errors import InputError
from gridbench.training.backbone import BackboneSpec, Probe, build_backbone, check_distance, probe

__all__ = ["BackboneRow", "survey_backbones"]


@dataclass(frozen=True)
class BackboneRow:
    """A backbone as it is built, from scratch.

    Attributes:
        name: Name in timm.
        width: Width of its descriptors; None when it cannot be used.
        lowest: Lowest number in the descriptors of random images; None when it cannot be used.
        map_width: Width of its feature map; None when it has none that can be used.
        refusal: Why it cannot be used at all, or empty.
        chi2: Whether the chi-square distance takes its descriptors.
    """

    name: str
    width: int | None
    lowest: float | None
    map_width: int | None
    refusal: str
    chi2: bool

    @property
    def sign(self) -> str:
        """Sign of the descriptors, in words."""
        if self.lowest is None:
            return ""
        return "never negative" if self.lowest >= 0 else f"negative (to {self.lowest:.2g})"

    @property
    def verdict(self) -> str:
        """How it can be used, in words."""
        if self.refusal:
            return f"refused: {self.refusal}"
        maps = "" if self.map_width is not None else "; no pixel losses"
        return ("every distance" if self.chi2 else "--distance or --descriptor-map needed") + maps


def survey_backbones(names: Iterable[str], bands: int, size: int) -> Iterator[BackboneRow]:
    """Build each backbone and yield the width and sign of its descriptors for random images.

    Args:
        names: Names in timm.
        bands: Number of input channels.
        size: Side of the images in pixels.
    """
    for name in names:
        spec = BackboneSpec(name, bands, (size, size))
        with torch_scope(torch.device("cpu"), 0, "init/backbone"):
            try:
                found = probe(build_backbone(spec), spec)
            except InputError as error:
                yield BackboneRow(name, None, None, None, str(error), False)
                continue
            yield BackboneRow(name, found.width, found.lowest, _map_width(spec), "", _takes_chi2(found, spec))


def _takes_chi2(found: Probe, spec: BackboneSpec) -> bool:
    try:
        check_distance(found, "chi2", spec)
    except InputError:
        return False
    return True


def _map_width(spec: BackboneSpec) -> int | None:
    maps = BackboneSpec(spec.name, spec.bands, spec.image_size, reads="feature_map")
    try:
        return probe(build_backbone(maps), maps).width
    except InputError:
        return None
