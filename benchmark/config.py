"""RunConfig: the one truth for CLI flags, YAML files, a run's identity and its stored copy."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import yaml
from pydantic import ConfigDict, Field, field_validator

from gridbench.errors import InputError, nearest

__all__ = ["MEASURABLE", "Protocol", "RunConfig", "load_yaml", "make_config"]

Protocol = Literal["paper", "authors_code"]
MEASURABLE = ("precision", "memory_format")
"""Settings that may be `auto`: what is fastest, by measurement."""

_LATER = ("adam_steps", "memory_format", "compile")
_SWITCHES = ("pretrained", "flips", "move_maps", "compile")


class RunConfig(pydantic.BaseModel):
    """What a run computes. A field left at None takes the value of the data set's recipe, the method or the loss.

    Every field changes the run's numbers and is part of its identity; where and how fast it runs is not in here.

    Attributes:
        dataset: Name of a registered or prepared archive.
        method: Name of the method.
        loss: Name of the loss; None takes the method's own, or the data set's usual one.
        parameters: Parameters of method and loss by their public names.
        noise: Name of the noise model.
        noise_parameters: Parameters of the noise model.
        slnir: Synthetic label noise injection ratio in percent, an exact decimal.
        seed: Seed of every random stream.
        noise_seed: Seed of the stream "noise"; None takes `seed`.
        protocol: `paper`, or `authors_code` for the published code's literal behaviour.
        backbone: A timm model name.
        pretrained: Start from timm's published weights.
        weights: Start from this weights file.
        output_stride: Stride of the feature map, where the backbone can be dilated.
        descriptor_map: Non-negative map applied to descriptors: relu or softplus.
        distance: What retrieval orders by.
        k: Length of the scored ranking.
        ideal: What the ideal ranking of NDCG is taken over: the archive, or that many retrieved images.
        epochs: Number of epochs.
        batch_size: Mini-batch size.
        learning_rate: Learning rate of Adam.
        train_size: Number of training images, the first of the packed order; None takes the recipe's, 0 all.
        crop: Side of the random crop in pixels; 0 for none.
        flips: Mirror images left-right and top-bottom at random.
        brightness: Half-width of the random brightness offset on standardised images.
        move_maps: Cut and mirror label maps with their images.
        crop_for: Draw a random crop for each image, or one for the whole run.
        brightness_for: Draw a brightness offset for each image, or for each batch.
        statistics: Standardise by the train split's statistics, or by those in GRID's published code.
        adam_epsilon: Added to the denominator of Adam.
        adam_steps: `shared` by heads and backbone, as in GRID's published code; None: each parameter's own.
        precision: Arithmetic of the backbone; heads and losses are always float32. `auto`: the fastest, by measurement.
        memory_format: How images and the backbone's weights lie in memory; None is contiguous. `auto`: by measurement.
        compile: Train through torch.compile; None does not.
        select: Which epoch's weights are scored: the last, or the best on validation.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    dataset: str = "bluemarble"
    method: str = "grid"
    loss: str | None = None
    parameters: dict[str, float | int | bool | str] = Field(default_factory=dict)
    noise: str = "swap"
    noise_parameters: dict[str, float | int | bool | str] = Field(default_factory=dict)
    slnir: Decimal = Field(default=Decimal(0), ge=0, le=100, allow_inf_nan=False)
    seed: int = Field(default=0, ge=0, lt=2**63)
    noise_seed: int | None = Field(default=None, ge=0, lt=2**63)
    protocol: Protocol = "paper"
    backbone: str | None = None
    pretrained: bool = False
    weights: str | None = None
    output_stride: int | None = Field(default=None, ge=1, le=64)
    descriptor_map: Literal["relu", "softplus"] | None = None
    distance: Literal["chi2", "euclidean", "cosine", "manhattan"] = "chi2"
    k: int | None = Field(default=None, ge=1)
    ideal: Literal["archive"] | Annotated[int, Field(ge=1)] | None = None
    epochs: int | None = Field(default=None, ge=1, le=100_000)
    batch_size: int | None = Field(default=None, ge=2)
    learning_rate: float | None = Field(default=None, gt=0, le=100, allow_inf_nan=False)
    train_size: int | None = Field(default=None, ge=0)
    crop: int | None = Field(default=None, ge=0)
    flips: bool | None = None
    brightness: float | None = Field(default=None, ge=0, le=10, allow_inf_nan=False)
    move_maps: bool | None = None
    crop_for: Literal["image", "run"] | None = None
    brightness_for: Literal["image", "batch"] | None = None
    statistics: Literal["train", "published"] | None = None
    adam_epsilon: float | None = Field(default=None, gt=0, le=1, allow_inf_nan=False)
    adam_steps: Literal["shared"] | None = None
    precision: Literal["float32", "bfloat16", "auto"] = "float32"
    memory_format: Literal["contiguous", "channels_last", "auto"] | None = None
    compile: Literal[True] | None = None
    select: Literal["last", "best"] = "last"

    @field_validator("*", mode="before")
    @classmethod
    def _no_switch_for_a_number(cls, value: Any, info: pydantic.ValidationInfo) -> Any:
        """Refuse true and false, which Python would take for 1 and 0."""
        if isinstance(value, bool) and info.field_name not in _SWITCHES:
            raise ValueError("a value, not true or false")
        return value

    @field_validator("memory_format", "compile", mode="before")
    @classmethod
    def _usual_is_unsaid(cls, value: Any) -> Any:
        """Write what is the case without the setting as None, so that saying it is the same run."""
        return None if value is False or value == "contiguous" else value

    @field_validator("slnir", mode="before")
    @classmethod
    def _exact(cls, value: Any) -> Any:
        """Read a float as the decimal that it prints as, so that 0.1 is a tenth."""
        return str(value) if isinstance(value, float) else value

    @field_validator("slnir")
    @classmethod
    def _plain(cls, value: Decimal) -> Decimal:
        """Write 30, 30.0 and 3e1 alike, so that they are one cell."""
        return Decimal(format(value.normalize(), "f"))

    @property
    def undecided(self) -> tuple[str, ...]:
        """Names of the settings that are `auto` and still to be decided by measurement."""
        return tuple(name for name in MEASURABLE if getattr(self, name) == "auto")

    def canonical(self) -> dict[str, Any]:
        """Return the fields as plain JSON values, SLNIR as the text of an exact decimal.

        A setting that came later and is not used is left out, so that runs from before keep their identity.
        """
        values = self.model_dump(mode="json")
        return {name: value for name, value in values.items() if name not in _LATER or value is not None}


