"""Readers that turn what people have on disk into an archive."""
