"""Losses over the single label of each image, one file each, named as registered."""
