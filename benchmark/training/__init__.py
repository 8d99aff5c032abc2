"""From a plan to a trained method: experiment, trainer, optimiser, checkpoints, backbones."""
