"""Settings that are tuned by measurement on this machine: precision, memory format and number of threads."""
