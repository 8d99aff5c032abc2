"""What earlier selections chose, to be run at other noise rates and with more seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gridbench.config import stored_config
from gridbench.core.json_files import read_json
from gridbench.errors import InputError, in_words, nearest
from gridbench.records.record import SELECTIONS, iter_records
from gridbench.sweeps.grid import expand

__all__ = ["chosen_settings"]

FREE = ("slnir", "seed", "noise", "noise_parameters", "noise_seed")
"""Settings in which the runs of a choice may differ from its tries; all others are those of the tries."""

_ALSO = ("method", "seeds")


def chosen_settings(
    runs: Path, axes: Mapping[str, Sequence[str]], base: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    """Yield the settings of every run of what the selections in a folder of runs chose.

    Args:
        runs: Folder of records that holds the selections.
        axes: Name of a setting -> its values, of which `method` leaves out selections; without `slnir` the noise
            rates are those of the selection.
        base: Settings that are not axes.

    Raises:
        InputError: A setting is none that may differ, or the folder holds no choice, or none of a named method.
    """
    for name in (*axes, *base):
        if name not in (*FREE, *_ALSO):
            raise InputError(
                f"--chosen keeps all other settings of the tries, so {name!r} cannot be given. It can be combined with "
                f"{', '.join((*_ALSO, *FREE))}."
            )
    configs = {
        str(record.config["cell"]): record.config["config"]
        for record in iter_records(runs)
        if record.state == "done"
    }
    for document in _wanted(runs, axes.get("method")):
        found = [configs[cell] for cell in document["chosen_cells"] if cell in configs]
        if not found:
            raise InputError(
                f"The runs that were chosen for {document['method']}, from which the other settings are read, are not "
                f"in {str(runs)!r}. Rerun the sweep that selects, or give --runs with the folder that holds them."
            )
        varied = {"slnir": document["slnir"], **{name: axes[name] for name in axes if name != "method"}}
        for values in expand(varied, {**dict(stored_config(found[0])), **base}):
            yield _with_noise(values, found[0], base)


def _wanted(runs: Path, methods: Sequence[str] | None) -> list[dict[str, Any]]:
    """Return the selections of the named methods, or all, in each of which something is chosen."""
    documents = _read(runs)
    if not documents:
        raise InputError(
            f"There is no selection in {str(runs / SELECTIONS)!r}. Make one with `gridbench sweep --select NAME`."
        )
    names = sorted({str(document["method"]) for document in documents})
    for name in methods or ():
        if name not in names:
            raise InputError(
                f"Nothing was selected for the method {name!r}.{nearest(name, names)} There are selections for "
                f"{', '.join(names)}."
            )
    wanted = [document for document in documents if document["method"] in (methods or names)]
    waiting = [str(document["method"]) for document in wanted if document["chosen"] is None]
    if waiting:
        raise InputError(
            f"Nothing is chosen for {', '.join(waiting)} yet; finish the sweep that selects, or name the other methods "
            "with --method."
        )
    return wanted


def _with_noise(values: dict[str, Any], tried: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings in which another noise model has its own parameters, and a seed follows that of the run."""
    if "noise_parameters" not in base and values["noise"] != tried["noise"]:
        values["noise_parameters"] = {}
    if "noise_seed" not in base and tried["noise_seed"] == tried["seed"]:
        values["noise_seed"] = None
    return values


def _read(runs: Path) -> list[dict[str, Any]]:
    """Return the selections of a folder of runs.

    Raises:
        InputError: One cannot be read.
    """
    documents = []
    for path in sorted((runs / SELECTIONS).glob("*.json")):
        try:
            document = read_json(path)
            documents.append({name: document[name] for name in ("method", "chosen", "chosen_cells", "slnir")})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{str(path)!r} cannot be read as a selection: {in_words(error)}. Rerun the sweep that selects, which "
                "writes it again."
            ) from None
    return documents
