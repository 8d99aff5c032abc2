"""Statistics over seeds: intervals, paired comparisons, places among baselines."""
