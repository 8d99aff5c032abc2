"""Finds out at once whether a Ray cluster is there: Ray itself tries for minutes, and then says nothing clear."""

from __future__ import annotations

import os
import socket
from pathlib import Path

__all__ = ["knock"]

KNOCK_SECONDS = 5.0


def knock(address: str) -> None:
    """Connect to a cluster's address and hang up; nothing is done where the address is of another form.

    Args:
        address: HOST:PORT, or auto for the cluster that was started or joined here last.

    Raises:
        OSError: Nobody listens there.
    """
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or _joined_last()
    host, _, port = address.rpartition(":")
    if host and "/" not in host and port.isdecimal():
        try:
            socket.create_connection((host, int(port)), timeout=KNOCK_SECONDS).close()
        except OSError as error:
            raise OSError(f"nobody answers at {address} ({error.strerror or error})") from None


def _joined_last() -> str:
    """Return the address that Ray notes when it starts; empty if there is none, and Ray shall look for itself."""
    folder = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray"
    try:
        return (folder / "ray_current_cluster").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
