"""RunConfig: the single definition of command-line options, YAML files, and the identity and settings of runs."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, cast, get_args

import pydantic
from pydantic import ConfigDict, Field, field_validator, model_validator

from gridbench.config.setting import GROUPS, Setting, setting
from gridbench.core.percent import plain_number

__all__ = [
    "FIELDS",
    "MEASURABLE",
    "Protocol",
    "RunConfig",
    "flag_of",
    "is_switch",
]

Protocol = Literal["paper", "authors_code"]

_data, _noise, _method, _recipe, _retrieval, _machine = (
    functools.partial(setting, group) for group in GROUPS[:-1]
)

MOST_DECIMALS = 12

USUAL: Mapping[str, Any] = {
    "memory_format": "contiguous",
    "fused": False,
    "optimizer": "adam",
    "weight_decay": 0,
    "schedule": "constant",
    "warmup_epochs": 0,
    "min_lr": 0,
    "accumulate": 1,
    "augment": "weak",
    "recipe": "common",
    "select_by": "retrieval",
}
"""Settings added after runs had been published -> the value that reproduces those earlier runs."""

BY_RECIPE = {name: USUAL[name] for name in ("memory_format", "fused")}
"""Those of them that a data set's recipe may set: for these, an explicit value differs from none."""


class RunConfig(pydantic.BaseModel):
    """Settings of a run. Fields that are None take their value from the data set's recipe, the method or the loss.

    Every field can change the run's numbers and is part of its identity; options that only decide where and how fast it
    is computed are not fields. The options of the command line are generated from the fields.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    dataset: str = _data("A built-in or prepared archive.", "NAME", default="bluemarble")
    method: str = _method("Training strategy.", "NAME", default="grid")
    loss: str | None = _method("Loss that the method trains with.", "NAME", "the method's own")
    parameters: dict[str, float | int | bool | str] = _method(
        "Parameter of the method or its loss, such as -p lambda=20; can be repeated.",
        flag="-p",
        default_factory=dict,
    )
    level: Literal["scene", "pixel", "single"] | None = _method(
        "Labels to learn from: scene (several per image), pixel (label maps) or single (one per image).",
        "NAME",
        "that of the loss",
        later=True,
    )
    noise: str = _noise("Noise model; swap is the paper's.", "NAME", default="swap")
    noise_parameters: dict[str, float | int | bool | str] = _noise(
        "Parameter of the noise model; can be repeated.", flag="--noise-parameter", default_factory=dict
    )
    slnir: Decimal = _noise(
        "Synthetic label noise injection ratio: percent of the training labels, an exact decimal.",
        "PERCENT",
        default=Decimal(0),
        ge=0,
        le=100,
    )
    seed: int = _recipe("Seed of every random stream.", default=0, ge=0, lt=2**63)
    noise_seed: int | None = _noise("Seed of the label noise.", unset="the seed", ge=0, lt=2**63)
    protocol: Protocol = _recipe("The paper's, or that of its published code.", default="paper")
    backbone: str | None = _recipe(
        "Any timm model, hf-hub:OWNER/NAME, or local-dir:FOLDER.", "NAME", "recipe"
    )
    pretrained: bool = _recipe("Start from timm's published weights.", default=False)
    weights: str | None = _recipe("Start from this weights file instead of from scratch.", "FILE")
    weights_prefix: str | None = _recipe(
        "Prefix of the parameter names in that file, if it holds several networks.",
        "TEXT",
        "detected",
        later=True,
    )
    output_stride: int | None = _recipe(
        "Stride of the feature map, where the backbone can be dilated.", ge=1, le=64
    )
    descriptor_map: Literal["relu", "softplus"] | None = _retrieval(
        "Map that makes descriptors non-negative."
    )
    distance: Literal["chi2", "euclidean", "cosine", "manhattan"] = _retrieval(
        "Distance for retrieval: chi2, euclidean, cosine or manhattan.", "NAME", default="chi2"
    )
    k: int | None = _retrieval("Length of the scored ranking.", unset="recipe", ge=1, lt=2**31)
    ideal: Literal["archive"] | Annotated[int, Field(ge=1, lt=2**31)] | None = _retrieval(
        "Ideal ranking of NDCG: over the archive, or over N retrieved images.", "archive|N", "protocol"
    )
    epochs: int | None = _recipe("Number of epochs.", unset="recipe", ge=1, le=100_000)
    batch_size: int | None = _recipe("Mini-batch size.", unset="recipe", ge=2, lt=2**31)
    learning_rate: float | None = _recipe("Learning rate.", unset="recipe", gt=0, le=100)
    train_size: int | None = _data(
        "Number of training images, taken in packed order; 0 for all.", unset="recipe", ge=0, lt=2**31
    )
    crop: int | None = _recipe(
        "Side of the random crop in pixels, 0 for none.", unset="recipe", ge=0, lt=2**31
    )
    flips: bool | None = _recipe("Flip images at random, horizontally and vertically.", unset="recipe")
    brightness: float | None = _recipe(
        "Largest random brightness offset, up or down, on standardised images.", unset="recipe", ge=0, le=10
    )
    move_maps: bool | None = _recipe("Crop and flip label maps together with their images.", unset="protocol")
    crop_for: Literal["image", "run"] | None = _recipe(
        "Draw a random crop for each image, or one for the run.", unset="protocol"
    )
    brightness_for: Literal["image", "batch"] | None = _recipe(
        "Draw a brightness offset for each image or batch.", unset="protocol"
    )
    statistics: Literal["train", "published"] | None = _recipe(
        "Standardise by the statistics of the train split, or by those in GRID's published code.",
        unset="protocol",
    )
    adam_epsilon: float | None = _recipe("Epsilon of Adam.", unset="protocol", gt=0, le=1)
    adam_steps: Literal["shared", "own"] | None = _recipe(
        "Adam's step counter: each parameter's own, or shared by heads and backbone as in GRID's published code.",
        unset="protocol",
        later=True,
    )
    adam_epsilon_form: Literal["hat", "torch"] | None = _recipe(
        "Add Adam's epsilon after the bias correction as torch does, or before it as Keras does (hat).",
        unset="protocol",
        later=True,
    )
    optimizer: str | None = _recipe(
        "Optimiser by its name in timm: adamw, sgd (Nesterov), momentum, ...", "NAME", "adam", later=True
    )
    momentum: float | None = _recipe(
        "Momentum, for optimisers that have one.", unset="0.9", ge=0, lt=1, later=True
    )
    weight_decay: float | None = _recipe(
        "Weight decay of all weights except biases and those of normalisation layers.",
        unset="0",
        ge=0,
        le=1,
        later=True,
    )
    schedule: Literal["constant", "cosine", "step", "onecycle"] | None = _recipe(
        "Learning rate over the run: constant, cosine (down to --min-lr), step (a tenth after half and after three "
        "quarters), onecycle (up to --learning-rate and down again).",
        "NAME",
        "constant",
        later=True,
    )
    warmup_epochs: float | None = _recipe(
        "Epochs over which the learning rate rises linearly to its value.", unset="0", ge=0, later=True
    )
    min_lr: float | None = _recipe(
        "Learning rate at which cosine and onecycle end, and below which step does not go.",
        unset="0",
        ge=0,
        le=100,
        later=True,
    )
    clip_norm: float | None = _recipe(
        "Largest Euclidean norm of the gradient; a longer one is scaled down.", unset="none", gt=0, later=True
    )
    accumulate: int | None = _recipe(
        "Mini-batches whose gradients are averaged before each update.",
        unset="1",
        ge=1,
        le=100_000,
        later=True,
    )
    ema: float | None = _recipe(
        "Score the exponential moving average of the weights; the value is the decay per update.",
        unset="none",
        gt=0,
        lt=1,
        later=True,
    )
    augment: Literal["weak", "strong"] | None = _recipe(
        "weak: crops, flips and brightness as set; strong: also rotation, shear, translation, gain, blur and "
        "cut-out, for any number of bands.",
        "NAME",
        "weak",
        later=True,
    )
    augment_strength: float | None = _recipe(
        "Strength of strong augmentation, 0 to 1.", unset="0.5", ge=0, le=1, later=True
    )
    freeze: Literal["backbone"] | None = _recipe(
        "backbone: train only the heads, on the descriptors of the initial backbone.",
        "NAME",
        later=True,
    )
    recipe: Literal["common", "own"] | None = _recipe(
        "common: the data set's recipe, the same for all methods; own: that of the method's own paper.",
        "NAME",
        "common",
        later=True,
    )
    precision: Literal["float32", "bfloat16", "auto"] = _machine(
        "Arithmetic of the backbone (heads and losses are always float32): float32, bfloat16, or auto, the fastest "
        "by measurement.",
        "NAME",
        default="float32",
        measurable=True,
    )
    memory_format: Literal["contiguous", "channels_last", "auto"] | None = _machine(
        "Memory layout of images and weights: contiguous, channels_last (often faster for convolutions), or auto.",
        "NAME",
        "recipe",
        later=True,
        measurable=True,
    )
    fused: bool | None = _machine(
        "Use Adam's fused kernel: the same formula in fewer passes over the weights, with different rounding.",
        unset="recipe",
        later=True,
    )
    compile: Literal[True] | None = _machine(
        "Train with torch.compile, which takes minutes to compile and gives slightly different numbers.",
        later=True,
    )
    select: Literal["last", "best"] = _retrieval(
        "Score the weights of the last epoch, or of the best on validation with the last beside it.",
        "NAME",
        default="last",
    )
    select_by: Literal["retrieval", "prediction"] | None = _retrieval(
        "What --select best compares on validation: NDCG of retrieval, or predictions (mAP of several labels, "
        "accuracy of one, mIoU of maps).",
        "NAME",
        "retrieval",
        later=True,
    )
    last_epochs: int | None = _retrieval(
        "Score each of the last N epochs, too, for means over them, as papers on single labels report.",
        unset="none",
        ge=2,
        le=100_000,
        later=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _numbers_in_plain_digits(cls, value: Any, info: pydantic.ValidationInfo) -> Any:
        """Refuse what Python accepts as a number but is not written as one: true, 1_0, digits of other scripts."""
        name = str(info.field_name)
        if isinstance(value, bool) and not is_switch(name):
            raise ValueError("a value, not true or false")
        if value == "" and name != "weights_prefix":
            # Such as a shell variable that is not set, which would stand for the default.
            raise ValueError("a value, not an empty text")
        kind = cls.model_fields[name].annotation
        return plain_number(value, {kind, *get_args(kind)})

    @field_validator("compile", mode="before")
    @classmethod
    def _false_as_unset(cls, value: Any) -> Any:
        """Read false as None, so that stating that nothing is compiled does not change the run."""
        return None if value is False else value

    @model_validator(mode="after")
    def _default_as_unset(self) -> RunConfig:
        """Replace explicit default values by None, so that stating a default does not change the run.

        A method's own recipe, or that of a data set, may have other defaults, so explicit values are kept there.
        """
        if self.recipe != "own":
            for name, usual in USUAL.items():
                if name not in BY_RECIPE and getattr(self, name) == usual:
                    object.__setattr__(self, name, None)
        return self

    @field_validator("slnir", mode="before")
    @classmethod
    def _float_as_printed(cls, value: Any) -> Any:
        """Read a float as the decimal that it prints as, so that 0.1 is a tenth."""
        return str(value) if isinstance(value, float) else value

    @field_validator("slnir")
    @classmethod
    def _plain(cls, value: Decimal) -> Decimal:
        """Write 30, 30.0 and 3e1 alike, so that they are one cell."""
        exponent = value.normalize().as_tuple().exponent
        if isinstance(exponent, int) and exponent < -MOST_DECIMALS:
            raise ValueError(f"a number of at most {MOST_DECIMALS} decimals")
        return Decimal(format(value.normalize(), "f"))

    @property
    def undecided(self) -> tuple[str, ...]:
        """Names of the settings that are `auto` and still to be decided by measurement."""
        return tuple(name for name in MEASURABLE if getattr(self, name) == "auto")

    def canonical(self) -> dict[str, Any]:
        """Return the fields as plain JSON values, SLNIR as the text of an exact decimal.

        A later setting that is not used is left out, so that earlier runs keep their identity.
        """
        return {
            name: value
            for name, value in self.model_dump(mode="json").items()
            if not FIELDS[name].later or value not in (None, BY_RECIPE.get(name))
        }


FIELDS: Mapping[str, Setting] = {
    name: Setting(**cast("dict[str, Any]", field.json_schema_extra))
    for name, field in RunConfig.model_fields.items()
}
"""Name of a field of RunConfig -> how the command line shows it."""

MEASURABLE = tuple(name for name, shown in FIELDS.items() if shown.measurable)
"""Settings that may be `auto`, which selects the fastest value by measurement."""


def flag_of(name: str) -> str:
    """Return the command-line option of a setting."""
    return FIELDS[name].flag or "--" + name.replace("_", "-")


def is_switch(name: str) -> bool:
    """Return whether a setting is boolean."""
    annotation = RunConfig.model_fields[name].annotation
    kinds = get_args(annotation) or (annotation,)
    return bool in kinds or Literal[True] in kinds
