"""Robust losses over label maps, one file each, named as registered."""
