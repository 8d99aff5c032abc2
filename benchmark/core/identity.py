"""The identity of a run and of its cell: hashes over everything that can change the run's numbers (a leaf)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

__all__ = ["LOCAL", "check_identity", "identity", "identity_of_cell"]

LOCAL = "local-dir:"
"""How timm names a model in a folder of the user's; what is in the folder counts, by its hashes among the versions."""


def identity(
    config: Mapping[str, Any], versions: Mapping[str, Any], fingerprint: str | None, plugin: str | None
) -> str:
    """Hash what a run computes: two runs of one identity are one run.

    Args:
        config: The settings with every gap filled in, as plain JSON values.
        versions: Declared versions of everything used, and hashes of the files that were read.
        fingerprint: The data's fingerprint.
        plugin: sha256 over the sources of outside components, or None.

    Returns:
        sha256 in hexadecimal.
    """
    fields = dict(config)
    if fields.get("weights") is not None:
        # The content of the file counts, by its hash among the versions, not its path.
        fields["weights"] = "file"
    if fields.get("weights_prefix") == "":
        # Where the weights carry no prefix, finding that out starts from the same ones.
        del fields["weights_prefix"]
    if str(fields.get("backbone")).startswith(LOCAL):
        fields["backbone"] = LOCAL
    return _digest(
        {"config": fields, "versions": dict(versions), "fingerprint": fingerprint, "plugin": plugin}
    )


def identity_of_cell(
    config: Mapping[str, Any], versions: Mapping[str, Any], fingerprint: str | None, plugin: str | None
) -> str:
    """Hash a run without its seed, and without its noise seed if they are equal: a cell of a table.

    Args:
        config: The settings with every gap filled in, as plain JSON values.
        versions: Declared versions of everything used, and hashes of the files that were read.
        fingerprint: The data's fingerprint.
        plugin: sha256 over the sources of outside components, or None.

    Returns:
        sha256 in hexadecimal.
    """
    tied = config.get("noise_seed") == config.get("seed")
    fields = {**config, "seed": None}
    fields["noise_seed"] = "seed" if tied else fields.get("noise_seed")
    return identity(fields, versions, fingerprint, plugin)


def check_identity(document: Mapping[str, Any]) -> None:
    """Compare the id and the cell that a run's config.json claims with those of the settings in it.

    Raises:
        ValueError: They differ, so one of them was edited.
    """
    parts = (
        document["config"],
        document.get("versions") or {},
        document.get("dataset_fingerprint"),
        document.get("plugin"),
    )
    for name, expected in (("id", identity(*parts)), ("cell", identity_of_cell(*parts))):
        if document.get(name) != expected:
            raise ValueError(
                f"its settings were edited: they have the {name} {expected[:12]}, and config.json claims "
                f"{str(document.get(name))[:12]}"
            )


def _digest(value: Mapping[str, Any]) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
