"""The packed, memory-mapped form of every data set."""

from __future__ import annotations

import copy
import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gridbench.core.files import open_file
from gridbench.core.zip_files import check_array_header
from gridbench.datasets.archive.arrayfile import file_sha256
from gridbench.datasets.archive.indexing import (
    CLEAN_LABEL_MAPS,
    CLEAN_SCENE_LABELS,
    INDEX,
    LABEL_MAPS,
    SCENE_LABELS,
    SPLIT,
    check_arrays,
    content_fingerprint,
    damaged_archive,
    read_index,
)
from gridbench.datasets.archive.layout import IGNORE, SPLITS, Georeference
from gridbench.datasets.archive.sample_lists import read_georeferences, read_names, read_sample_groups
from gridbench.datasets.archive.statistics import band_statistics
from gridbench.datasets.progress import Progress, silent
from gridbench.errors import InputError, nearest, reason_of

if TYPE_CHECKING:
    import torch

__all__ = ["INDEX", "Archive", "Group"]

# Memory-mapped files are never read as a whole, so their size is not limited.
_ANY_SIZE = 2**60


@dataclass(frozen=True)
class Group:
    """The bands of one resolution.

    Attributes:
        name: Short name, such as `"10m"`.
        bands: Band names in stored order.
        pixels: (N, bands, H, W) uint8 or uint16, memory-mapped.
    """

    name: str
    bands: tuple[str, ...]
    pixels: NDArray[Any]