def make_config(values: Mapping[str, Any]) -> RunConfig:
    """Build a config, turning every problem into one clear message.

    Raises:
        InputError: An unknown key (with the nearest one), a wrong type or a value outside its range.
    """
    for key in values:
        if key not in RunConfig.model_fields:
            names = list(RunConfig.model_fields)
            raise InputError(
                f"There is no setting {key!r}.{nearest(key, names)} There are: {', '.join(names)}."
            )
    try:
        return RunConfig(**values)
    except pydantic.ValidationError as error:
        raise InputError(_explain(error.errors())) from None


_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class _Settings(yaml.SafeLoader):
    """Refuses a key that is there twice, of which YAML would keep the last, and leaves 10:50:10 the text that it is.

    YAML 1.1 takes such a text for a number to the base of sixty.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [
            (tag, re.compile(f"(?!.*:)(?:{known.pattern})", known.flags) if tag in _NUMBERS else known)
            for tag, known in resolvers
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key!r} is there twice", node.start_mark
                )
        return super().construct_mapping(node, deep)


def load_yaml(path: Path) -> dict[str, Any]:
    """Read settings from a YAML file whose keys are RunConfig's field names.

    Raises:
        InputError: The file cannot be read, or holds no mapping.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Settings)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The file {str(path)!r} cannot be read: {error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"The file {str(path)!r} is not YAML: {error}") from None
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise InputError(f"The file {str(path)!r} must hold settings as `name: value` lines.")
    return content


def _explain(problems: Sequence[Any]) -> str:
    """Word what is wrong, a line for each setting; what a setting of several types fails at is one line, too."""
    lines: dict[str, list[str]] = {}
    got: dict[str, Any] = {}
    for problem in problems:
        group = "parameters" in str(problem["loc"][:1])
        name = ".".join(map(str, problem["loc"][: 2 if group else 1])) or "settings"
        text = (
            problem["msg"]
            .removeprefix("Value error, ")
            .removeprefix("Input should be ")
            .partition(", unable")[0]
        )
        lines.setdefault(name, []).append(text[0].lower() + text[1:])
        got[name] = problem.get("input")
    return "\n".join(
        f"The setting {name!r} ({_flag(name)}) is {got[name]!r}; it must be {' or '.join(dict.fromkeys(reasons))}."
        for name, reasons in lines.items()
    )


def _flag(name: str) -> str:
    flags = {"parameters": "-p", "noise_parameters": "--noise-parameter"}
    return flags.get(name.partition(".")[0], "--" + name.replace("_", "-"))
