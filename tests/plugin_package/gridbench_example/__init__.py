"""An example of a package that adds a method to gridbench."""
