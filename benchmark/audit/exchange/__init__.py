"""Suspicious labels as files of annotation tools, and what was labelled there as decisions."""

from gridbench.audit.exchange.formats import EXCHANGE_FORMATS, export_suspects, import_decisions

__all__ = ["EXCHANGE_FORMATS", "export_suspects", "import_decisions"]
