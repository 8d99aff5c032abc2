"""The corruption manifest: a pair of files that records every label change in verifiable form.

`noise.json` holds the requested and the realised noise, `noise.npz` every change. Together with the clean labels they
reproduce the noisy labels exactly, on any machine and without the code of the noise model.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gridbench.core.files import LARGEST_TABLE, write_bytes
from gridbench.core.json_files import read_json
from gridbench.core.labels import IGNORE
from gridbench.core.zip_files import read_arrays
from gridbench.errors import InputError
from gridbench.noise.core.corruption import Corruption, Ints, Level, apply_changes
from gridbench.noise.core.labels import checked_maps, checked_scene_labels, class_pixels
from gridbench.noise.core.manifest_changes import (
    check_affected,
    check_changes,
    check_runs,
    check_shape,
    pixels_of,
)
from gridbench.noise.core.manifest_form import FOLDER_SWAP, check_form, check_types, read_part, tally

__all__ = ["Manifest"]

SCHEMA = 1
TEXT, ARRAYS = "noise.json", "noise.npz"
_PLAIN = ("model", "version", "parameters", "requested", "seed", "fingerprint")


@dataclass(frozen=True, eq=False)
class Manifest:
    """One corruption of one set of labels.

    Attributes:
        model: Registry name of the noise model.
        version: Its version.
        parameters: Its parameters as plain values.
        level: `"scene"`, `"pixel"` or `"single"`.
        requested: Requested rate in percent, as the text of an exact decimal.
        seed: Seed of the noise; None when it is not known.
        fingerprint: Fingerprint of the archive; None when it is not known.
        shape: Shape of the labels: (N, C), or (N, H, W) for maps.
        positives: (C,) how many units of each class the rate is a share of.
        affected: (C,) how many of them changed.
        changed: (K, 3) of sample, class before, class after; see `Corruption`.
        runs: (R, 3) of first pixel, length, class after, or None; see `Corruption`.
        merging: Whether a class may have become one that its sample has; see `Corruption`.
        counts_drawn: Whether `affected` counts labels as they were drawn; see `NoiseModel`.
    """

    model: str
    version: int
    parameters: Mapping[str, Any]
    level: Level
    requested: str
    seed: int | None
    fingerprint: str | None
    shape: tuple[int, ...]
    positives: Ints
    affected: Ints
    changed: Ints
    runs: Ints | None = None
    merging: bool = False
    counts_drawn: bool = False

    @classmethod
    def of(
        cls,
        corruption: Corruption,
        model: Any,
        seed: int | None = None,
        fingerprint: str | None = None,
    ) -> Manifest:
        """Describe a corruption.

        Args:
            corruption: What the model returned.
            model: The noise model: its name, version and parameters are kept.
            seed: Seed that the generator was derived from.
            fingerprint: Fingerprint of the archive whose labels were corrupted.
        """
        taken = ("level", "positives", "affected", "changed", "runs", "merging")
        return cls(
            model=model.name,
            version=model.version,
            # Unset parameters are omitted, as in the identity of a run.
            parameters={k: v for k, v in dataclasses.asdict(model.parameters).items() if v is not None},
            requested=str(corruption.requested),
            seed=seed,
            fingerprint=fingerprint,
            shape=corruption.labels.shape,
            counts_drawn=model.counts_drawn,
            **{name: getattr(corruption, name) for name in taken},
        )

    @property
    def sha256(self) -> str:
        """Hash of the shape and of every change, the same on every platform."""
        digest = hashlib.sha256(f"gridbench noise {SCHEMA} {self.level} {list(self.shape)}\n".encode())
        for name, rows in self.arrays().items():
            digest.update(f"{name} {len(rows)}\n".encode())
            digest.update(np.ascontiguousarray(rows, dtype="<i8").tobytes())
        return digest.hexdigest()

    def summary(self) -> dict[str, Any]:
        """Return everything but the changes themselves as plain JSON values.

        `realised` is in percent, overall and per class (None for a class without units); `removed` and `added`
        count the changes away from and to each class.
        """
        classes = len(self.positives)
        total, affected = int(self.positives.sum()), int(self.affected.sum())
        counts = zip(self.affected.tolist(), self.positives.tolist(), strict=True)
        return {
            "schema": SCHEMA,
            "model": self.model,
            "version": self.version,
            "parameters": dict(self.parameters),
            "kind": self.level,
            "requested": self.requested,
            "realised": 100.0 * affected / total if total else 0.0,
            "seed": self.seed,
            "fingerprint": self.fingerprint,
            "shape": list(self.shape),
            "positives": total,
            "affected": affected,
            "noisy_samples": len(np.unique(self.changed[:, 0])),
            "per_class": {
                "positives": self.positives.tolist(),
                "affected": self.affected.tolist(),
                "realised": [100.0 * part / whole if whole else None for part, whole in counts],
                "removed": tally(self.changed[:, 1], classes),
                "added": tally(self.changed[:, 2], classes),
            },
            "sha256": self.sha256,
            **({"merging": True} if self.merging and self._counted is None else {}),
            **({"counts_drawn": True} if self.counts_drawn and self.model != FOLDER_SWAP else {}),
        }

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays that `noise.npz` holds."""
        arrays = {"changed": self.changed}
        return arrays if self.runs is None else {**arrays, "runs": self.runs}

    def save(self, folder: Path) -> None:
        """Write `noise.json` and `noise.npz` into a folder, each atomically, the json last."""
        folder.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **self.arrays())
        write_bytes(folder / ARRAYS, buffer.getvalue())
        text = json.dumps(self.summary(), indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
        write_bytes(folder / TEXT, (text + "\n").encode())

    @classmethod
    def load(cls, folder: Path) -> Manifest:
        """Read a manifest, from the folder it was saved in or from that of a run.

        Raises:
            InputError: A file is missing, damaged or changed since; the message says which.
        """
        stored = read_part(folder / TEXT, lambda path: read_json(path, LARGEST_TABLE))
        if not isinstance(stored, dict):
            raise InputError(f"{folder / TEXT} is not a noise manifest: it holds no object.")
        arrays = read_part(folder / ARRAYS, read_arrays)
        try:
            if stored["schema"] != SCHEMA:
                raise InputError(
                    f"{folder / TEXT} has schema {stored['schema']}; this version of gridbench reads {SCHEMA}."
                )
            check_types(arrays)
            manifest = cls(
                **{name: stored[name] for name in _PLAIN},
                level=stored["kind"],
                shape=tuple(stored["shape"]),
                positives=np.array(stored["per_class"]["positives"], dtype=np.int64),
                affected=np.array(stored["per_class"]["affected"], dtype=np.int64),
                changed=np.asarray(arrays["changed"], dtype=np.int64).reshape(-1, 3),
                runs=np.asarray(arrays["runs"], dtype=np.int64).reshape(-1, 3) if "runs" in arrays else None,
                merging=bool(stored.get("merging", stored["parameters"].get("replacement") == "any")),
                counts_drawn=bool(stored.get("counts_drawn", stored["model"] == FOLDER_SWAP)),
            )
            check_form(manifest)
            derived = manifest.summary()
        except (AttributeError, KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            if isinstance(error, InputError):
                raise
            what = f"it lacks {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
            raise InputError(
                f"{folder} does not hold a noise manifest: {what}. {TEXT} or {ARRAYS} was changed or damaged."
            ) from error
        if derived["sha256"] != stored.get("sha256"):
            raise InputError(f"{folder / ARRAYS} was changed or damaged: its hash is not the one in {TEXT}.")
        for key, value in derived.items():
            if stored.get(key) != value:
                raise InputError(
                    f"{folder / TEXT} was changed: {key!r} does not follow from the changes in {ARRAYS}."
                )
        return manifest

    def verify(
        self,
        fingerprint: str | None = None,
        labels: npt.NDArray[Any] | None = None,
        maps: npt.NDArray[Any] | None = None,
    ) -> None:
        """Check that the manifest belongs to an archive.

        Args:
            fingerprint: Fingerprint of the archive.
            labels: (N, C) its clean scene labels, of the samples that were corrupted.
            maps: (N, H, W) its clean label maps, of the samples that were corrupted.

        Raises:
            InputError: It does not; the message says why.
        """
        if fingerprint is not None and self.fingerprint is not None and fingerprint != self.fingerprint:
            raise InputError(
                f"The noise manifest is of another archive: its fingerprint is {self.fingerprint[:12]}, "
                f"this archive's is {fingerprint[:12]}."
            )
        if labels is not None:
            clean = self._present(labels)
            if not self.counts_drawn:
                check_affected(self.changed, clean != 0, self.positives, self.affected)
        if maps is not None:
            self._pixels(maps)

    def apply(self, labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Turn clean scene labels into the noisy ones.

        Args:
            labels: (N, C) of 0 and 1, left as they are.

        Returns:
            A changed copy.

        Raises:
            InputError: The manifest is not of these labels.
        """
        return apply_changes(self._present(labels), self.changed)

    def apply_maps(self, maps: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Turn clean label maps into the noisy ones.

        Args:
            maps: (N, H, W) whole numbers, left as they are.

        Returns:
            A changed copy.

        Raises:
            InputError: The manifest is not of these maps.
        """
        clean = self._pixels(maps)
        noisy = np.array(clean, order="C")
        if self.runs is not None:
            for pixels, after in pixels_of(self.runs):
                noisy.reshape(-1)[pixels] = after
            return noisy
        for sample, before, after in self.changed.tolist():
            np.copyto(noisy[sample], after, where=clean[sample] == before, casting="unsafe")
        return noisy

    def _present(self, labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        clean = checked_scene_labels(labels)
        check_shape("single" if self.level == "single" else "scene", clean.shape, self.level, self.shape)
        check_changes(self.changed, clean != 0, self.merging, self._counted)
        return clean

    def _pixels(self, maps: npt.NDArray[Any]) -> npt.NDArray[Any]:
        classes = len(self.positives)
        clean = checked_maps(maps, classes, IGNORE)
        check_shape("pixel", clean.shape, self.level, self.shape)
        present = class_pixels(clean, classes, IGNORE) > 0
        if self.runs is None:
            check_changes(self.changed, present, self.merging, self._counted)
        else:
            check_runs(self.runs, clean, classes)
        return clean

    @property
    def _counted(self) -> Ints | None:
        """Labels of each class, where they were merged as GRID's code does: less can be wrong with such a change."""
        return self.positives if self.parameters.get("replacement") == "any" else None
