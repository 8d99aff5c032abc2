"""The reader for BigEarthNet, versions 1 and 2."""
