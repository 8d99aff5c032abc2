"""How a data set is trained on unless the user says otherwise."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Recipe"]


@dataclass(frozen=True)
class Recipe:
    """The settings that a data set brings along for one level of labels.

    Attributes:
        backbone: Name in timm.
        epochs: Number of epochs.
        batch_size: Images per step.
        learning_rate: Of Adam.
        train_size: How many training images are used; None for all.
        k: Cut-off of the headline NDCG@k.
        output_stride: Stride of the feature map; None for the backbone's own.
        crop: Side of the training and evaluation crop in pixels; None for the whole image.
        flips: Whether training mirrors images at random.
        brightness: Largest shift that training adds to a standardised image.
    """

    backbone: str
    epochs: int
    batch_size: int
    learning_rate: float
    train_size: int | None
    k: int
    output_stride: int | None
    crop: int | None
    flips: bool
    brightness: float
