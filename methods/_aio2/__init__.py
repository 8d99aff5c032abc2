"""Parts of AIO2 that are used by it alone."""
