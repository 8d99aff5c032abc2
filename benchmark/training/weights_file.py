"""Initialisation from weights files: safetensors or torch state dicts, with any prefix of the keys."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from gridbench.core.files import open_file
from gridbench.core.zip_files import check_zip
from gridbench.errors import InputError, reason_of

__all__ = ["Loaded", "load_weights", "read_weights"]

POSITIONS = "pos_embed"
"""timm's name of the position embeddings of vision transformers."""


@dataclass(frozen=True)
class Loaded:
    """Report on how a weights file was adapted to a backbone.

    Attributes:
        prefix: What stood before the name of each entry in the file, such as `module.`; often empty.
        stem: `(bands in the file, bands of the images)` where timm's conversion of the first convolution was needed.
        positions: Tokens `(in the file, of the images)` where a transformer's position embeddings were resampled.
    """

    prefix: str = ""
    stem: tuple[int, int] | None = None
    positions: tuple[int, int] | None = None

    def document(self) -> dict[str, Any]:
        """Return what the record says of it."""
        found: dict[str, Any] = {"prefix": self.prefix}
        if self.stem:
            found["stem"] = f"{self.stem[0]} bands to {self.stem[1]} by timm's adapt_input_conv"
        if self.positions:
            found["positions"] = "{} tokens to {} by timm's resample_abs_pos_embed".format(*self.positions)
        return found


def load_weights(model: nn.Module, path: Path, name: str, prefix: str | None = None) -> Loaded:
    """Load a file of weights into a timm model; every entry of the model must be in the file.

    A classifier and other entries of the file are ignored. Entries of nested dictionaries, as training scripts
    write them, are named by their path: `state_dict.module.conv1.weight`.

    Args:
        model: A timm model without its classifier.
        path: A .safetensors file, or a torch file of tensors in dictionaries.
        name: The model's name, for messages.
        prefix: Prefix of the parameter names in the file; None to detect it.

    Raises:
        InputError: The file cannot be read, does not fit, or fits in more than one way.
    """
    state = read_weights(path)
    wanted = model.state_dict()
    stem, prefix_tokens = _stem(model), _prefix_tokens(model)
    known = [prefix] if prefix is not None else _prefixes(state, wanted)
    fitting = [p for p in known if not _missing(state, wanted, p, stem, prefix_tokens)]
    if not fitting:
        closest = min(known or [""], key=lambda p: len(_missing(state, wanted, p, stem, prefix_tokens)))
        missing = _missing(state, wanted, closest, stem, prefix_tokens)
        before = f" under the prefix {closest!r}" if closest else ""
        raise InputError(
            f"The weights file {str(path)!r} does not fit the backbone {name!r}: {len(missing)} of {len(wanted)} "
            f"entries are missing or of another shape{before}, the first being {missing[0]!r}."
        )
    if len(fitting) > 1:
        raise InputError(
            f"The weights file {str(path)!r} holds {len(fitting)} networks that fit the backbone {name!r}; say which "
            f"by --weights-prefix: {', '.join(map(repr, fitting[:10]))}."
        )
    chosen = {key: state[fitting[0] + key] for key in wanted}
    converted = None
    if stem and chosen[stem].shape != wanted[stem].shape:
        from timm.models import adapt_input_conv

        there, here = chosen[stem].shape[1], wanted[stem].shape[1]
        chosen[stem], converted = adapt_input_conv(here, chosen[stem]), (there, here)
    resampled = None
    if POSITIONS in chosen and chosen[POSITIONS].shape != wanted[POSITIONS].shape:
        from timm.layers.pos_embed import resample_abs_pos_embed

        grid = list(model.patch_embed.grid_size)  # type: ignore[union-attr, arg-type]
        resampled = chosen[POSITIONS].shape[1], wanted[POSITIONS].shape[1]
        chosen[POSITIONS] = resample_abs_pos_embed(
            chosen[POSITIONS], grid, num_prefix_tokens=prefix_tokens or 0
        )
    model.load_state_dict(chosen)
    return Loaded(fitting[0], converted, resampled)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a safetensors file, or of a torch file without running what is pickled in it.

    Args:
        path: The file.

    Returns:
        Name -> tensor; entries of nested dictionaries by their path.

    Raises:
        InputError: It cannot be read, or holds no tensors.
    """
    if not path.exists():
        raise InputError(f"The weights file {str(path)!r} does not exist.")
    try:
        with open_file(path) as file:
            if zipfile.is_zipfile(file):
                check_zip(zipfile.ZipFile(file), path.stat().st_size)
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = dict(load_file(path))
        else:
            import torch

            state = dict(_flat(torch.load(path, map_location="cpu", weights_only=True)))
        if not state:
            raise ValueError("it holds no named tensors")
        return state
    except Exception as error:
        raise InputError(
            f"The weights file {str(path)!r} cannot be read: {reason_of(error, path)}"
        ) from error


def _flat(values: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    if isinstance(values, Tensor):
        yield path, values
    elif isinstance(values, Mapping):
        for name, value in values.items():
            yield from _flat(value, f"{path}.{name}" if path else str(name))


def _prefixes(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    """Return the prefixes that the file puts before the name of the model's first entry, the shortest first."""
    first = next(iter(wanted))
    ends = (key.removesuffix(first) for key in state if key.endswith(first))
    return sorted({end for end in ends if not end or end.endswith(".")}, key=lambda end: (len(end), end))


def _stem(model: nn.Module) -> str | None:
    """Return the name of the weights of the one convolution that reads the bands, as timm states it."""
    first = (getattr(model, "pretrained_cfg", None) or {}).get("first_conv")
    return f"{first}.weight" if isinstance(first, str) else None


def _prefix_tokens(model: nn.Module) -> int | None:
    """Return how many position embeddings are of no patch; None for a model without a grid of patches."""
    if getattr(getattr(model, "patch_embed", None), "grid_size", None) is None:
        return None
    return 0 if getattr(model, "no_embed_class", False) else int(getattr(model, "num_prefix_tokens", 1))


def _missing(
    state: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    prefix: str,
    stem: str | None,
    prefix_tokens: int | None,
) -> list[str]:
    """Return the model's entries that the file lacks, or has in a shape that cannot be converted."""

    def fits(name: str) -> bool:
        theirs, ours = state.get(prefix + name), wanted[name]
        if theirs is None:
            return False
        # timm resamples the positions of images of another size, which were square.
        if name == POSITIONS and prefix_tokens is not None and theirs.ndim == ours.ndim == 3:
            patches = theirs.shape[1] - prefix_tokens
            return theirs.shape[2] == ours.shape[2] and patches > 0 and math.isqrt(patches) ** 2 == patches
        # timm converts the stem of colour images, by repeating or summing its three bands.
        of_colours = name == stem and theirs.ndim == 4 and theirs.shape[1] == 3
        return theirs.shape == ours.shape or (
            of_colours and theirs.shape[0] == ours.shape[0] and theirs.shape[2:] == ours.shape[2:]
        )

    return [name for name in wanted if not fits(name)]
