"""Parts of MLT that are used by it alone."""
