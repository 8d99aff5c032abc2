"""Access of noise models to the labels of a training set, which are validated and loaded lazily."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.errors import InputError
from gridbench.noise.core.corruption import Ints
from gridbench.noise.core.labels import check_single, checked_maps, checked_scene_labels, class_pixels

__all__ = ["LabelSet", "folders_of"]

Array = npt.NDArray[Any]


class LabelSet:
    """Scene labels, label maps and names of N images; what a model does not use is neither read nor checked.

    Args:
        num_classes: Number of classes C.
        scene_labels: (N, C) of 0 and 1, or None.
        maps: (N, H, W) whole numbers, or a function that reads them; None without maps.
        names: Names of the images, or none.
        difficulty: (N, C) difficulty of each entry, or a function that computes it from the number of similar images
            to compare with; None if unknown.
        descriptors: (N, D) integer appearance descriptors of the images, or a function that computes them; None if
            unknown.
        folders: (N,) folder of each image; None to derive it from the names, or a single folder without names.
        class_names: (C,) names of the classes; None if unknown.
    """

    def __init__(
        self,
        num_classes: int,
        scene_labels: Any = None,
        maps: Any = None,
        names: Sequence[str] | None = None,
        difficulty: Any = None,
        folders: Any = None,
        descriptors: Any = None,
        class_names: Sequence[str] | None = None,
    ) -> None:
        self.num_classes = num_classes
        self.names = names
        self.class_names = class_names
        self._scene_labels, self._maps = scene_labels, maps
        self._difficulty, self._folders, self._descriptors = difficulty, folders, descriptors

    @property
    def has_scene_labels(self) -> bool:
        """Whether there are scene labels."""
        return self._scene_labels is not None

    @property
    def has_maps(self) -> bool:
        """Whether there are label maps."""
        return self._maps is not None

    @cached_property
    def scene_labels(self) -> Array:
        """(N, C) of 0 and 1, not to be written to.

        Raises:
            InputError: There are none, or they hold something else.
        """
        if self._scene_labels is None:
            raise InputError("Scene labels were to be corrupted, and there are none.")
        return _read_only(checked_scene_labels(self._scene_labels))

    def check_single(self) -> None:
        """Check that every image has exactly one scene label.

        Raises:
            InputError: Some have none or several; the message counts them.
        """
        check_single(
            self.scene_labels, "Noise for single labels needs exactly one label per image, and", self.names
        )

    @cached_property
    def present(self) -> npt.NDArray[np.bool_]:
        """(N, C) which image has which class."""
        present: npt.NDArray[np.bool_] = self.scene_labels != 0
        return present

    @property
    def maps(self) -> Array:
        """(N, H, W) class ids, 255 and negative ones are ignored pixels; not to be written to.

        Raises:
            InputError: There are none, or they are not label maps of so many classes; the message names the sample.
        """
        return self._read_maps[0]

    @property
    def class_pixels(self) -> Ints:
        """(N, C) how many pixels of each map have each class; raises what `maps` raises."""
        return self._read_maps[1]

    @cached_property
    def _read_maps(self) -> tuple[Array, Ints]:
        if self._maps is None:
            raise InputError("Label maps were to be corrupted, and there are none.")
        maps = checked_maps(self._maps() if callable(self._maps) else self._maps, self.num_classes)
        return _read_only(maps), class_pixels(maps, self.num_classes)

    def difficulty(self, neighbours: int) -> Array | None:
        """Return (N, C), higher means that a label is easier to get wrong; None where it is not known.

        Args:
            neighbours: How many similar images are compared with, where it is computed.
        """
        found: Array | None = self._difficulty
        if callable(self._difficulty):
            found = self._difficulty(neighbours)
        return found

    @property
    def descriptors(self) -> Ints | None:
        """(N, D) whole numbers that describe the content of each image; None where they are not known."""
        found: Ints | None = self._descriptors() if callable(self._descriptors) else self._descriptors
        return found

    @property
    def folders(self) -> Array | None:
        """(N,) which images were stored together; None when nothing is known of it."""
        if self._folders is None and self.names is not None:
            return folders_of(self.names)
        folders: Array | None = self._folders
        return folders


def _read_only(array: Array) -> Array:
    """Return an array that a model cannot write to, so that it changes copies alone."""
    view = array.view()
    view.flags.writeable = False
    return view


def folders_of(names: Sequence[str]) -> Array:
    """Return (n,) the folder that each image lay in: its name up to the last slash, or without its closing number.

    Example:
        >>> folders_of(["beach/001", "beach01", "beach02"]).tolist()
        ['beach', 'beach', 'beach']
    """
    return np.array([name.rpartition("/")[0] or name.rstrip("0123456789") for name in names], dtype=np.str_)
