"""The base class of noise models; each model is one file named as it is registered."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from gridbench.errors import InputError
from gridbench.noise.core.conformity import check_corruption
from gridbench.noise.core.corruption import Corruption, Level
from gridbench.noise.core.difficulty import NEIGHBOURS
from gridbench.noise.core.label_set import LabelSet
from gridbench.noise.core.labels import check_single
from gridbench.noise.core.manifest import Manifest
from gridbench.noise.core.rates import Rate, exact_rate
from gridbench.noise.core.sampling import checked_generator

__all__ = ["LEVELS", "NEEDS_SINGLE", "NoParameters", "NoiseModel", "UnsuitableNoise", "WrongCorruption"]

LEVELS = {"scene": "scene labels", "pixel": "label maps", "single": "single labels"}
"""Level of labels -> what it is called in messages."""

NEEDS_SINGLE = (
    "it replaces the one label of an image; to learn from single labels: --level single, or --loss ce"
)
"""Why a model of single labels does not corrupt scene labels."""


@dataclass(frozen=True)
class NoParameters:
    """Parameters of a model that has none."""


class Planned(Protocol):
    """The attributes of a planned run that a manifest needs: `config.noise_seed` and `archive.fingerprint`."""

    @property
    def config(self) -> Any:
        """The run's configuration."""

    @property
    def archive(self) -> Any:
        """The archive whose labels were corrupted."""


class UnsuitableNoise(InputError):
    """A noise model was to corrupt labels of a level that it does not corrupt."""


class WrongCorruption(InputError):
    """A noise model returned labels, changes or counts that do not go together."""


