"""Settings that are chosen by measurement on this machine: precision, memory format, threads."""
