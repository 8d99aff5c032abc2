"""A fully resolved run, and its identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gridbench.config import RunConfig
from gridbench.core.identity import identity, identity_of_cell
from gridbench.datasets import Archive
from gridbench.methods.base import Loss, Method

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """A fully resolved run.

    Attributes:
        config: The config with all defaults filled in.
        archive: The opened archive; for a run on single labels, these are its scene labels.
        method: The method's class.
        method_parameters: Its resolved parameters.
        loss: The loss's class, or None.
        loss_parameters: Its parameters.
        noise: The noise model.
        level: Level of the labels that are corrupted: scene, pixel or single.
        versions: Declared versions of everything used.
        plugin: sha256 over the sources of the plug-ins used, or None.
        resolved: Numbers that stand for parameters given as words, such as lambda=slnir; empty for most runs.
    """

    config: RunConfig
    archive: Archive
    method: type[Method]
    method_parameters: Any
    loss: type[Loss] | None
    loss_parameters: Any
    noise: Any
    level: str
    versions: Mapping[str, Any]
    plugin: str | None
    resolved: Mapping[str, Any] = field(default_factory=dict)

    @property
    def cell(self) -> str:
        """The identity without the seed, which all runs of a cell of a table share."""
        return identity_of_cell(*self._identity())

    @property
    def id(self) -> str:
        """The identity: a hash of everything that can change the run's numbers."""
        return identity(*self._identity())

    @property
    def folder_name(self) -> str:
        """A readable folder name that ends in the identity."""
        c = self.config
        parts = [c.dataset, c.method, c.loss if c.loss and c.loss != c.method else "", f"slnir{c.slnir}"]
        readable = "-".join(part for part in parts if part)
        return f"{_safe(readable)}-seed{c.seed}-{self.id[:10]}"

    def document(self) -> dict[str, Any]:
        """Return what config.json holds."""
        return {
            "schema": 1,
            "id": self.id,
            "cell": self.cell,
            "config": self.config.canonical(),
            "kind": self.level,
            "versions": dict(self.versions),
            "dataset_fingerprint": self.archive.fingerprint,
            "plugin": self.plugin,
            "note": self.method.note,
            "reference": self.method.labels != "noisy",
            **({"resolved": dict(self.resolved)} if self.resolved else {}),
        }

    def _identity(self) -> tuple[dict[str, Any], Mapping[str, Any], str, str | None]:
        return self.config.canonical(), self.versions, self.archive.fingerprint, self.plugin


def _safe(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-_.+" else "_" for c in text)[:80]
