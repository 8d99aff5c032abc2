"""The packed, memory-mapped form of every data set."""

from gridbench.datasets.archive.archive import Archive

__all__ = ["Archive"]
