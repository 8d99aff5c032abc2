"""Label audits: rank the labels of an archive that are probably wrong, and estimate the precision of the ranking."""
