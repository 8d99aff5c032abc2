"""Batches from packed archives against reading files, and what packing costs beyond reading.

Patches of BigEarthNet are generated at their true sizes: ten bands, four of 120 x 120 and six of 60 x 60, uncompressed
uint16. For crop and flips there are RGB images of 256 px, as TIFF files for torchvision and packed for us.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import rasterio
import torch
from helpers.fair import QUICK, compare, figure, growth
from helpers.fresh import arguments, in_fresh_process, peak
from helpers.made_up import packed
from PIL import Image
from rasterio.enums import Resampling
from torchvision.transforms import v2

from gridbench.datasets.archive.archive import Archive
from gridbench.datasets.archive.layout import Sample
from gridbench.datasets.loading.augmentation import Augmentation
from gridbench.datasets.loading.batches import TrainingSet, batches_of
from gridbench.datasets.readers.bigearthnet.bigearthnet import BigEarthNetOptions, plan_bigearthnet
from gridbench.datasets.readers.bigearthnet.unit import BANDS, band_file
from gridbench.datasets.readers.prepare import prepare
from gridbench.datasets.readers.rasters.opening import quick_raster_access

PATCHES, DISTINCT, BATCH = (60, 30, 16) if QUICK else (1000, 200, 64)
PACKED = (20, 40, 60) if QUICK else (250, 500, 1000)
MEASURED = (20, 40) if QUICK else (500, 2000)
IMAGES, IMAGE_SIDE, CROP, IMAGE_BATCH = (64, 256, 224, 32) if QUICK else (768, 256, 224, 128)
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


def image_files(folder: Path) -> list[Path]:
    """Write RGB images as TIFF files."""
    rng = np.random.default_rng(0)
    files = []
    for i in range(IMAGES):
        coarse = rng.integers(0, 256, (IMAGE_SIDE // 8, IMAGE_SIDE // 8, 3), dtype=np.uint8)
        files.append(folder / f"{i}.tif")
        Image.fromarray(coarse.repeat(8, 0).repeat(8, 1)).save(files[-1])
    return files


class Files(torch.utils.data.Dataset[torch.Tensor]):
    """Images that are read, cropped, mirrored and standardised one by one, as in most training scripts."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files
        self.change = v2.Compose(
            [
                v2.PILToTensor(),
                v2.RandomCrop(CROP),
                v2.RandomHorizontalFlip(),
                v2.RandomVerticalFlip(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize([0.5] * 3, [0.25] * 3),
            ]
        )

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        with Image.open(self.files[index]) as image:
            changed: torch.Tensor = self.change(image.convert("RGB"))
        return changed


def bench_crops(folder: Path) -> None:
    """Compare an epoch of cropped and mirrored batches from memory with one over files."""
    files = image_files(folder)

    def samples() -> Iterator[Sample]:
        for i, file in enumerate(files):
            with Image.open(file) as image:
                pixels = np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))
            yield Sample((pixels,), np.array([1, i % 2], dtype=np.uint8), None, None)

    archive = packed(folder / "images", IMAGE_SIDE, 2, ["train"] * len(files), samples)
    everything = np.arange(len(archive))
    data = TrainingSet(
        archive, everything, archive.scene_labels, None, Augmentation(CROP, True), torch.device("cpu")
    )
    loader = torch.utils.data.DataLoader(Files(files), IMAGE_BATCH, shuffle=True)

    def ours() -> None:
        rng = np.random.default_rng(0)
        for positions in batches_of(rng.permutation(len(archive)), IMAGE_BATCH):
            data.batch(positions, rng)

    def peer() -> None:
        for _ in loader:
            pass

    result = compare(
        f"{IMAGES} images of {IMAGE_SIDE} px, crop {CROP} and flips, from memory against a DataLoader over TIFF files",
        ours,
        peer,
        rounds=9,
        measure="speed",
        at_least=6,
    )
    figure("crop and flips from memory, images/s", [IMAGES / took for took in result.ours], "images/s")


def bench_patches(folder: Path) -> None:
    """Compare batches of packed patches with batches of files, and packing with reading."""
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
        "packing against just reading", pack, lambda: just_read(folders), 7, measure="speed", at_least=0.9
    )

    def packing(size: int) -> Callable[[], object]:
        part = plan_bigearthnet([generate(folder / str(size), size)], BigEarthNetOptions(split="70/10/20"))
        return lambda: prepare(part, folder / "cache", f"size{size}", workers=1, force=True)

    growth("packing, growth with patches", packing, PACKED, float, (5, 5, 3), at_most=1.1)


def main() -> None:
    """Run the comparisons."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        bench_crops(Path(scratch))
    with tempfile.TemporaryDirectory() as scratch:
        bench_patches(Path(scratch))
    for count in MEASURED:
        found = in_fresh_process(__file__, count)
        figure(f"packing {count:,} patches, peak memory of the process", [found], "MB")


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
        print(peak())


if __name__ == "__main__":
    if arguments():
        pack_in_this_process(int(arguments()[0]))
    else:
        main()
