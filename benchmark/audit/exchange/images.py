"""Shared types of annotation formats: images with their labels and suspicious labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from gridbench.datasets.readers.files import RASTER_SUFFIXES
from gridbench.errors import InputError, nearest

__all__ = ["Format", "ImageNames", "Labelled", "Suspected", "Task"]


@dataclass(frozen=True)
class Suspected:
    """A suspicious label: its class, whether it is given and probably wrong (else missing), and how probably."""

    label: str
    wrong: bool
    score: float

    @property
    def text(self) -> str:
        """The suspicion as people read it."""
        return f"{'wrong' if self.wrong else 'missing'}: {self.label} ({100 * self.score:.0f} %)"


@dataclass(frozen=True)
class Task:
    """An image to look at.

    Attributes:
        name: Name of the image in the archive.
        address: Address at which the tool finds the image: its name with the given prefix and suffix.
        size: (H, W) in pixels.
        given: Given labels.
        suspects: Its suspicious labels, the most suspicious first.
    """

    name: str
    address: str
    size: tuple[int, int]
    given: list[str]
    suspects: list[Suspected] = field(default_factory=list)

    @property
    def suggested(self) -> list[str]:
        """The image's labels as they would be if every suspicion above one half were right."""
        turned = {each.label: each.wrong for each in self.suspects if each.score > 0.5}
        kept = [name for name in self.given if not turned.get(name, False)]
        return kept + [name for name, wrong in turned.items() if not wrong]


@dataclass(frozen=True)
class Labelled:
    """Annotations of one image in a file.

    Attributes:
        name: The image, as the file names it.
        labels: Labels that it has; one set for each annotator.
        finished: Whether the file says that an annotator has finished it, so that unchanged labels are decisions, too.
    """

    name: str
    labels: tuple[frozenset[str], ...]
    finished: bool = False


@dataclass(frozen=True)
class Format:
    """A file format of annotation tools.

    Attributes:
        words: Description for `--help`.
        write: Tasks, classes and the audit's id -> the file.
        read: The file's path, for messages, and its content -> what it says of each image.
    """

    words: str
    write: Callable[[Sequence[Task], Sequence[str], str], bytes]
    read: Callable[[Path, bytes], list[Labelled]]


class ImageNames:
    """Finds images by the names that files give them: as they are, with another suffix or none, or below a folder.

    Args:
        where: The file, for messages.
        names: Names of the images.
        prefix: Prefix of the image names in the file.
    """

    def __init__(self, where: str, names: Sequence[str], prefix: str = "") -> None:
        self.where, self.prefix = where, prefix
        self.whole = {name: i for i, name in enumerate(names)}
        self.tails: dict[str, set[int]] = {}
        for i, name in enumerate(names):
            for tail in (name, _without_suffix(name)):
                self.tails.setdefault(tail, set()).add(i)

    def candidates(self, name: str) -> set[int]:
        """Return the positions of the images that a name may refer to; an exact match is the only one."""
        short = name.removeprefix(self.prefix).replace("\\", "/")
        for key in (name, short):
            if key in self.whole:
                return {self.whole[key]}
        parts = short.split("/")
        for first in range(len(parts)):
            tail = "/".join(parts[first:])
            found = self.tails.get(tail) or self.tails.get(_without_suffix(tail))
            if found:
                return found
        return set()

    def find(self, name: str) -> int:
        """Return the position of an image.

        Raises:
            InputError: There is none of the name, or several.
        """
        found = self.candidates(name)
        if len(found) == 1:
            return next(iter(found))
        what = f"{len(found)} images could be" if found else "there is no image"
        raise InputError(f"{self.where}: {what} {name!r:.200}.{nearest(name, self.whole)}")


def _without_suffix(name: str) -> str:
    """Return a name without the ending of an image: that of `tile.v2` is a part of the name."""
    ending = PurePosixPath(name).suffix
    return name[: -len(ending)] if ending.lower() in RASTER_SUFFIXES else name
