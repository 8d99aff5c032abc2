"""Numbers reported in the paper, and their comparison with measured ones."""
