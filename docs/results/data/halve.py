"""Halve photographs and their masks: means of 2 x 2 pixels, and every second pixel of a mask.

python docs/results/data/halve.py dubai halved
"""

import sys
from pathlib import Path

from PIL import Image

source, target = map(Path, sys.argv[1:])
for file in sorted(source.glob("*/*.*")):
    image = Image.open(file).convert("RGB")
    width, height = image.width // 2, image.height // 2
    how = Image.Resampling.NEAREST if file.parent.name == "mask" else Image.Resampling.BOX
    out = (target / file.parent.name / file.name).with_suffix(".png")
    out.parent.mkdir(parents=True, exist_ok=True)
    image.crop((0, 0, 2 * width, 2 * height)).resize((width, height), how).save(out)