class Archive:
    """Images, labels, names and split of one data set, opened read-only; made by `Archive.open`.

    Attributes:
        name: Name of the data set.
        directory: Folder that holds it.
        kind: Which reader built it, such as `"bluemarble"` or `"folder"`.
        class_names: Names of the C classes.
        fingerprint: sha256 in hex over pixels, labels, maps, names, split and class names.
        groups: Resolution groups, the finest first.
        band_names: Names of all bands in the order that `gather` returns.
        scene_labels: (N, C) uint8 in {0, 1}.
        clean_scene_labels: (N, C) uint8, a second and cleaner label file, or None.
        label_maps: (N, H, W) uint8, 255 = ignore, memory-mapped; None without maps.
        clean_label_maps: (N, H, W) uint8, a second and cleaner set of maps, memory-mapped; or None.
        mean: (bands,) float64 of the train split's stored numbers.
        std: (bands,) float64 of the train split's stored numbers.
        report: Findings of the reader that built it.
        plan: sha256 in hex over what was decided before a pixel was read.
        source: sha256 in hex of the plug-in that packed it; None for a built-in reader.
    """

    def __init__(self, directory: Path, index: dict[str, Any]) -> None:
        self.directory = directory
        self.name: str = index["name"]
        self.kind: str = index["kind"]
        self.class_names: tuple[str, ...] = tuple(index["class_names"])
        self.fingerprint: str = index["fingerprint"]
        self.mean = np.array(index["mean"], dtype=np.float64)
        self.std = np.array(index["std"], dtype=np.float64)
        self.report: dict[str, Any] = index["report"]
        self.plan: str = index["plan"]
        self.source: str | None = index.get("source")
        self._index = index
        arrays = {file: self._array(file) for file in index["files"] if file.endswith(".npy")}
        check_arrays(index, arrays)
        self.groups: tuple[Group, ...] = tuple(
            Group(g["name"], tuple(g["bands"]), arrays[g["file"]]) for g in index["groups"]
        )
        self.band_names: tuple[str, ...] = tuple(band for group in self.groups for band in group.bands)
        self.scene_labels: NDArray[np.uint8] = np.array(arrays[SCENE_LABELS])
        clean = arrays.get(CLEAN_SCENE_LABELS)
        self.clean_scene_labels: NDArray[np.uint8] | None = None if clean is None else np.array(clean)
        self.label_maps: NDArray[np.uint8] | None = arrays.get(LABEL_MAPS)
        self.clean_label_maps: NDArray[np.uint8] | None = arrays.get(CLEAN_LABEL_MAPS)
        self._split: NDArray[np.uint8] = np.array(arrays[SPLIT])

    @classmethod
    def open(cls, directory: Path, verify: bool = False) -> Archive:
        """Open a packed archive.

        Args:
            directory: Folder that a reader packed.
            verify: Whether to read every byte and compare it with the recorded hashes.

        Raises:
            InputError: There is no archive, its index is invalid, or a file is missing, truncated or changed.
        """
        directory = Path(directory)
        index = _read_index(directory)
        for file, facts in index["files"].items():
            path = directory / file
            size = path.stat().st_size if path.is_file() else -1
            if size != facts["bytes"]:
                found = "is missing" if size < 0 else f"has {size} bytes instead of {facts['bytes']}"
                raise damaged_archive(directory, f"its file {path} {found}")
        try:
            archive = cls(directory, index)
        except (KeyError, TypeError, ValueError) as error:
            raise damaged_archive(
                directory, f"it cannot be read ({type(error).__name__}: {error})"
            ) from error
        if _read_index(directory) != index:
            raise InputError(
                f"The archive {directory} was packed again while it was being opened. Run the same command again."
            )
        if verify:
            archive.verify()
        return archive

    def __len__(self) -> int:
        return len(self._split)

    @property
    def bands(self) -> int:
        """Number of bands over all groups."""
        return len(self.band_names)

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return len(self.class_names)

    @property
    def image_size(self) -> tuple[int, int]:
        """(H, W) of the finest group."""
        height, width = self.groups[0].pixels.shape[2:]
        return int(height), int(width)

    @property
    def has_maps(self) -> bool:
        """Whether images have label maps."""
        return self.label_maps is not None

    @property
    def has_clean_labels(self) -> bool:
        """Whether a second, cleaner set of labels shows which of the given ones are wrong."""
        return self.clean_scene_labels is not None or self.clean_label_maps is not None

    @property
    def true_scene_labels(self) -> NDArray[np.uint8]:
        """(N, C) the cleanest scene labels known: the second table where there is one."""
        return self.scene_labels if self.clean_scene_labels is None else self.clean_scene_labels

    @property
    def true_label_maps(self) -> NDArray[np.uint8] | None:
        """(N, H, W) the cleanest label maps known; None without maps."""
        return self.label_maps if self.clean_label_maps is None else self.clean_label_maps

    @functools.cached_property
    def names(self) -> list[str]:
        """Name of each sample in packed order."""
        return read_names(self.directory, self._index, len(self))

    @functools.cached_property
    def sample_groups(self) -> list[str] | None:
        """Group of each sample in packed order, such as the scene that it was cut from; None without groups."""
        return read_sample_groups(self.directory, self._index, len(self))

    @functools.cached_property
    def georeferences(self) -> list[Georeference | None] | None:
        """Georeference of each sample in packed order; None if no sample has one."""
        return read_georeferences(self.directory, self._index, len(self))

    def as_training(self) -> Archive:
        """Return a view of this archive in which every sample belongs to the train split, under another fingerprint.

        For cross-validation over a whole archive. Names, labels, pixels and statistics of the bands are the same.
        """
        view = copy.copy(self)
        view._split = np.full_like(self._split, SPLITS.index("train"))
        view.fingerprint = hashlib.sha256(f"{self.fingerprint} as training".encode()).hexdigest()
        return view

    def indices(self, split: str) -> NDArray[np.int64]:
        """Return the positions of one split in packed order, which says nothing about the classes.

        Args:
            split: `"train"`, `"val"` or `"test"`.
        """
        if split not in SPLITS:
            raise InputError(
                f"There is no split {split!r}.{nearest(split, SPLITS)} There are: {', '.join(SPLITS)}."
            )
        return np.flatnonzero(self._split == SPLITS.index(split)).astype(np.int64)

    def gather(self, indices: NDArray[np.int64]) -> torch.Tensor:
        """Return the raw numbers of some images with every band at the finest resolution.

        Args:
            indices: (B,) positions in the archive.

        Returns:
            (B, bands, H, W) float32; coarser groups are upsampled by the bicubic kernel a = -0.5.
        """
        import torch

        from gridbench.datasets.loading.upsampling import upsample

        parts = []
        for group in self.groups:
            native = torch.from_numpy(group.pixels[indices].astype(np.float32))
            parts.append(upsample(native, self.image_size))
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)

    def standardise(self, images: torch.Tensor) -> torch.Tensor:
        """Return (images - mean) / std per band, on the device of `images` (B, bands, H, W)."""
        mean, scale = self.scaling()
        return (images - mean.to(images.device)) * scale.to(images.device)

    def scaling(self, statistics: str = "train") -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean and 1 / std as (bands, 1, 1) float32; a band without variation is only centred.

        Args:
            statistics: `"train"` for those of the train split, `"published"` for the constants of GRID's code.

        Raises:
            InputError: No constants were published for archives of this kind.
        """
        import torch

        from gridbench.datasets.archive.published import published_statistics

        mean, std = self.mean, self.std
        if statistics == "published":
            mean, std = published_statistics(self.kind, self.band_names)
        scale = 1.0 / np.where(std > 0, std, 1.0)
        pair = [torch.from_numpy(values.astype(np.float32)).view(-1, 1, 1) for values in (mean, scale)]
        return pair[0], pair[1]

    def verify(self, progress: Progress = silent) -> None:
        """Read every byte, and recompute the hashes, the fingerprint and the statistics in the index.

        Raises:
            InputError: Something has changed since it was packed; the message names it.
        """
        files = self._index["files"]
        found = {}
        for done, (file, facts) in enumerate(files.items()):
            progress(done, len(files), f"checking {file}")
            found[file] = {"sha256": file_sha256(self.directory / file)}
            if found[file]["sha256"] != facts["sha256"]:
                raise damaged_archive(
                    self.directory, f"its file {self.directory / file} has changed since it was packed"
                )
        if content_fingerprint({**self._index, "files": found}) != self.fingerprint:
            raise damaged_archive(self.directory, "its fingerprint is not that of its content")
        progress(len(files), len(files), "computing the statistics again")
        self._verify_statistics()
        for maps in (self.label_maps, self.clean_label_maps):
            for label_map in () if maps is None else maps:
                if bool(((label_map >= self.num_classes) & (label_map != IGNORE)).any()):
                    raise damaged_archive(self.directory, "a label map holds a number that is not a class")
        # Reading a list checks it; one that has been read may have changed since.
        for read in (read_names, read_sample_groups, read_georeferences):
            read(self.directory, self._index, len(self))

    def _verify_statistics(self) -> None:
        train = self.indices("train")
        again = [
            band_statistics(self.directory / entry["file"], group.pixels.shape, entry["dtype"], train)
            for entry, group in zip(self._index["groups"], self.groups, strict=True)
        ]
        for name, stored, found in zip(
            ("mean", "std"), (self.mean, self.std), zip(*again, strict=True), strict=True
        ):
            if not np.allclose(stored, np.concatenate(found), rtol=1e-9, atol=0):
                raise damaged_archive(self.directory, f"the {name} in its index is not that of its pixels")

    def _array(self, file: str) -> NDArray[Any]:
        path = self.directory / file
        with open_file(path, _ANY_SIZE) as opened:
            check_array_header(opened, file, path.stat().st_size)
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        return np.asarray(array) if array.size == 0 else array


def _read_index(directory: Path) -> dict[str, Any]:
    path = directory / INDEX
    if not path.is_file():
        raise InputError(
            f"There is no packed archive in {directory} (no {INDEX}). "
            "Make one with: gridbench data prepare --help; see what there is with: gridbench data list"
        )
    try:
        return read_index(path)
    except (OSError, ValueError) as error:
        raise damaged_archive(directory, reason_of(error)) from error
