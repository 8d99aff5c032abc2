"""The ranked list of suspicious regions, and correction of masks by decisions about them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from gridbench.audit.correction import ACCEPT, REJECT, UNSURE, check_once, table_lines
from gridbench.audit.exchange.geography import Feature, located
from gridbench.audit.export import LIST
from gridbench.audit.masks.audit import MaskAudit
from gridbench.audit.masks.regions import KINDS, SHIFTED
from gridbench.core.csv_files import as_written, csv_text
from gridbench.core.files import image_paths, write_bytes
from gridbench.datasets import Archive
from gridbench.datasets.archive.layout import Georeference
from gridbench.errors import InputError, reason_of

__all__ = [
    "corrected_maps",
    "decided_findings",
    "list_rows",
    "mask_features",
    "mask_paths",
    "write_mask_list",
    "write_masks",
]

Array = npt.NDArray[Any]

COLUMNS = ("sample", "finding", "decision")


def list_rows(audit: MaskAudit, archive: Archive) -> tuple[list[str], list[list[str]]]:
    """Return the header and a row for each finding, the most certain first; its number is its rank from 1."""
    header = ["finding", "sample", "kind", "given", "suspected", "probability", "pixels", "row", "column"]
    header += ["down", "across"] + ([] if audit.injected is None else ["injected"])
    names, classes, width = archive.names, archive.class_names, audit.given.shape[2]
    rows = []
    for at, (i, one) in enumerate(zip(audit.images, audit.findings, strict=True)):
        middle = one.pixels[len(one.pixels) // 2]
        row = [
            str(at + 1),
            names[audit.positions[i]],
            KINDS[one.kind],
            classes[one.given],
            classes[one.suspected],
        ]
        row += [f"{audit.scores[at]:.4f}", str(len(one.pixels)), str(middle // width), str(middle % width)]
        row += [str(each) for each in one.moved]
        if audit.injected is not None:
            row.append(f"{audit.injected[at]:.2f}")
        rows.append(row)
    return header, rows


def mask_features(audit: MaskAudit, archive: Archive, count: int) -> list[Feature]:
    """Return the columns of the list, and the outlines, of the first findings in images whose place is known.

    Raises:
        InputError: There is none.
    """
    header, rows = list_rows(audit, archive)
    found = [
        (int(audit.positions[i]), dict(zip(header, row, strict=True)), one.pixels)
        for i, row, one in zip(audit.images[:count], rows, audit.findings, strict=False)
    ]
    return located(archive, found, (audit.given.shape[1], audit.given.shape[2]))


def write_mask_list(audit: MaskAudit, archive: Archive, count: int) -> Path:
    """Write the first findings as audit.csv and return where it is."""
    header, rows = list_rows(audit, archive)
    path = audit.folder / LIST
    write_bytes(path, csv_text([header, *rows[:count]]).encode())
    return path


def decided_findings(path: Path, audit: MaskAudit, archive: Archive) -> dict[int, str]:
    """Read decisions.csv as the page exports it: position of a finding -> accept, reject or unsure.

    Raises:
        InputError: The file cannot be read, or names a finding or a decision that there is not.
    """
    this = f"gridbench audit {audit.document['id']}"
    try:
        lines = table_lines(path)
        rows = [
            (*(as_written(str(line[column])) for column in COLUMNS), line.get("audit") or this)
            for line in lines
        ]
        if not rows:
            raise ValueError("it holds no decision")
    except KeyError as error:
        raise InputError(
            f"The decisions {str(path)!r} lack the column {error}; an audit of label maps has {', '.join(COLUMNS)}."
        ) from None
    except InputError:
        raise
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"The decisions {str(path)!r} cannot be read: {reason_of(error, path)}.") from None
    decisions: dict[int, str] = {}
    for sample, number, decision, made_for in rows:
        if made_for != this:
            raise InputError(
                f"{path}: these are decisions of {made_for!r:.60}; {str(audit.folder)!r} is {this!r}, whose findings "
                "have other numbers. Give the folder of their audit, or decide again."
            )
        at = int(number) - 1 if number.isascii() and number.isdecimal() and len(number) < 10 else -1
        if not 0 <= at < len(audit):
            raise InputError(f"{path}: the finding {number!r} must be a number from 1 to {len(audit)}.")
        name = archive.names[audit.positions[audit.images[at]]]
        if sample != name:
            raise InputError(
                f"{path}: the finding {number} is of {name!r}, not of {sample!r}: of another audit?"
            )
        if decision not in (ACCEPT, REJECT, UNSURE):
            raise InputError(f"{path}: the decision {decision!r} must be {ACCEPT}, {REJECT} or {UNSURE}.")
        check_once(path, f"the finding {number}", decisions.setdefault(at, decision), decision)
    return decisions


def corrected_maps(audit: MaskAudit, accepted: Iterable[int]) -> Array:
    """Return (N, H, W) the audited maps with accepted findings changed: displaced ones first, then regions.

    Args:
        audit: The audit.
        accepted: Positions of findings.
    """
    maps = audit.given.copy()
    for at in sorted(accepted, key=lambda at: (audit.findings[at].kind != SHIFTED, at)):
        one = audit.findings[at]
        maps[audit.images[at]].ravel()[one.pixels] = one.becomes
    return maps


def mask_paths(archive: Archive, folder: Path) -> list[Path]:
    """Return the file of each image's mask: GeoTIFF where the archive has the image's georeference, else PNG.

    Raises:
        InputError: Two images would have the same file.
    """
    places: Sequence[Georeference | None] = archive.georeferences or [None] * len(archive)
    return image_paths(folder, archive.names, [".png" if place is None else ".tif" for place in places])


def write_masks(archive: Archive, maps: Array, folder: Path) -> int:
    """Write masks as files of one byte a pixel, the position of the class or 255; return how many.

    Args:
        archive: The archive, for names and georeferences.
        maps: (N, H, W) label maps of all its images.
        folder: Output folder, created if it does not exist.
    """
    places = archive.georeferences or [None] * len(archive)
    for one, path, place in zip(maps, mask_paths(archive, folder), places, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, _file(one, place))
    return len(maps)


def _file(one: Array, place: Georeference | None) -> bytes:
    if place is None:
        from PIL import Image

        buffer = io.BytesIO()
        Image.fromarray(one).save(buffer, format="PNG")
        return buffer.getvalue()
    from rasterio.io import MemoryFile
    from rasterio.transform import Affine

    height, width = one.shape
    shape = {"driver": "GTiff", "count": 1, "height": height, "width": width, "dtype": "uint8"}
    with MemoryFile() as memory:
        with memory.open(
            **shape, crs=place.crs, transform=Affine(*place.transform), compress="deflate"
        ) as file:
            file.write(one, 1)
        return bytes(memory.read())
