"""Output formats of a table, one file each."""
