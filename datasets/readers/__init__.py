"""Readers that convert image collections on disk to an archive."""
