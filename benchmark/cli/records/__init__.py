"""The commands that take one record: score, verify and export-model."""
