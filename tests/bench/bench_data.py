"""Reading BigEarthNet patches packed against reading their files, and what packing costs beyond reading.

Patches are generated at their true sizes: ten bands, four of 120 x 120 and six of 60 x 60, uncompressed uint16.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import rasterio
import torch
from fair import compare
from rasterio.enums import Resampling

from gridbench.datasets.archive import Archive
from gridbench.datasets.augment import Augmentation
from gridbench.datasets.batches import TrainingSet
from gridbench.datasets.bigearthnet import BigEarthNetOptions, plan_bigearthnet
from gridbench.datasets.bigearthnet_unit import BANDS, band_file
from gridbench.datasets.prepare import prepare
from gridbench.datasets.raster import quick_raster_access

PATCHES, DISTINCT, BATCH = 1000, 200, 64
SIZES = {"10m": 120, "20m": 60}


def generate(folder: Path, count: int, distinct: int = DISTINCT) -> Path:
    """Write patches in the layout of version 1; beyond `distinct` their files are links to the first ones."""
    root = folder / "BigEarthNet-v1.0"
    rng = np.random.default_rng(0)
    for i in range(count):
        name = f"S2A_MSIL2A_20170613T101031_{i // 100}_{i % 100}"
        patch = root / name
        patch.mkdir(parents=True)
        model = root / f"S2A_MSIL2A_20170613T101031_{i % distinct // 100}_{i % distinct % 100}"
        labels = patch / f"{name}_labels_metadata.json"
        labels.write_text(json.dumps({"labels": ["Pastures", "Mixed forest"][: 1 + i % 2]}))
        for group, bands in BANDS:
            for band in bands:
                if i >= distinct:
                    band_file(patch, band).symlink_to(band_file(model, band))
                    continue
                side = SIZES[group]
                profile = {"driver": "GTiff", "width": side, "height": side, "count": 1, "dtype": "uint16"}
                transform = rasterio.Affine(1200 / side, 0, 5e5, 0, -1200 / side, 5e6)
                with rasterio.open(
                    band_file(patch, band), "w", crs="EPSG:32634", transform=transform, **profile
                ) as f:
                    f.write(rng.integers(0, 8000, (side, side)).astype(np.uint16), 1)
    return root


def batch_with_rasterio(folders: list[Path], mean: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Make the same batch in the usual way: each band by rasterio at 120 x 120, stacked and standardised."""
    patches = []
    for folder in folders:
        bands = []
        for _, names in BANDS:
            for band in names:
                with rasterio.open(band_file(folder, band)) as source:
                    bands.append(source.read(1, out_shape=(120, 120), resampling=Resampling.cubic))
        patches.append((torch.from_numpy(np.stack(bands).astype(np.float32)) - mean) * scale)
    return torch.stack(patches)


def just_read(folders: list[Path]) -> None:
    """Read each band as it is stored, and the labels."""
    with quick_raster_access():
        for folder in folders:
            json.loads((folder / f"{folder.name}_labels_metadata.json").read_text())
            for _, bands in BANDS:
                for band in bands:
                    with rasterio.open(band_file(folder, band)) as source:
                        source.read(1)


def training_set(archive: Archive, limit: int | None) -> TrainingSet:
    """Return the train split, held in memory or left on disk."""
    rows = archive.indices("train")
    plain = Augmentation(None, True, 0.2)
    return TrainingSet(archive, rows, archive.scene_labels[rows], None, plain, torch.device("cpu"), limit)


def main() -> None:
    """Run the comparisons."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        root = generate(folder, PATCHES)
        plan = plan_bigearthnet([root], BigEarthNetOptions(split="70/10/20"))
        archive = prepare(plan, folder / "cache", "patches", workers=1)
        train = archive.indices("train")
        picked = np.random.default_rng(0).permutation(len(train))[:BATCH]
        some = [root / archive.names[train[i]] for i in picked]
        mean, scale = archive.scaling()
        for where, limit in (("disk", 0), ("memory", None)):
            data = training_set(archive, limit)
            compare(
                f"batch packed on {where} against rasterio cubic",
                lambda data=data: data.batch(picked, np.random.default_rng(0)),
                lambda: batch_with_rasterio(some, mean, scale),
                rounds=9,
                measure="speed",
                at_least=50,
            )

        folders = sorted(root.iterdir())

        def pack() -> None:
            prepare(plan, folder / "cache", "again", workers=1, force=True)

        compare(
            "packing against just reading", pack, lambda: just_read(folders), 9, measure="speed", at_least=0.9
        )
    for count in (500, 2000):
        print(f"peak memory while packing {count} patches: {peak_megabytes(count):.0f} MB", flush=True)


def peak_megabytes(count: int) -> float:
    """Return the peak memory of a process that plans and packs so many patches."""
    done = subprocess.run([sys.executable, __file__, str(count)], capture_output=True, text=True, check=True)
    return float(done.stdout)


def pack_in_this_process(count: int) -> None:
    """Print the peak memory, in MB, of generating links to, planning and packing so many patches."""
    with tempfile.TemporaryDirectory() as scratch:
        root = generate(Path(scratch), count, distinct=50)
        prepare(
            plan_bigearthnet([root], BigEarthNetOptions(split="70/10/20")),
            Path(scratch) / "cache",
            "x",
            workers=1,
        )
        print(_peak())


def _peak() -> float:
    """Return the peak memory of this process in MB; where Linux tells, without what the parent had at the fork."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    unit = 1024 if sys.platform == "darwin" else 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / unit


if __name__ == "__main__":
    if len(sys.argv) > 1:
        pack_in_this_process(int(sys.argv[1]))
    else:
        main()
