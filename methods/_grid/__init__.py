"""The parts of GRID."""
