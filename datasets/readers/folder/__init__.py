"""The reader for a folder of user-provided images."""
