"""Submissions: a bundle of records with the plug-in that made them and its conformance report, in one zip file.

Three words: *reported* is a number printed elsewhere, *submitted* one whose records and plug-in are here and pass every
check, *verified* one that was also computed again.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gridbench.core.files import LARGEST_TEXT
from gridbench.core.json_files import parse_json
from gridbench.errors import InputError
from gridbench.leaderboard.bundles.bundle import pack_bundle, zipped
from gridbench.leaderboard.bundles.bundle_import import import_bundle
from gridbench.leaderboard.bundles.checks import CONTENTS, opened, refuse
from gridbench.leaderboard.records.run import Run
from gridbench.leaderboard.records.runs import collect

__all__ = ["Submission", "opened_submission", "pack_submission"]

RECORDS, CONFORMANCE = "records.zip", "conformance.json"
_PLUGIN = re.compile(r"plugin/[A-Za-z_][A-Za-z0-9_]{0,99}\.py")
MOST_PLUGINS = 8
FINDING = {"component", "check", "subject", "reason"}


@dataclass(frozen=True)
class Submission:
    """A submission whose files, numbers and identities were checked; no code of it was run.

    Attributes:
        runs: Its records.
        plugins: The plug-in files, unpacked.
        findings: Conformance report: rows with `component`, `check`, `subject` and `reason` (empty: passed).
        version: Version of gridbench that packed it.
    """

    runs: Sequence[Run]
    plugins: Sequence[Path]
    findings: Sequence[Mapping[str, str]]
    version: str


def pack_submission(
    runs: Sequence[Run], plugins: Sequence[Path], findings: Sequence[Mapping[str, str]], version: str
) -> bytes:
    """Pack a submission.

    Args:
        runs: Finished records.
        plugins: Files of the plug-ins that they were computed with.
        findings: Conformance report of their components.
        version: Version of gridbench.

    Raises:
        InputError: A plug-in is missing or superfluous.
    """
    files = {RECORDS: pack_bundle(runs, version), CONFORMANCE: json.dumps(list(findings), indent=1).encode()}
    for path in plugins:
        name = f"plugin/{path.name}"
        if not _PLUGIN.fullmatch(name) or name in files:
            raise InputError(
                f"The plug-in {str(path)!r} needs a name of its own of letters, digits and underscores."
            )
        files[name] = path.read_bytes()
    wrong = list(_wrong_plugins(runs, {n: c for n, c in files.items() if n.startswith("plugin/")}))
    if wrong:
        raise InputError("\n  ".join(["Nothing was packed:", *wrong]))
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    contents = {"schema": 1, "gridbench": version, "files": hashes}
    return zipped({**files, CONTENTS: json.dumps(contents, indent=1, sort_keys=True).encode()}.items())


def _wrong_plugins(runs: Sequence[Run], sources: Mapping[str, bytes]) -> Iterator[str]:
    """Yield the runs computed with a plug-in that is not in the bundle; no plug-in is executed.

    A run's identity has the sha256 over the hashes of the sources it used (`gridbench.core.plugins.source_digest`).
    """
    if len(sources) > MOST_PLUGINS:
        yield f"there are {len(sources)} plug-in files; a submission has {MOST_PLUGINS} at most"
        return
    names: dict[str, str] = {}
    for name, content in sources.items():
        names.setdefault(hashlib.sha256(content).hexdigest(), name)
    if len(names) < len(sources):
        yield "it holds a plug-in twice"
    possible = {
        hashlib.sha256("".join(chosen).encode()).hexdigest(): chosen
        for count in range(1, len(names) + 1)
        for chosen in itertools.combinations(sorted(names), count)
    }
    unused = set(names)
    for run in runs:
        used = str(run.stored.config.get("plugin") or "")
        unused -= set(possible.get(used, ()))
        if used and used not in possible:
            what = (
                "another plug-in than the one in the bundle"
                if sources
                else "a plug-in that is not in the bundle"
            )
            yield f"{run.stored.folder.name}: it was computed with {what}"
    yield from (f"{names[digest]}: no record was computed with it" for digest in sorted(unused))


@contextmanager
def opened_submission(path: Path, folder: Path) -> Iterator[Submission]:
    """Unpack a submission and check all that can be checked without running anything.

    Args:
        path: The zip file.
        folder: An empty folder to unpack it into.

    Raises:
        InputError: With every reason for which it is refused.
    """
    with opened(path, _check_name) as bundle:
        try:
            findings = parse_json(bundle.read(CONFORMANCE, LARGEST_TEXT), strict=True)
            if not isinstance(findings, list) or not all(
                isinstance(row, dict)
                and row.keys() >= FINDING
                and all(isinstance(value, str) for value in row.values())
                for row in findings
            ):
                raise ValueError(f"{CONFORMANCE}: it is not a list of findings")
            bundle.extract(RECORDS, folder / RECORDS)
            sources = {
                name: bundle.read(name, LARGEST_TEXT) for name in bundle.files if name.startswith("plugin/")
            }
        except KeyError as error:
            refuse(path, [f"{error.args[0]} is missing, so it is not a submission"])
        (folder / "plugin").mkdir()
        for name, content in sources.items():
            (folder / name).write_bytes(content)
        try:
            home = import_bundle(folder / RECORDS, folder / "runs", "submitted").folder
        except InputError as error:
            raise InputError(str(error).replace(str(folder / RECORDS), str(path / RECORDS))) from None
        runs = collect(home).runs
        wrong = list(_wrong_plugins(runs, sources))
        if wrong:
            refuse(path, wrong)
        yield Submission(
            runs, sorted(folder / name for name in sources), findings, str(bundle.contents.get("gridbench"))
        )


def _check_name(name: str) -> None:
    if name not in (RECORDS, CONFORMANCE) and not _PLUGIN.fullmatch(name):
        raise ValueError("no submission has a file of that name")
