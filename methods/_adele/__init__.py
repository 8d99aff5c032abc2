"""Parts of ADELE that are used by it alone."""
