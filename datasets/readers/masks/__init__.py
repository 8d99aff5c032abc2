"""Reading label masks: what their values, colours or bands stand for."""
