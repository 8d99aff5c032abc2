"""Reading of raster files, and their conversion to the common form of an archive."""
