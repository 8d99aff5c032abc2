"""The conformance suite: what every method, loss, noise model and data set must do, ours and anybody's."""

from __future__ import annotations

from gridbench.conformance.findings import Finding
from gridbench.conformance.suite import check_component, components_named

__all__ = ["Finding", "check_component", "components_named"]
