"""Robust losses over several scene labels per image, one file each, named as registered."""
