"""Scores of a trained method: retrieval, detection of mislabelled samples, example pictures."""
