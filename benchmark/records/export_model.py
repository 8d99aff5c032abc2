"""The network of a finished run as a folder in timm's own form, which timm, the hub and transformers load.

The form is that of `timm.models.save_for_hf`: config.json (architecture, arguments, preprocessing) and
model.safetensors. It is written here so that its content does not depend on timm's version.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load

from gridbench.config import stored_config
from gridbench.core.files import all_or_nothing, check_folder, check_free, check_target, write_bytes
from gridbench.core.terminal import escape
from gridbench.datasets.dataset import Progress
from gridbench.errors import InputError, method_in_words
from gridbench.leaderboard.records.command_line import command_of
from gridbench.plan import Plan, make_plan
from gridbench.records.recompute import wrong_numbers
from gridbench.records.record import DONE, WEIGHTS, RunRecord, read_record
from gridbench.training.backbone import TimmBackbone, build_backbone
from gridbench.training.building import spec_of

__all__ = ["export_model"]


def export_model(
    source: Path, target: Path, cache: Path, progress: Progress | None = None, force: bool = False
) -> None:
    """Write the descriptor network of a run so that timm alone loads it, with a model card; nothing is uploaded.

    Args:
        source: Folder of a finished run that kept its weights.
        target: Folder to write; it holds config.json, model.safetensors and README.md.
        cache: Folder of packed archives, which tell the bands and how they are standardised.
        progress: Progress callback for building an archive.
        force: Replace the content of the folder.

    Raises:
        InputError: The run is not finished or kept no weights, cannot be rebuilt, or its network is not a timm model.
    """
    stored = read_record(source, verify=True)
    if not isinstance(stored, RunRecord):
        raise InputError(f"{source} is not a finished run: {stored.reason}.")
    if WEIGHTS not in stored.hashes:
        raise InputError(
            f"The run in {source} kept no weights (--keep light). Run it again with --keep weights --force."
        )
    plan = make_plan(stored_config(stored.config["config"]), cache, progress)
    if plan.id != stored.id:
        raise InputError(
            f"The run in {source} cannot be rebuilt: gridbench, its data or a plug-in has changed since. "
            "Load its plug-in with --plugin if it has one."
        )
    if wrong := wrong_numbers(stored):
        raise InputError(f"The record in {source} contradicts itself: {'; '.join(wrong)}.")
    weights = stored.content(WEIGHTS)
    backbone = _network(plan, weights)
    config = _timm_config(plan, backbone)
    files = {
        "config.json": json.dumps(config, indent=1, sort_keys=True, ensure_ascii=False).encode(),
        "model.safetensors": weights,
        "README.md": _card(stored, plan, config).encode(),
    }
    _check_target(target, source, files, force)
    _compare(backbone, files, config)
    with all_or_nothing(target):
        for name, content in files.items():
            write_bytes(target / name, content)


def _check_target(target: Path, source: Path, names: Iterable[str], force: bool) -> None:
    """Refuse a folder before anything is written to it.

    Raises:
        InputError: It is a run's, or no folder, or holds something that is not replaced.
    """
    check_folder(target)
    if target.resolve() == source.resolve() or (target / DONE).exists():
        raise InputError(
            f"{target} is the folder of a run, whose settings would be replaced. Name another: --out"
        )
    files = [target / name for name in names]
    check_free(files, force)
    for file in files:
        check_target(file)


def _compare(backbone: TimmBackbone, files: Mapping[str, bytes], config: Mapping[str, Any]) -> None:
    """Load the files by timm, and see that it gives the same descriptors of random images."""
    import timm

    images = torch.rand(
        2, *config["pretrained_cfg"]["input_size"], generator=torch.Generator().manual_seed(0)
    )
    with tempfile.TemporaryDirectory(prefix="gridbench-export-") as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        loaded = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    with torch.no_grad():
        expected, found = backbone.model.eval()(images), loaded(images)
    if not found.isfinite().all():
        raise InputError("The network's descriptors are not finite; nothing was written.")
    if not torch.equal(expected, found):
        raise InputError(
            "timm builds another network from these files than the run had; nothing was written."
        )


def _network(plan: Plan, weights: bytes) -> TimmBackbone:
    """Build the run's backbone, and see that the weights of its descriptor network are those of a timm model."""
    if plan.config.backbone is None:
        raise InputError(f"The method {plan.config.method!r} has no network to export.")
    backbone = build_backbone(
        replace(spec_of(plan), pretrained=False, weights=None, compiled=False, frozen=False)
    )
    try:
        tensors = load(weights)
        # load_state_dict would convert the types silently.
        types = {name: tensor.dtype for name, tensor in backbone.model.state_dict().items()}
        for name in (name for name in tensors.keys() & types.keys() if tensors[name].dtype != types[name]):
            raise InputError(f"The weights of {name!r} are {tensors[name].dtype}, not {types[name]}.")
        backbone.model.load_state_dict(tensors)
    except (RuntimeError, SafetensorError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(
            f"The method {plan.config.method!r} has a descriptor network of its own, which timm alone cannot build: "
            f"{reason}"
        ) from None
    return backbone


def _timm_config(plan: Plan, backbone: TimmBackbone) -> dict[str, Any]:
    """Return timm's description of a model: architecture, arguments, and what its images must look like."""
    spec, model = spec_of(plan), backbone.model
    known: Mapping[str, Any] = getattr(model, "pretrained_cfg", None) or {}
    mean, std = _standardisation(plan)
    arguments: dict[str, Any] = {"in_chans": spec.bands}
    if spec.output_stride is not None:
        arguments["output_stride"] = spec.output_stride
    if known.get("fixed_input_size") and spec.image_size != (224, 224):
        arguments["img_size"] = list(spec.image_size)
    return {
        "architecture": str(known.get("architecture") or spec.name.split(".")[0]),
        "num_classes": 0,
        "num_features": backbone.width,
        "model_args": arguments,
        "pretrained_cfg": {
            "input_size": [spec.bands, *spec.image_size],
            "fixed_input_size": bool(known.get("fixed_input_size", False)),
            "mean": mean,
            "std": std,
            "interpolation": "bilinear",
            "crop_pct": 1.0,
            "crop_mode": "center",
            "num_classes": 0,
            "pool_size": None,
            # timm would convert the first convolution from three bands, and the weights have the right ones already.
            "first_conv": None,
            "classifier": known.get("classifier"),
        },
    }


def _standardisation(plan: Plan) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of each band; of bytes on timm's scale, where 255 is 1."""
    mean, scale = plan.archive.scaling(plan.config.statistics or "train")
    unit = 255.0 if _bytes(plan) else 1.0
    means, scales = (values.numpy().astype(np.float64).reshape(-1) for values in (mean, scale))
    return [float(value) for value in means / unit], [float(value) for value in 1 / scales / unit]


def _bytes(plan: Plan) -> bool:
    return all(group.pixels.dtype == np.uint8 for group in plan.archive.groups)


def _labels(settings: Mapping[str, Any], realised: float) -> str:
    """Say how many labels were corrupted, and by which noise model."""
    if not realised:
        return "labels that were not corrupted"
    return (
        f"labels of which {settings['slnir']} % were corrupted\nby the noise model {settings['noise']} "
        f"(realised: {realised:.2f} %)"
    )


def _descriptor_call(descriptor_map: str | None, reads_feature_map: bool) -> str:
    """Return the expression that computes descriptors: a feature map is mapped before it is averaged."""
    output = "model.forward_features(images)" if reads_feature_map else "model(images)"
    if descriptor_map:
        output = f"torch.nn.functional.{descriptor_map}({output})"
    return f"{output}.mean((2, 3))" if reads_feature_map else output


def _card(stored: RunRecord, plan: Plan, config: Mapping[str, Any]) -> str:
    """Return the model card: what the network is for, its scores, how it was trained, and how it is loaded."""
    settings, k = stored.config["config"], stored.config["config"]["k"]
    realised = (stored.result.get("noise") or {}).get("realised")
    if isinstance(realised, bool) or not isinstance(realised, int | float):
        raise InputError(f"The result in {stored.folder} tells no realised noise rate.")
    # The machine's name is untrusted text: keep it on one line, without markup.
    machine = escape(" ".join(stored.machine.split())).replace("`", "'")
    scores = {
        f"test NDCG@{k}": f"ndcg@{k}",
        f"validation NDCG@{k}": f"validation/ndcg@{k}",
        f"unseen queries NDCG@{k}": f"unseen/ndcg@{k}",
    }
    rows = [
        f"| {title} | {100 * stored.metrics[name]:.2f} % |"
        for title, name in scores.items()
        if name in stored.metrics
    ]
    front = {
        "library_name": "timm",
        "pipeline_tag": "image-feature-extraction",
        "tags": ["timm", "gridbench", "label-noise", "image-retrieval", str(settings["dataset"])],
    }
    head = "\n".join(f"{name}: {json.dumps(value)}" for name, value in front.items())
    bands = ", ".join(map(str, plan.archive.band_names))
    call = _descriptor_call(settings.get("descriptor_map"), spec_of(plan).reads == "feature_map")
    scale = "divided by 255" if _bytes(plan) else "in the units of the archive"
    height, width = spec_of(plan).image_size
    name = method_in_words(settings["method"], settings["loss"])
    return f"""---
{head}
---

# {config["architecture"]} trained by {name} on {settings["dataset"]}

A network that maps an image to a descriptor of {config["num_features"]} numbers for image retrieval, trained by
gridbench {version("gridbench")} on {_labels(settings, realised)}.
Descriptors are compared by the {settings["distance"]} distance.

| score | of this run |
|---|---|
{chr(10).join(rows)}

One run, seed {settings["seed"]}: a mean over seeds is what can be compared with other methods.

## Use

```python
import timm
import torch

model = timm.create_model("local-dir:FOLDER", pretrained=True).eval()  # or hf-hub:OWNER/NAME once uploaded
mean = torch.tensor(model.pretrained_cfg["mean"]).view(-1, 1, 1)
std = torch.tensor(model.pretrained_cfg["std"]).view(-1, 1, 1)
images = (images - mean) / std  # (B, {plan.archive.bands}, {height}, {width}): {bands}; {scale}
with torch.no_grad():
    descriptors = {call}
```

## Training

- Run: `{stored.id}`
- Machine: `{machine}`
- Command:

```bash
{escape(command_of(stored.config))}
```

The images of {settings["dataset"]} have a licence of their own, which may say what this network may be used for.
"""
