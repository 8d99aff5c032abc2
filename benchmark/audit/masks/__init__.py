"""Audits of label maps: find connected regions that are probably labelled with a wrong class."""
