"""A figure of a few images of an archive whose labels a noise manifest changed."""

from __future__ import annotations

from gridbench.cli.noise.export import noisy_labels
from gridbench.datasets import Archive
from gridbench.errors import InputError
from gridbench.evaluation.thumbnails import thumbnails
from gridbench.noise.core.manifest import Manifest
from gridbench.noise.figures.examples import choose_examples, draw_label_examples, draw_map_examples
from gridbench.training.corrupt import training_images

__all__ = ["example_figure"]

SCENES, MAPS = 12, 5


def example_figure(manifest: Manifest, archive: Archive, title: str) -> bytes:
    """Draw images whose labels changed, evenly spread over the training images, as a PNG.

    Args:
        manifest: What was done to the labels.
        archive: The archive that it was done to.
        title: What stands above.

    Raises:
        InputError: Nothing was changed, or the manifest is of another archive.
    """
    noisy = noisy_labels(manifest, archive)
    chosen = choose_examples(manifest.changed, SCENES if manifest.kind == "scene" else MAPS)
    if not len(chosen):
        raise InputError("Nothing was changed, so there is no example to show.")
    places = training_images(archive, manifest.shape[0])[chosen]
    of_scenes = manifest.kind == "scene" or archive.label_maps is None
    clean = archive.scene_labels[places] if of_scenes else archive.label_maps[places]
    draw = draw_label_examples if of_scenes else draw_map_examples
    names = [archive.names[i] for i in places]
    return draw(thumbnails(archive, places), names, clean, noisy[chosen], archive.class_names, title)
