"""The conformance suite for methods, losses, noise models and data sets, built-in or registered by plug-ins."""

from __future__ import annotations

from gridbench.conformance.findings import Finding
from gridbench.conformance.suite import check_component, components_named

__all__ = ["Finding", "check_component", "components_named"]
