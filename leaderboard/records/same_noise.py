"""Whether runs that should have seen the same corrupted labels did: their noise manifests have one hash."""

from __future__ import annotations

from collections.abc import Iterable

from gridbench.errors import InputError
from gridbench.leaderboard.records.runs import Run

__all__ = ["check_same_noise"]

# What the corrupted labels depend on; method, loss and everything about training do not touch them.
_DECIDES = (
    "dataset_fingerprint",
    "kind",
    "noise",
    "slnir",
    "train_size",
    "versions.noise",
    "versions.noise_files",
)


def check_same_noise(runs: Iterable[Run]) -> None:
    """Refuse results of which some were made with other label noise than their settings say.

    That happens when the code of a noise model changed and its version did not: old and new results would then stand
    in one table as if nothing had happened.

    Raises:
        InputError: Two runs have the same noise settings and different noise; it names both.
    """
    seen: dict[tuple[str, ...], tuple[str, Run]] = {}
    for run in runs:
        found = run.stored.result.get("noise")
        sha256 = found.get("sha256") if isinstance(found, dict) else None
        if not isinstance(sha256, str):
            continue
        first, other = seen.setdefault(_key(run), (sha256, run))
        if first != sha256:
            raise InputError(
                f"{other.stored.folder} and {run.stored.folder} say that they saw the same label noise "
                f"({run.settings.get('noise')}, SLNIR {run.settings.get('slnir')}), and did not: their manifests have "
                f"the hashes {first[:10]} and {sha256[:10]}. One of them is from an older gridbench; move it away."
            )


def _key(run: Run) -> tuple[str, ...]:
    parameters = sorted(name for name in run.settings if name.startswith("noise_parameters."))
    seed = run.settings.get("noise_seed")
    values = [run.settings.get(name) for name in (*_DECIDES, *parameters)]
    return (*map(str, values), *parameters, str(run.seed if seed is None else seed))
