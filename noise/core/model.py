"""The protocol of noise models: one file each, named as registered."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from gridbench.errors import InputError
from gridbench.noise.core.corruption import Corruption, Kind
from gridbench.noise.core.rates import Rate

if TYPE_CHECKING:
    from gridbench.noise.core.manifest import Manifest

__all__ = ["NoParameters", "NoiseModel"]


@dataclass(frozen=True)
class NoParameters:
    """Parameters of a model that has none."""


class Planned(Protocol):
    """What a manifest takes from a planned run: `config.noise_seed` and `archive.fingerprint`."""

    @property
    def config(self) -> Any:
        """The run's configuration."""

    @property
    def archive(self) -> Any:
        """The archive whose labels were corrupted."""


class NoiseModel(ABC):
    """Corrupts labels by an exact rate.

    A model overrides `scene`, `pixel` or both, and says so in `kinds`. It changes copies, draws from the given
    generator alone, is the identity at rate 0, and gives the same result for the same generator state.

    Args:
        parameters: Values of the model's `Parameters`; None takes the defaults.

    Attributes:
        name: Registry name, set by `register_noise`.
        version: Raised when its results change.
        kinds: Which labels it corrupts: `"scene"`, `"pixel"`.
        needs_difficulty: Whether `scene` needs to be told how hard each label is.
        authors_code: Parameters whose defaults the protocol of that name replaces.
        Parameters: Dataclass of its parameters.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    kinds: ClassVar[tuple[Kind, ...]]
    needs_difficulty: ClassVar[bool] = False
    reads_folders: ClassVar[bool] = False
    authors_code: ClassVar[Mapping[str, Any]] = {}
    Parameters: ClassVar[type[Any]] = NoParameters

    def __init__(self, parameters: Any = None) -> None:
        self.parameters = self.Parameters() if parameters is None else parameters

    def inputs(self) -> tuple[Path, ...]:
        """Return the files that the noise depends on; a run's identity holds their content."""
        return ()

    def scene(
        self,
        labels: npt.NDArray[Any],
        rate: Rate,
        rng: np.random.Generator,
        difficulty: npt.NDArray[Any] | None = None,
    ) -> Corruption:
        """Corrupt scene labels.

        Args:
            labels: (N, C) of 0 and 1; left as they are.
            rate: 0 to 100 percent, exact unless a float; what it is a share of is the model's matter.
            rng: Where every random number comes from.
            difficulty: (N, C) higher means that a label is easier to get wrong; most models need none.

        Raises:
            InputError: Labels other than 0 and 1, or a rate that these labels cannot realise.
        """
        raise self._refusal("scene")

    def pixel(
        self, maps: npt.NDArray[Any], num_classes: int, rate: Rate, rng: np.random.Generator
    ) -> Corruption:
        """Corrupt label maps.

        Args:
            maps: (N, H, W) whole numbers, 255 and negative ones are ignored pixels; left as they are.
            num_classes: Number of classes C.
            rate: 0 to 100 percent, exact unless a float; what it is a share of is the model's matter.
            rng: Where every random number comes from.

        Raises:
            InputError: A class outside the range, or a rate that these maps cannot realise.
        """
        raise self._refusal("pixel")

    def corrupt(
        self,
        scene_labels: npt.NDArray[Any],
        label_maps: npt.NDArray[Any] | None,
        num_classes: int,
        rate: Rate,
        rng: np.random.Generator,
        kind: Kind,
        difficulty: npt.NDArray[Any] | None = None,
        folders: npt.NDArray[Any] | None = None,
    ) -> Corruption:
        """Corrupt the labels that a method learns from.

        Args:
            scene_labels: (N, C); used when `kind` is `"scene"`.
            label_maps: (N, H, W) or None; used when `kind` is `"pixel"`, and by a model that reads labels off maps.
            num_classes: Number of classes C.
            rate: 0 to 100 percent.
            rng: Where every random number comes from.
            kind: Which labels to corrupt.
            difficulty: (N, C) or None; see `scene`.
            folders: (N,) which samples were stored together; for a model with `reads_folders`.

        Raises:
            InputError: The model does not corrupt such labels, there are none, or what `scene` and `pixel` refuse.
        """
        if kind not in self.kinds:
            raise self._refusal(kind)
        if kind == "scene":
            if self.needs_difficulty and difficulty is None:
                raise InputError(f"The noise model {self.name!r} needs to know how hard each label is.")
            return self.scene(scene_labels, rate, rng, difficulty)
        if label_maps is None:
            raise InputError(
                f"The noise model {self.name!r} was asked to corrupt label maps, and there are none."
            )
        return self.pixel(label_maps, num_classes, rate, rng)

    def manifest(self, corruption: Corruption, plan: Planned) -> Manifest:
        """Describe a corruption made for a planned run."""
        from gridbench.noise.core.manifest import Manifest

        return Manifest.of(corruption, self, plan.config.noise_seed, plan.archive.fingerprint)

    def _refusal(self, kind: str) -> InputError:
        words = {"scene": "scene labels", "pixel": "label maps"}
        can = " and ".join(words[each] for each in self.kinds)
        return InputError(
            f"The noise model {self.name!r} corrupts {can}, not {words.get(kind, repr(kind))}. "
            "See: gridbench list noise."
        )
