"""In-memory execution of one planned run: corrupted labels, method, trainer and scores, without writing files."""

from gridbench.training.experiment.base import BaseExperiment, Outcome
from gridbench.training.experiment.experiment import Experiment

__all__ = ["BaseExperiment", "Experiment", "Outcome"]
