"""Exchange with annotation tools: export of suspicious labels, and import of annotations as decisions."""

from gridbench.audit.exchange.formats import EXCHANGE_FORMATS, export_suspects, import_decisions

__all__ = ["EXCHANGE_FORMATS", "export_suspects", "import_decisions"]
