"""Search spaces for selecting parameters and settings, with the same number of trials for every method."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gridbench.config import flag_of
from gridbench.core.streams import numpy_stream
from gridbench.errors import InputError, nearest
from gridbench.leaderboard.records.metric_info import METRICS, VALIDATION
from gridbench.leaderboard.records.metric_names import HEADLINE, closest
from gridbench.methods.base import Context, Loss, Method
from gridbench.parameters import Specification, describe, parse, public_name
from gridbench.sweeps.grid import RECIPE, pair_of, refusal

__all__ = ["EVERY", "REFERENCE", "TRIALS", "Search", "selected_names", "tries_of"]

TRIALS = 10
"""Default number of trials per method; every declared search space has this many values."""

EVERY = "all"
"""Keyword that selects every parameter with a declared search space."""

REFERENCE = "it is a reference, and references are never tuned"
"""Why nothing is selected for a method that does not learn from the noisy labels, such as the oracle."""

MOST_COMBINATIONS = 1_000_000


@dataclass(frozen=True)
class Search:
    """The parameters and settings to select, their candidate values and the criterion.

    Attributes:
        names: Public names of the parameters, or `EVERY`.
        values: Parameter -> candidate values that replace the declared ones.
        settings: Setting of the recipe, which every method has -> candidate values, the usual one first.
        trials: Trials per method; None for `TRIALS`, or fewer if a method has fewer combinations.
        metric: Validation score to select by; `validation/ndcg` is NDCG at the k of the run.
    """

    names: tuple[str, ...]
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    settings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    trials: int | None = None
    metric: str = f"{VALIDATION}{HEADLINE}"

    def __post_init__(self) -> None:
        if not self.names and not self.settings:
            raise InputError("Name a parameter to select, such as --select lambda, or --select all.")
        if self.trials is not None and self.trials < 2:
            raise InputError(f"--trials is {self.trials}; a selection needs at least 2 tries.")
        _check_metric(self.metric)


def _check_metric(metric: str) -> None:
    """Check that the selection criterion is a validation score.

    Raises:
        InputError: The score is computed on other images, or does not exist.
    """
    there = [HEADLINE, *(each.name for each in METRICS if VALIDATION in each.splits)]
    name = metric.removeprefix(VALIDATION)
    known = name in there or re.sub(r"@\d+$", "@K", name) in there
    if metric.startswith(VALIDATION) and known:
        return
    if known:
        raise InputError(
            f"A selection by {metric!r} would read test scores, which may not select anything. "
            f"Choose by the validation score: --metric {VALIDATION}{name}."
        )
    raise InputError(
        f"There is no validation score {metric!r} to select by.{closest(name, there)} "
        "`gridbench list metrics` lists them."
    )


Pair = tuple[type[Method], type[Loss] | None]


def tries_of(settings: Iterable[dict[str, Any]], search: Search) -> Iterator[dict[str, Any]]:
    """Expand the settings of a sweep into the trials of a selection.

    Every pair of method and loss gets the same number of trials. If a method has more combinations of values, its
    default, with the first value of every setting, and a random sample of the others are tried; the sample depends
    only on the method and its loss.

    Args:
        settings: Settings of runs, without what is selected.
        search: What is selected, and its candidate values.

    Yields:
        The settings of every run; those of methods without anything to select are yielded unchanged.

    Raises:
        InputError: No method has a parameter of that name, it is a setting as well, or it has no candidate values,
            or too few for the number of trials.
    """
    asked = list(settings)
    pairs: dict[Pair, list[dict[str, Any]]] = {}
    for values in asked:
        pair = pair_of(values.get("method"), values.get("loss"), values.get("level"))
        if pair not in pairs and not refusal(pair[0].name, pair[1].name if pair[1] else None):
            pairs[pair] = [{}]
    spaces = {pair: space for pair in pairs if (space := _space(pair, search))}
    _check_names(search, pairs, spaces)
    trials = _budget(search, spaces)
    for pair, space in spaces.items():
        pairs[pair] = _drawn(pair, space, search, trials)
    for values in asked:
        pair = pair_of(values.get("method"), values.get("loss"), values.get("level"))
        for chosen in pairs.get(pair, [{}]):
            settled = {name: value for name, value in chosen.items() if name in search.settings}
            own = {name: value for name, value in chosen.items() if name not in settled}
            yield {**values, **settled, "parameters": {**values["parameters"], **own}}


def selected_names(method: str, loss: str | None, search: Search) -> tuple[str, ...]:
    """Return those of the selected parameters that a method or its loss has, and the selected settings."""
    return tuple(_space(pair_of(method, loss), search))


def _rows(pair: Pair) -> dict[str, tuple[type[Any], Specification]]:
    """Return public name -> (owner's Parameters, specification); the method's own names win over the loss's."""
    rows: dict[str, tuple[type[Any], Specification]] = {}
    for part in pair:
        if part is not None:
            for name, _, _, spec in describe(part.Parameters):
                rows.setdefault(name, (part.Parameters, spec))
    return rows


def _space(pair: Pair, search: Search) -> dict[str, tuple[Any, ...]]:
    """Return the candidate values of the selected settings and of the parameters that the pair has.

    Reference rows, which only give the other rows a scale, are not tuned.
    """
    if pair[0].labels != "noisy":
        return {}
    rows = _rows(pair)
    names = rows if EVERY in search.names else search.names
    space: dict[str, tuple[Any, ...]] = {}
    for name in names:
        if name not in rows:
            continue
        owner, spec = rows[name]
        given = search.values.get(name)
        values = spec.search if given is None else [_typed(owner, pair, name, text) for text in given]
        if values and name in search.settings:
            raise InputError(
                f"{name!r} is a setting of the recipe and a parameter of the method {pair[0].name!r}; select one of "
                "them in one sweep and the other in another sweep."
            )
        if values:
            space[name] = tuple(dict.fromkeys(values))
        elif EVERY not in search.names:
            raise InputError(
                f"The parameter {name!r} of the method {pair[0].name!r} declares no values to try. "
                f"Give them: -p {name}=VALUE,VALUE,..."
            )
    return {**space, **{name: tuple(values) for name, values in search.settings.items()}}


def _typed(owner: type[Any], pair: Pair, name: str, text: str) -> Any:
    parsed = parse(owner, {name: text}, f"method {pair[0].name!r}")
    return next(value for key, value in vars(parsed).items() if public_name(key) == name)


def _check_names(search: Search, pairs: Mapping[Pair, Any], spaces: Mapping[Pair, Mapping[str, Any]]) -> None:
    """Raise for parameters that no method has, and for a sweep in which nothing can be selected."""
    learning = [pair for pair in pairs if pair[0].labels == "noisy"]
    if pairs and not learning:
        names = " and ".join(dict.fromkeys(pair[0].name for pair in pairs))
        raise InputError(
            f"Nothing can be selected for {names}: references are never tuned. Add a method that learns from the noisy "
            "labels."
        )
    known = sorted({name for pair in learning for name in _rows(pair)})
    for name in search.names:
        if name != EVERY and not any(name in space for space in spaces.values()):
            if name in RECIPE:
                flag = flag_of(name)
                raise InputError(
                    f"{name!r} is a setting of the recipe, whose value is selected from a list. Give the list, the "
                    f"default first: {flag} VALUE,VALUE,..."
                )
            raise InputError(
                f"No method of this sweep has the parameter {name!r}.{nearest(name, [*known, *RECIPE])} "
                f"There are: {', '.join(known) or 'none'}."
            )
    if pairs and not spaces:
        raise InputError(
            "No method of this sweep has a parameter that declares values to try. A setting of the recipe can be "
            "selected for any method: --learning-rate 0.001,0.0003 --select learning_rate."
        )


def _budget(search: Search, spaces: Mapping[Pair, Mapping[str, Sequence[Any]]]) -> int:
    """Return the number of trials per method, limited by the method with the fewest combinations."""
    sizes = {pair: math.prod(map(len, space.values())) for pair, space in spaces.items()}
    if not sizes:
        return 1
    most = max(sizes.values())
    if most > MOST_COMBINATIONS:
        raise InputError(
            f"The selected parameters have {most:,} combinations of values, of which {MOST_COMBINATIONS:,} are "
            "allowed. Select fewer parameters at once."
        )
    fewest = min(sizes, key=lambda pair: sizes[pair])
    if search.trials is not None and search.trials > sizes[fewest]:
        first = next(iter(spaces[fewest]))
        option = f"{flag_of(first)} VALUE" if first in search.settings else f"-p {first}=VALUE"
        raise InputError(
            f"--trials is {search.trials}, but the method {fewest[0].name!r} has only {sizes[fewest]} combinations of "
            f"{', '.join(spaces[fewest])} to try, and every method gets the same number. Give more values with "
            f"{option},VALUE,... or fewer trials."
        )
    return search.trials or min(TRIALS, sizes[fewest])


def _drawn(
    pair: Pair, space: Mapping[str, Sequence[Any]], search: Search, trials: int
) -> list[dict[str, Any]]:
    """Sample `trials` combinations in the order of the values, including the default if it is a combination."""
    everything = [dict(zip(space, values, strict=True)) for values in itertools.product(*space.values())]
    if len(everything) == trials:
        return everything
    default = {**_defaults(pair), **{name: values[0] for name, values in search.settings.items()}}
    first = [at for at, values in enumerate(everything) if all(default[n] == v for n, v in values.items())]
    rest = [at for at in range(len(everything)) if at not in first]
    name = f"selection/{pair[0].name}/{pair[1].name if pair[1] else ''}/{','.join(space)}"
    order = numpy_stream(0, name).permutation(len(rest))[: trials - len(first)]
    return [everything[at] for at in sorted([*first, *(rest[int(position)] for position in order)])]


def _defaults(pair: Pair) -> dict[str, Any]:
    method, loss = pair
    values = {public_name(name): value for name, value in vars(loss.Parameters()).items()} if loss else {}
    resolved = method.resolve(method.Parameters(), Context(loss, 0.0))
    return {**values, **{public_name(name): value for name, value in vars(resolved).items()}}
