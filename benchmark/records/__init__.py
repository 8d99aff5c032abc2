"""Run records: written by the runner, read by everything that shows results."""
