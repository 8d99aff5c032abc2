"""Discovery of images and masks in common folder layouts, and pairing of them by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from gridbench.datasets.readers.base import listed
from gridbench.datasets.readers.files import (
    RASTER_SUFFIXES,
    files_by_key,
    is_raster,
    other_kinds,
    raster_files,
    walk_files,
)
from gridbench.datasets.readers.folder.options import FolderOptions
from gridbench.datasets.readers.source_files import Unreadable, open_regular
from gridbench.datasets.readers.splitting import SPLIT_WORDS
from gridbench.errors import InputError

__all__ = [
    "FoundFiles",
    "files_called",
    "find_files",
    "first_file",
    "masks_in",
    "split_folders",
    "split_of_name",
]

_IMAGE_FOLDERS = ("images", "image", "img", "imgs", "jpegimages", "img_dir")
_MASK_FOLDERS = ("masks", "mask", "annotations", "labels", "gt", "segmentationclass", "ann_dir")
_MASK_ENDINGS = ("_mask", "_masks", "_label", "_labels", "_gt", "-mask", "-label")
_IMAGE_ENDINGS = ("_sat", "_image", "_img", "_rgb", "-image")
_MASK_WORDS = re.compile(r"(?:^|(?<=[/_-]))(mask|masks|label|labels|gt|annotation)(?=$|[/_-])")
_SPLIT_AND_IMAGES = re.compile(r"([a-z]+)[_-](?:images?|imgs?)|(?:images?|imgs?)[_-]([a-z]+)")
_SHORT = {"tr": "train", "te": "test", "ts": "test"}
_LOOKED_AT = 20
_MOST_XML = 1 << 20
_IMAGE_WORDS = ("image", "images", "img", "sat", "rgb")


@dataclass
class FoundFiles:
    """Images and masks by the key of the image.

    Attributes:
        images: Key of each image, its path below the folder without the suffix -> its file.
        masks: Key of each mask's image -> the mask; None when there are none.
        split: Key -> train, val or test, when the folders say it; else empty.
        reading: Where files were found, one line each.
        notes: What was passed over.
    """

    images: dict[str, Path]
    masks: dict[str, Path] | None
    split: dict[str, str] = field(default_factory=dict)
    reading: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find_files(root: Path, options: FolderOptions) -> FoundFiles:
    """Find images and masks, in the folders that the user named or in their usual places.

    Raises:
        InputError: There is no image, or no mask where masks were named.
    """
    for option, folder in (
        ("--images", options.images),
        ("--masks", options.masks),
        ("--clean-masks", options.clean_masks),
    ):
        if folder is not None and not folder.is_dir():
            raise InputError(f"{option}: there is no folder {folder}.")
    found = FoundFiles({}, None)
    pairs = _folder_pairs(root, options)
    for prefix, image_folder, mask_folder in pairs:
        apart = [each for each in (mask_folder, options.clean_masks) if each is not None]
        files = {path: is_raster(path) for path in walk_files(image_folder, apart)}
        images = files_by_key(image_folder, sorted(path for path, is_image in files.items() if is_image))
        masks: dict[str, Path] | None
        if mask_folder is None:
            images, masks = _divide_one_folder(images)
            where = f"{image_folder} (masks beside the images)" if masks else f"{image_folder}"
        else:
            masks = masks_in(mask_folder, images)
            where = f"{image_folder}, masks: {mask_folder}"
        found.reading.append(f"images: {where}")
        found.images |= {prefix + key: path for key, path in images.items()}
        if masks is not None:
            found.masks = {**(found.masks or {}), **{prefix + key: path for key, path in masks.items()}}
        known = {*images.values(), *(masks or {}).values()}
        others = [path for path in files if path not in known]
        endings = sorted({path.suffix.lower() or path.name for path in others})
        found.notes += _declared_beside(others)
        if image_folder != root and others:
            found.notes += listed("other kind", f"of files in {image_folder}, passed over", endings)
    if not found.images:
        where = " or ".join(str(image_folder) for _, image_folder, _ in pairs)
        kinds = ", ".join(filter(None, (other_kinds(image_folder) for _, image_folder, _ in pairs)))
        raise InputError(
            f"There is no image below {where}; name the folder with --images DIR."
            + (
                f" Files are there that end in {kinds}: unpack archives, and save images as PNG, JPEG or TIFF, or "
                "as one array of all (gridbench data prepare arrays)."
                if kinds
                else ""
            )
        )
    found.split = _split_of_folders(found.images)
    return found


def _declared_beside(others: Sequence[Path]) -> list[str]:
    """Return a sentence when one of the first side-cars of images says which pixels have no data."""
    kept = [path for path in others if path.name.lower().endswith((".msk", ".aux.xml"))]
    first = next(filter(_says_no_data, kept[:_LOOKED_AT]), None)
    if first is None:
        return []
    return [
        f"{first} says which pixels have no data, and is not read, as no file beside an image is: these pixels are "
        "read as data. Have the images declare a number as no data themselves"
    ]


def _says_no_data(path: Path) -> bool:
    if path.suffix.lower() == ".msk":
        return True
    try:
        with open_regular(path) as file:
            return b"<NoDataValue" in file.read(_MOST_XML)
    except Unreadable:
        return False


def masks_in(folder: Path, images: Mapping[str, Path]) -> dict[str, Path]:
    """Return the masks of a folder by the keys of their images.

    Raises:
        InputError: There is none, or two belong to one image.
    """
    masks: dict[str, Path] = {}
    for key, path in files_by_key(folder, raster_files(folder)).items():
        image = _image_key(key, images)
        if image in masks:
            raise InputError(f"Two masks belong to the image {image}: {masks[image]} and {path}.")
        masks[image] = path
    if not masks:
        raise InputError(f"There is no mask in {folder}.")
    return masks


def split_folders(root: Path) -> list[Path]:
    """Return the folders directly below that are called train, val, test or the like, a year behind it or not."""
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if path.is_dir() and split_of_name(path.name) is not None)


def first_file(root: Path, names: Sequence[str]) -> Path | None:
    """Return the first of some files that exists, ignoring case."""
    return next(iter(files_called(root, names)), None)


def files_called(root: Path, names: Sequence[str]) -> list[Path]:
    """Return those of some files that exist, ignoring case, in the given order."""
    there = _by_lower_name(root)
    return [there[name] for name in names if name in there and there[name].is_file()]


def _by_lower_name(root: Path) -> dict[str, Path]:
    """Return the entries of a folder by lower-case name; an entry that is lower case itself takes precedence."""
    return {path.name.lower(): path for path in sorted(root.iterdir())} if root.is_dir() else {}


def _folder_pairs(root: Path, options: FolderOptions) -> list[tuple[str, Path, Path | None]]:
    """Return (prefix of the keys, folder of images, folder of masks or None) for each part of an archive."""
    masks = options.masks or _first_folder(root, _MASK_FOLDERS)
    images = options.images or _first_folder(root, _IMAGE_FOLDERS)
    if images is not None or masks is not None:
        return [("", images or root, masks)]
    parts: list[tuple[str, Path, Path | None]] = []
    for folder in split_folders(root):
        inner = _first_folder(folder, _IMAGE_FOLDERS)
        inner_masks = _first_folder(folder, _MASK_FOLDERS)
        if inner is not None or inner_masks is not None:
            parts.append((f"{folder.name}/", inner or folder, inner_masks))
    for folder in sorted(root.iterdir()):
        match = _SPLIT_AND_IMAGES.fullmatch(folder.name.lower())
        word = match and (match[1] or match[2])
        split = _SHORT.get(word, word) if word else None
        if folder.is_dir() and word and split in SPLIT_WORDS:
            names = [f"{word}{dash}{mask}" for dash in "_-" for mask in _MASK_FOLDERS]
            names += [f"{mask}{dash}{word}" for dash in "_-" for mask in _MASK_FOLDERS]
            parts.append((f"{split}/", folder, _first_folder(root, names)))
    return parts or [("", root, None)]


def _divide_one_folder(images: dict[str, Path]) -> tuple[dict[str, Path], dict[str, Path] | None]:
    """Part `x_sat` and `x_mask`, or `x` and `x_mask`, that lie in one folder."""
    ended = {key for key in images if key.endswith(_MASK_ENDINGS)}
    rest = {key: path for key, path in images.items() if key not in ended}
    partners = {key: _image_key(key, rest) for key in ended}
    if not any(partner in rest for partner in partners.values()):
        return images, None
    return rest, {partners[key]: images[key] for key in sorted(ended)}


def _image_key(mask_key: str, images: Mapping[str, Path]) -> str:
    """Return the key of the image that a mask belongs to, or the mask's own key when none fits."""
    if mask_key in images:
        return mask_key
    name = PurePosixPath(mask_key)
    stems = [
        mask_key,
        *([str(name.with_suffix(""))] if name.suffix.lower() in RASTER_SUFFIXES else []),
        *(mask_key.removesuffix(ending) for ending in _MASK_ENDINGS if mask_key.endswith(ending)),
    ]
    candidates = [stem + ending for stem in stems for ending in ("", *_IMAGE_ENDINGS)]
    candidates += [_MASK_WORDS.sub(word, mask_key) for word in _IMAGE_WORDS]
    fitting = sorted({candidate for candidate in candidates if candidate in images})
    if len(fitting) > 1:
        raise InputError(
            f"The mask {mask_key} may belong to {' or '.join(fitting)}. Give it the name of its image."
        )
    return fitting[0] if fitting else mask_key


def split_of_name(folder: str) -> str | None:
    """Return the split that a folder's name says, a year behind it or not; None for other names.

    >>> split_of_name("Train2017"), split_of_name("valid"), split_of_name("Forest")
    ('train', 'val', None)
    """
    return SPLIT_WORDS.get(re.sub(r"[_-]?\d+$", "", folder.lower()))


def _split_of_folders(images: Mapping[str, Path]) -> dict[str, str]:
    """Return the split of each image when every one is in a folder named train, val, test or similar."""
    tops = {key: split_of_name(PurePosixPath(key).parts[0]) for key in images if "/" in key}
    found = {key: word for key, word in tops.items() if word is not None}
    return found if len(found) == len(images) else {}


def _first_folder(root: Path, names: Sequence[str]) -> Path | None:
    """Return the first of some folders that holds a raster file."""
    there = _by_lower_name(root)
    present = [there[name] for name in names if name in there and there[name].is_dir()]
    return next((folder for folder in present if any(map(is_raster, walk_files(folder)))), None)
