"""What noise models share: rates, labels, sampling, the corruption and its manifest."""
