"""Batches from an archive: storage, resampling, augmentation."""
