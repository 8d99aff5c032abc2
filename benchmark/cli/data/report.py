"""What packing an archive found out, in words."""

from __future__ import annotations

from typing import Any

__all__ = ["report_lines"]


def report_lines(report: dict[str, Any], failures: int = 10) -> list[str]:
    """Return what packing found out, as lines: notes, findings, and the files that failed."""
    lines = [f"note: {note}" for note in report.get("notes", [])]
    lines += [f"found {count} x: {what}" for what, count in report.get("findings", {}).items()]
    count = report.get("failed_count", 0)
    if count:
        lines.append(f"{count} could not be read and {'is' if count == 1 else 'are'} left out:")
        lines += [f"  {row['file']}: {row['reason']}" for row in report["failed"][:failures]]
        if count > failures:
            lines.append(f"  and {count - failures} more (gridbench data info NAME --format json)")
    return lines
