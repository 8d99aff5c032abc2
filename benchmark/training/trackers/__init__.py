"""Experiment trackers that a run can log to, one file each."""
