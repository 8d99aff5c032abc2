"""Shared parts of noise models: rates, labels, sampling, corruptions and manifests."""
