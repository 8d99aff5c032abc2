"""The packed, memory-mapped form that every data set has once it is read."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gridbench.datasets.archive.arrayfile import file_sha256
from gridbench.datasets.archive.layout import SPLITS
from gridbench.datasets.progress import Progress, silent
from gridbench.errors import InputError, nearest

if TYPE_CHECKING:
    import torch

__all__ = ["GROUPS", "INDEX", "SCHEMA", "Archive", "Group", "content_fingerprint", "index_checksum"]

INDEX = "index.json"
SCHEMA = 1
GROUPS = "sample_groups.json"
LABEL_MAPS = "label_maps.npy"
SOURCES = "sources.npy"
"""(N, 32) uint8, sha256 over each sample's source files: known, but no part of the content."""


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
        report: What the reader found out while building it.
        plan: sha256 in hex over what was decided before a pixel was read; the same work has the same.
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
        self._index = index
        groups = [Group(g["name"], tuple(g["bands"]), self._array(g["file"])) for g in index["groups"]]
        self.groups: tuple[Group, ...] = tuple(groups)
        self.band_names: tuple[str, ...] = tuple(band for group in groups for band in group.bands)
        self.scene_labels: NDArray[np.uint8] = np.array(self._array("scene_labels.npy"))
        self.clean_scene_labels: NDArray[np.uint8] | None = self._optional("clean_scene_labels.npy")
        self.label_maps: NDArray[np.uint8] | None = self._mapped(LABEL_MAPS)
        self.clean_label_maps: NDArray[np.uint8] | None = self._mapped("clean_label_maps.npy")
        self._split: NDArray[np.uint8] = np.array(self._array("split.npy"))

    @classmethod
    def open(cls, directory: Path, verify: bool = False) -> Archive:
        """Open a packed archive.

        Args:
            directory: Folder that a reader packed.
            verify: Whether to read every byte and compare it with the recorded hashes.

        Raises:
            InputError: There is none, it is not one of ours, or a file is missing, cut short or changed.
        """
        directory = Path(directory)
        index = _read_index(directory)
        for file, facts in index["files"].items():
            path = directory / file
            size = path.stat().st_size if path.is_file() else -1
            if size != facts["bytes"]:
                found = "is missing" if size < 0 else f"has {size} bytes instead of {facts['bytes']}"
                raise _damaged(directory, f"its file {path} {found}")
        try:
            archive = cls(directory, index)
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(directory, f"it cannot be read ({type(error).__name__}: {error})") from error
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
        """Whether every pixel has a class."""
        return self.label_maps is not None

    @property
    def has_clean_labels(self) -> bool:
        """Whether a second, cleaner set of labels tells which of the given ones are wrong."""
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
        return (self.directory / "names.txt").read_text(encoding="utf-8").split("\n")[:-1]

    @functools.cached_property
    def sample_groups(self) -> list[str] | None:
        """Group of each sample in packed order, such as the scene that it was cut from; None without groups."""
        if GROUPS not in self._index["files"]:
            return None
        return list(json.loads((self.directory / GROUPS).read_text(encoding="utf-8")))

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
        """Read every byte and compare it with the hashes recorded at packing.

        Raises:
            InputError: A file has changed; the message names it.
        """
        files = self._index["files"]
        for done, (file, facts) in enumerate(files.items()):
            progress(done, len(files), f"checking {file}")
            if file_sha256(self.directory / file) != facts["sha256"]:
                raise _damaged(
                    self.directory, f"its file {self.directory / file} has changed since it was packed"
                )
        progress(len(files), len(files), "checked")

    def _array(self, file: str) -> NDArray[Any]:
        array = np.load(self.directory / file, mmap_mode="r", allow_pickle=False)
        return np.asarray(array) if array.size == 0 else array

    def _mapped(self, file: str) -> NDArray[Any] | None:
        return self._array(file) if file in self._index["files"] else None

    def _optional(self, file: str) -> NDArray[Any] | None:
        return np.array(self._array(file)) if file in self._index["files"] else None


def content_fingerprint(index: dict[str, Any]) -> str:
    """Hash what an archive's content is: its files' hashes, its bands and its class names."""
    content = {
        "schema": index["schema"],
        "class_names": index["class_names"],
        "groups": index["groups"],
        "files": {file: facts["sha256"] for file, facts in index["files"].items() if file != SOURCES},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def index_checksum(index: dict[str, Any]) -> str:
    """Hash an index without its own checksum."""
    rest = {key: value for key, value in index.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _read_index(directory: Path) -> dict[str, Any]:
    path = directory / INDEX
    if not path.is_file():
        raise InputError(
            f"There is no packed archive in {directory} (no {INDEX}). "
            "Make one with: gridbench data prepare --help; see what there is with: gridbench data list"
        )
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        schema = index["schema"]
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(directory, f"{path} is not an archive's index ({error})") from error
    if schema != SCHEMA:
        raise _damaged(directory, f"it has form {schema!r} and this version of gridbench reads form {SCHEMA}")
    if index.get("checksum") != index_checksum(index):
        raise _damaged(directory, f"{path} has changed since it was packed")
    return dict(index)


def _damaged(directory: Path, what: str) -> InputError:
    return InputError(
        f"The packed archive {directory} cannot be used: {what}. Delete that folder and build it again: "
        f"gridbench data prepare --help"
    )
