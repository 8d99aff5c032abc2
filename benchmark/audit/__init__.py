"""The audit: which labels of an archive deserve a second look, and how good that list is."""
