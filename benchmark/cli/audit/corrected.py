"""What corrected labels and corrected masks have in common: the request, images beside them, and the next command."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gridbench.core.terminal import say
from gridbench.errors import InputError, counted

if TYPE_CHECKING:
    from gridbench.datasets import Archive

__all__ = ["Request"]


@dataclass(frozen=True)
class Request:
    """What `gridbench audit apply` was asked for, of audits of labels and of label maps.

    Attributes:
        folder: The audit's folder.
        decisions: File of decisions.
        top: How many of the first findings to change unseen, as typed.
        splits: `train`, or `all` to change validation and test images, too.
        out: Output folder.
        images: Whether to write the images, too.
        force: Whether to replace files.
        with_injected_noise: Whether to go on although the audited labels hold injected noise.
        cache: The cache folder of the archive; None for the user's own.
    """

    folder: Path
    decisions: Path | None
    top: str | None
    splits: str
    out: Path
    images: bool
    force: bool
    with_injected_noise: bool
    cache: Path | None

    def refuse_injected(self, injected: bool, what: str) -> None:
        """Refuse labels with injected noise unless they are asked for.

        Raises:
            InputError: The audited labels hold injected noise.
        """
        if injected and not self.with_injected_noise:
            raise InputError(
                f"The {what} audited in {str(self.folder)!r} hold noise that was put in on purpose (--slnir), so "
                "corrected ones would not be yours. Audit again without --slnir, or say --with-injected-noise for an "
                "experiment."
            )

    def write_images(self, archive: Archive) -> int:
        """Write the images if they are asked for, and return how many."""
        from gridbench.audit.export import write_images

        return write_images(archive, self.out / "images") if self.images else 0

    def finish(
        self, archive: Archive, images: int, own_images: Sequence[str], always: Sequence[str] = ()
    ) -> None:
        """Print what images were written, and the command that prepares the corrected archive.

        Args:
            archive: The audited archive.
            images: How many images were written.
            own_images: Options of the command when the images are in a folder of the user's.
            always: Options of the command in both cases.
        """
        if self.images:
            say(f"{counted(images, 'image')} written to {self.out / 'images'}.")
        words = ["gridbench", "data", "prepare", "folder", "--data"]
        words += [str(self.out)] if self.images else ["YOUR-FOLDER", *own_images]
        words += [*always, "--name", f"{archive.name}-corrected"]
        words += [] if self.cache is None else ["--cache", str(self.cache)]
        say(f"Next: {shlex.join(words)}")
