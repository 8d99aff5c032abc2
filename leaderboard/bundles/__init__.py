"""Bundles of records for sharing, and their validation."""
