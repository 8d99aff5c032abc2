"""Robust losses over several scene labels an image, one file each, named as registered."""
