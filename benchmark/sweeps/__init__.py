"""Many runs: grids, search spaces, selection on validation, baselines, the paper's exhibits."""
