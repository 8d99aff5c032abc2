"""User-provided tables: labels by image, and classes with their mask values or colours."""

from gridbench.datasets.readers.tables.key_column import TableOptions
from gridbench.datasets.readers.tables.label_table import LabelTable, read_label_table
from gridbench.datasets.readers.tables.rows import read_rows

__all__ = ["LabelTable", "TableOptions", "read_label_table", "read_rows"]
