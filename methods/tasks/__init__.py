"""Tasks: what is predicted from an image, one file each."""
