"""Records packed for handing over, and their checks."""
