"""Text reports on how an archive was read, and on the findings from packing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gridbench.errors import counted

if TYPE_CHECKING:
    from gridbench.datasets.archive.archive import Archive
    from gridbench.datasets.readers.base import Plan

__all__ = ["packed_lines", "plan_lines", "report_lines"]

_LISTED = 10
_SHOWN = 3
# Limitations of an archive without validation images, and of one without training or test images.
_USELESS = ("nothing can be selected on validation", "gridbench run needs train and test images")


def plan_lines(plan: Plan, name: str) -> list[str]:
    """Return what an archive would be, for `--dry-run`, before a pixel of an image is read."""
    counts = {split: list(plan.split).count(split) for split in ("train", "val", "test")}
    splits = ", ".join(f"{split} {count}" for split, count in counts.items())
    maps = "" if plan.layout.map_size is None else ", label maps"
    first = plan.layout.groups[0]
    sizes = f"{first.height} x {first.width} x {sum(len(group.bands) for group in plan.layout.groups)}"
    bands = "; ".join(f"{', '.join(group.bands)} ({group.dtype})" for group in plan.layout.groups)
    lines = [f"{name} would have {counted(len(plan.names), 'image')} of {sizes}, {splits}{maps}"]
    lines += [f"bands: {bands}", *report_lines(dict(plan.report))]
    lines += [f"WARNING: {warning}" for warning in _empty(counts)]
    return [*lines, "nothing was packed (--dry-run)"]


def report_lines(report: dict[str, Any], failures: int = _LISTED) -> list[str]:
    """Return how an archive was read and what packing found out: notes, findings, and the files that failed."""
    from gridbench.datasets.readers.base import first_lines

    lines = list(report.get("reading", []))
    lines += [f"note: {note}" for note in report.get("notes", [])]
    often = sorted(report.get("findings", {}).items(), key=lambda pair: -pair[1])
    lines += first_lines([f"found {count} x: {what}" for what, count in often], "findings")
    count = report.get("failed_count", 0)
    if count:
        lines.append(f"{count} could not be read and {'is' if count == 1 else 'are'} left out:")
        lines += [f"  {row['file']}: {row['reason']}" for row in report["failed"][:failures]]
        if count > failures:
            lines.append(f"  and {count - failures} more (gridbench data info NAME --format json)")
    return lines


def packed_lines(archive: Archive) -> list[str]:
    """Return the share of pixels of each class by split, and warnings about classes and pixels that lack each other."""
    from gridbench.datasets.archive.layout import SPLITS
    from gridbench.datasets.archive.summary import pixels_by_split
    from gridbench.datasets.readers.base import first_lines

    names = archive.class_names
    rows = {split: archive.indices(split) for split in SPLITS}
    lines: list[str] = []
    warnings = _empty({split: len(chosen) for split, chosen in rows.items()})
    warnings += _absent("image", names, {s: archive.scene_labels[r].sum(0).tolist() for s, r in rows.items()})
    warnings += _in_two_splits(archive) + _labelled_twice(archive)
    if archive.label_maps is None:
        always = [name for name, column in zip(names, archive.scene_labels.T, strict=True) if column.all()]
        warnings += [f"every image has the class {_named(always)}"] if always else []
    else:
        counted = pixels_by_split(archive)
        pixels = {split: counts[: len(names)].tolist() for split, counts in counted.items()}
        ignored = {split: int(counts[255]) for split, counts in counted.items()}
        totals = {split: max(sum(pixels[split]) + ignored[split], 1) for split in SPLITS}

        def shares(counts: dict[str, int]) -> str:
            return " / ".join(f"{100 * counts[split] / totals[split]:.1f}" for split in SPLITS)

        width = min(max(map(len, (*names, "no class"))), 40)
        lines.append("share of the pixels in train / val / test, in percent")
        lines += first_lines(
            [
                f"  {name:{width}}  {shares({s: pixels[s][c] for s in SPLITS})}"
                for c, name in enumerate(names)
            ],
            "classes",
        )
        lines.append(f"  {'no class':{width}}  {shares(ignored)}")
        warnings += _absent("pixel", names, pixels)
        share = sum(ignored.values()) / sum(totals.values())
        if share:
            warnings.append(f"{100 * share:.1f} % of the pixels have no class")
    return lines + [f"WARNING: {warning}" for warning in warnings]


def _empty(counts: Mapping[str, int]) -> list[str]:
    """Return one sentence on the splits without an image, none when each has some."""
    lacking = [split for split, count in counts.items() if not count]
    return [f"no image is in {' and '.join(lacking)}: {_USELESS[lacking != ['val']]}"] if lacking else []


def _in_two_splits(archive: Archive) -> list[str]:
    """Return one sentence on images whose files are those of an image of another split."""
    from gridbench.datasets.readers.source_state import copies_across_splits

    # Other readers hash files that hold many images.
    pairs = copies_across_splits(archive) if archive.kind == "folder" else []
    if not pairs:
        return []
    return [
        f"{counted(len(pairs), 'image')} of val or test with the same files as one of another split, so that scores "
        f"count what was seen before: {_equal(pairs)}"
    ]


def _labelled_twice(archive: Archive) -> list[str]:
    """Return one sentence on images whose files are those of another image with other labels."""
    from gridbench.datasets.readers.source_state import copies_with_other_labels

    # Tiles of an image share its files.
    own_files = archive.kind == "folder" and not archive.has_maps
    pairs = copies_with_other_labels(archive) if own_files else []
    if not pairs:
        return []
    return [
        f"{counted(len(pairs), 'image')} with the same files as another one, which has other labels: "
        f"{_equal(pairs)}"
    ]


def _equal(pairs: Sequence[tuple[str, str]]) -> str:
    """List the first pairs of images whose files are equal, and say how many more there are."""
    more = f" and {len(pairs) - _SHOWN} more" if len(pairs) > _SHOWN else ""
    return ", ".join(f"{one} = {other}" for one, other in pairs[:_SHOWN]) + more


def _absent(what: str, names: Sequence[str], counts: dict[str, list[int]]) -> list[str]:
    """Return one sentence on classes that occur nowhere and one on those that a split lacks."""
    nowhere = [name for c, name in enumerate(names) if not any(count[c] for count in counts.values())]
    lines = [f"no {what} has the class {_named(nowhere)}"] if nowhere else []
    for split, count in counts.items():
        lacking = [name for c, name in enumerate(names) if not count[c] and name not in nowhere]
        if lacking and any(count):
            lines.append(f"no {what} of {split} has the class {_named(lacking)}")
    return lines


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(repr(name if len(name) <= 60 else f"{name[:57]}...") for name in names[:_LISTED]) + more
