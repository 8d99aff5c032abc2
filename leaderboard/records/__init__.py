"""Run records as a collection: read, filtered, checked for plausibility."""
