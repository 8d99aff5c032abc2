"""Pictures for the review page: thumbnails, full-size images, and outlines of label maps."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.datasets import Archive

__all__ = ["THUMBNAIL", "full_size", "outline", "reduced"]

Array = npt.NDArray[Any]

THUMBNAIL = 128
"""Longest side of the pictures in the page, in pixels; larger images lie beside the page in full size, too."""

LARGEST = 2048
PERCENT = (2, 98)


def reduced(archive: Archive, position: int) -> str:
    """Return a JPEG of at most 128 px as a data address, averaged over what each of its pixels covers."""
    return _address(_jpeg(archive, position, THUMBNAIL), "jpeg")


def full_size(archive: Archive, position: int) -> bytes:
    """Return a JPEG in full size, at most 2,048 px."""
    return _jpeg(archive, position, LARGEST)


def outline(archive: Archive, position: int) -> str | None:
    """Return the borders between the classes of an image's label map as a transparent PNG; None without a map."""
    from PIL import Image

    if archive.label_maps is None:
        return None
    classes = np.asarray(archive.label_maps[position])
    border = np.zeros(classes.shape, dtype=bool)
    border[:, 1:] |= classes[:, 1:] != classes[:, :-1]
    border[1:] |= classes[1:] != classes[:-1]
    picture = Image.fromarray(border.astype(np.uint8))
    picture.putpalette([0, 0, 0, 255, 230, 0])
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=0, bits=1, optimize=True)
    return _address(buffer.getvalue(), "png")


def _jpeg(archive: Archive, position: int, side: int) -> bytes:
    from PIL import Image

    picture = Image.fromarray(_colours(archive, position))
    # A box filter averages; taking every second pixel would show aliasing instead of the image.
    picture.thumbnail((side, side), Image.Resampling.BOX)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90, subsampling=0)
    return buffer.getvalue()


def _colours(archive: Archive, position: int) -> npt.NDArray[np.uint8]:
    """Return (H, W, 3): the first three bands, or one as grey; other types than uint8 stretched by percentiles."""
    pixels = archive.gather(np.array([position])).numpy()[0]
    pixels = pixels[:3] if len(pixels) >= 3 else np.repeat(pixels[:1], 3, axis=0)
    if archive.groups[0].pixels.dtype != np.uint8:
        low, high = np.percentile(pixels, PERCENT, axis=(1, 2), keepdims=True)
        pixels = (pixels - low) / np.maximum(high - low, 1e-9) * 255
    shown: npt.NDArray[np.uint8] = pixels.clip(0, 255).astype(np.uint8).transpose(1, 2, 0)
    return np.ascontiguousarray(shown)


def _address(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
