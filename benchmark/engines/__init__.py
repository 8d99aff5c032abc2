"""Engines that compute the runs of a sweep, one file each."""
