"""Optimisation: optimisers, learning-rate schedules, weight averaging, and the validation of their settings."""
