"""gridbench compares label-noise-robust image representation learning methods under one harness.

The names below are imported when first used, so that `import gridbench` stays quick.
"""

from __future__ import annotations

import importlib
from typing import Any

from gridbench.core.old_paths import install as _make_old_paths_importable

__version__ = "0.1.0"

_make_old_paths_importable()

_EXPORTS = {
    "RunConfig": "gridbench.config",
    "RunRecord": "gridbench.records.record",
    "load": "gridbench.records.load",
    "register_dataset": "gridbench.registry",
    "register_loss": "gridbench.registry",
    "register_method": "gridbench.registry",
    "register_noise": "gridbench.registry",
    "run": "gridbench.records.runner",
    "sweep": "gridbench.sweeps.run_sweep",
}

__all__ = ["__version__", *sorted(_EXPORTS)]


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        return getattr(importlib.import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module 'gridbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
