"""Reading of label masks, including the interpretation of their values, colours or bands."""
