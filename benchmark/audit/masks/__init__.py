"""Audits of label maps: connected regions that are probably something else than given."""