class NoiseModel(ABC):
    """Corrupts labels by an exact rate.

    A model overrides `corrupt_scene`, `corrupt_maps` or both, and says so in `levels`. It changes copies, draws from
    the given generator only, is the identity at rate 0, and gives the same result for the same generator state. A model
    that overrides `scene` or `pixel` instead works, too; it checks its arrays itself.

    Single labels are scene labels of which every image has exactly one, before and after: a model that replaces labels
    one for one declares `"single"` beside or instead of `"scene"`, and its `corrupt_scene` is given the one-hot rows.

    Args:
        parameters: Values of the model's `Parameters`; None takes the defaults.

    Attributes:
        name: Registry name, set by `register_noise`.
        version: Raised when its results change.
        levels: Which labels it corrupts: `"scene"`, `"pixel"`, `"single"`.
        refuses: Level of labels -> why it does not corrupt those, for messages.
        needs_difficulty: Whether an overridden `scene` is given the difficulty of each label.
        reads_folders: Whether an overridden `corrupt` is given the folders of the images.
        counts_drawn: Whether `affected` counts labels as they were drawn, of which some change nothing, or several;
            else it counts what changed.
        authors_code: Parameters whose defaults the protocol of that name replaces.
        Parameters: Dataclass of its parameters.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    levels: ClassVar[tuple[Level, ...]]
    refuses: ClassVar[Mapping[str, str]] = {}
    needs_difficulty: ClassVar[bool] = False
    reads_folders: ClassVar[bool] = False
    counts_drawn: ClassVar[bool] = False
    authors_code: ClassVar[Mapping[str, Any]] = {}
    Parameters: ClassVar[type[Any]] = NoParameters

    def __init__(self, parameters: Any = None) -> None:
        self.parameters = self.Parameters() if parameters is None else parameters

    def require_level(self, level: str) -> None:
        """Check that the model corrupts labels of a level.

        Raises:
            UnsuitableNoise: It does not; the message says what it corrupts, and why not these.
        """
        if level not in self.levels:
            raise self._refusal(level)

    def inputs(self) -> tuple[Path, ...]:
        """Return the files that the noise depends on; a run's identity holds their content."""
        return ()

    def corrupt_scene(self, labels: LabelSet, rate: Decimal, rng: np.random.Generator) -> Corruption:
        """Corrupt scene labels.

        Args:
            labels: The labels; `labels.scene_labels` and `labels.present` are (N, C).
            rate: 0 to 100 percent; each model defines what it is a share of.
            rng: Random number generator.

        Returns:
            The noisy labels (N, C) and the changes.

        Raises:
            InputError: Labels other than 0 and 1, or a rate that these labels cannot realise.
        """
        raise self._refusal("scene")

    def corrupt_maps(self, labels: LabelSet, rate: Decimal, rng: np.random.Generator) -> Corruption:
        """Corrupt label maps.

        Args:
            labels: The labels; `labels.maps` is (N, H, W), `labels.class_pixels` (N, C).
            rate: 0 to 100 percent; each model defines what it is a share of.
            rng: Random number generator.

        Returns:
            The noisy maps (N, H, W) and the changes.

        Raises:
            InputError: A class outside the range, or a rate that these maps cannot realise.
        """
        raise self._refusal("pixel")

    def apply(self, labels: LabelSet, rate: Rate, rng: np.random.Generator, level: Level) -> Corruption:
        """Corrupt the labels that a method learns from.

        Args:
            labels: The labels of the training set.
            rate: 0 to 100 percent, exact unless a float.
            rng: Random number generator.
            level: Which labels to corrupt.

        Returns:
            The noisy labels and the changes.

        Raises:
            InputError: The model does not corrupt such labels, there are none, or the rate cannot be realised.
            WrongCorruption: What the model returned is not what it did to the labels.
        """
        self.require_level(level)
        checked_generator(rng)
        if level == "pixel" and not labels.has_maps:
            raise InputError(
                f"The noise model {self.name!r} was asked to corrupt label maps, and there are none."
            )
        if level != "single":
            return self._checked(labels, rate, rng, level)
        labels.check_single()
        corruption = self._checked(labels, rate, rng, "scene")
        why = f"The noise model {self.name!r} must leave every image exactly one label, and with these parameters"
        check_single(corruption.labels, why, labels.names)
        return replace(corruption, level="single")

    def check(self, corruption: Any, labels: LabelSet, rate: Rate, level: Level) -> None:
        """Check that a corruption of these labels is what this model says that it did.

        Args:
            corruption: What the model returned.
            labels: The labels that it was given.
            rate: Requested rate in percent.
            level: Which labels it corrupted.

        Raises:
            WrongCorruption: Labels, changes and counts do not go together.
        """
        clean = labels.maps if level == "pixel" else labels.scene_labels
        counts = labels.class_pixels if level == "pixel" else labels.present
        form: Level = "pixel" if level == "pixel" else "scene"
        try:
            check_corruption(corruption, clean, counts, form, exact_rate(rate), self.counts_drawn)
        except ValueError as error:
            raise WrongCorruption(
                f"The noise model {self.name!r} returned {error}. A noise model returns what it did to the labels; "
                "see CONTRIBUTING.md, and try it with: gridbench check FILE_OR_NAME."
            ) from None

    def _checked(self, labels: LabelSet, rate: Rate, rng: np.random.Generator, level: Level) -> Corruption:
        corruption = self._apply(labels, rate, rng, level)
        # The conformance suite checks our own models, as often as they change and not in every run, since on a large
        # archive it takes as long as the noise itself.
        if type(self).__module__.partition(".")[0] != __name__.partition(".")[0]:
            self.check(corruption, labels, rate, level)
        # The labels that were given may not be written to, and these may be used otherwise.
        clean = labels.maps if level == "pixel" else labels.scene_labels
        shared = np.may_share_memory(corruption.labels, clean)
        return replace(corruption, labels=corruption.labels.copy()) if shared else corruption

    def _apply(self, labels: LabelSet, rate: Rate, rng: np.random.Generator, level: Level) -> Corruption:
        ours = type(self)
        neighbours = getattr(self.parameters, "neighbours", NEIGHBOURS)
        hard = labels.difficulty(neighbours) if self.needs_difficulty and level == "scene" else None
        if ours.corrupt is not NoiseModel.corrupt:
            given = (labels.scene_labels, labels.maps if labels.has_maps else None, labels.num_classes)
            more: dict[str, Any] = {"difficulty": hard} if self.needs_difficulty else {}
            more |= {"folders": labels.folders} if self.reads_folders else {}
            return self.corrupt(*given, rate, rng, level, **more)
        if level == "scene" and ours.scene is not NoiseModel.scene:
            return self.scene(labels.scene_labels, rate, rng, hard)
        if level == "pixel" and ours.pixel is not NoiseModel.pixel:
            return self.pixel(labels.maps, labels.num_classes, rate, rng)
        change = self.corrupt_scene if level == "scene" else self.corrupt_maps
        return change(labels, exact_rate(rate), rng)

    def scene(
        self,
        labels: npt.NDArray[Any],
        rate: Rate,
        rng: np.random.Generator,
        difficulty: npt.NDArray[Any] | None = None,
    ) -> Corruption:
        """Corrupt an array of scene labels.

        Args:
            labels: (N, C) of 0 and 1.
            rate: 0 to 100 percent, exact unless a float.
            rng: Random number generator.
            difficulty: (N, C), how easily each entry is got wrong, for models that need it.

        Returns:
            The noisy labels and the changes.

        Raises:
            InputError: As `apply`.
        """
        classes = np.asarray(labels).shape[-1] if np.ndim(labels) else 0
        return self.apply(LabelSet(classes, labels, difficulty=difficulty), rate, rng, "scene")

    def pixel(
        self, maps: npt.NDArray[Any], num_classes: int, rate: Rate, rng: np.random.Generator
    ) -> Corruption:
        """Corrupt an array of label maps.

        Args:
            maps: (N, H, W) class of each pixel, 0 to C - 1; 255 has none.
            num_classes: C.
            rate: 0 to 100 percent, exact unless a float.
            rng: Random number generator.

        Returns:
            The noisy maps and the changes.

        Raises:
            InputError: As `apply`.
        """
        return self.apply(LabelSet(num_classes, maps=maps), rate, rng, "pixel")

    def corrupt(
        self,
        scene_labels: npt.NDArray[Any],
        label_maps: npt.NDArray[Any] | None,
        num_classes: int,
        rate: Rate,
        rng: np.random.Generator,
        level: Level,
        difficulty: npt.NDArray[Any] | None = None,
        folders: npt.NDArray[Any] | None = None,
    ) -> Corruption:
        """Corrupt arrays of labels of the requested level.

        Args:
            scene_labels: (N, C) of 0 and 1.
            label_maps: (N, H, W) class of each pixel, 255 for none; None without maps.
            num_classes: C.
            rate: 0 to 100 percent, exact unless a float.
            rng: Random number generator.
            level: Which labels to corrupt.
            difficulty: (N, C), how easily each entry is got wrong, for models that need it.
            folders: (N,) folder of each image, for models that read it.

        Returns:
            The noisy labels and the changes.

        Raises:
            InputError: As `apply`.
        """
        labels = LabelSet(num_classes, scene_labels, label_maps, difficulty=difficulty, folders=folders)
        return self.apply(labels, rate, rng, level)

    def manifest(self, corruption: Corruption, plan: Planned) -> Manifest:
        """Describe a corruption made for a planned run.

        Args:
            corruption: What this model returned.
            plan: The run, whose noise seed and data it was made with.

        Returns:
            What is written to `noise.json` and `noise.npz` of the record.
        """
        return Manifest.of(corruption, self, plan.config.noise_seed, plan.archive.fingerprint)

    def _refusal(self, level: str) -> UnsuitableNoise:
        can = " and ".join(LEVELS[each] for each in self.levels)
        because = f": {self.refuses[level]}" if level in self.refuses else ""
        return UnsuitableNoise(
            f"The noise model {self.name!r} corrupts {can}, not {LEVELS.get(level, repr(level))}{because}. "
            "See: gridbench list noise."
        )
