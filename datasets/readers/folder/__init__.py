"""The reader for a folder of one's own images."""
