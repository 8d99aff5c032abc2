"""The Ray engine: sweeps over many machines."""
