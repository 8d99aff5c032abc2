"""Display names for LaTeX and figures, such as GRID (BCE) and NDCG@20; other formats use names as typed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from gridbench.leaderboard.records.metric_info import EPOCHS, METRICS, family_of, of_scored_weights
from gridbench.leaderboard.tables.sheet import Sheet, SheetRow
from gridbench.leaderboard.tables.text import with_unit

__all__ = [
    "NAMES",
    "as_printed",
    "display_metric",
    "display_name",
    "row_label",
    "sheet_as_printed",
]

NAMES = {
    "adele": "ADELE", "aio2": "AIO2", "an_ls": "AN-LS", "anl_ce": "ANL-CE", "asl": "ASL", "bce": "BCE",
    "bgce": "BGCE", "bmae": "BMAE", "bsce": "BSCE", "ce": "CE", "co_teaching": "Co-teaching", "disc": "DISC",
    "dividemix": "DivideMix", "elr": "ELR", "elr_plus": "ELR+", "em": "EM", "em_apl": "EM+APL", "fl": "FL",
    "gce": "GCE", "gce_truncated": "Truncated GCE", "grid": "GRID", "grid_auto": "GRID (auto)", "hill": "Hill",
    "hlc": "HLC", "jocor": "JoCoR", "ll_cp": "LL-Cp", "ll_ct": "LL-Ct", "ll_r": "LL-R", "lnc": "LNC", "ls": "LS",
    "mae": "MAE", "mean_teacher": "Mean Teacher", "mixup": "mixup", "mlt": "MLT", "nar": "NAR", "nce": "NCE",
    "nce_rce": "NCE+RCE", "npn": "NPN", "oracle": "Oracle", "pce": "PCE", "pdice_ce": "Dice+PCE", "pgce": "PGCE",
    "pnce_rce": "PNCE+PRCE", "prism": "PRISM", "psce": "PSCE", "random": "Random", "rce": "RCE", "rcml": "RCML",
    "rnsl": "RNSL", "role": "ROLE", "rrl": "RRL", "sat": "SAT", "sce": "SCE", "sop": "SOP", "sop_plus": "SOP+",
    "splc": "SPLC", "t_rnsl": "T-RNSL", "untrained": "Untrained", "wan": "WAN",
}  # fmt: skip
"""Registered name of a method or loss -> name in print."""

_WORDS = {"accuracy", "em", "hamming", "hill", "ls", "oracle", "random", "role", "sat", "untrained", "wan"}
"""Names that are English words, too: in a sentence they stay as they are."""

_OTHERS = {
    "bigearthnet": "BigEarthNet", "dlrsd": "DLRSD", "labels pixel": "pixel labels", "labels scene": "scene labels",
    "labels single": "single labels", "lambda": "λ", "ucmerced": "UC Merced",
}  # fmt: skip
_SPLITS = {"validation/": "validation", "unseen/": "unseen queries", "": ""}

_CUT = r"(?:ndcg|map|precision|recall)@(?:\d+|r)"
_SCORES = "|".join(
    metric.name
    for metric in METRICS
    if metric.printed and metric.name not in _WORDS and "@" not in metric.name
)
_METRIC = rf"(?:{'|'.join(EPOCHS)})?(?:validation/|unseen/)?(?:{_CUT}|{_SCORES})"
_KNOWN = [*(name for name in NAMES if name not in _WORDS), *_OTHERS]
_NAME = "|".join(sorted(_KNOWN, key=len, reverse=True))
_TOKENS = re.compile(rf"`[^`]*`|(?<![\w./-])(?:(?P<metric>{_METRIC})|(?P<name>{_NAME}))(?![\w/@-])")


def display_name(name: str) -> str:
    """Return a method's or loss's name in print; one that is not shipped stays as it is."""
    return NAMES.get(name, name)


def display_metric(metric: str) -> str:
    """Return a metric's name in print.

    >>> display_metric("ndcg@20"), display_metric("validation/miou"), display_metric("map@r")
    ('NDCG@20', 'mIoU (validation)', 'mAP@R')
    """
    known = family_of(metric)
    if known is None or not known.printed:
        return metric
    name = of_scored_weights(metric)
    split = next(prefix for prefix in _SPLITS if name.startswith(prefix))
    _, at, k = metric.partition("@")
    remarks = ", ".join(filter(None, (_SPLITS[split], EPOCHS.get(metric.removesuffix(name)))))
    return f"{known.printed}{at}{k.upper()}" + (f" ({remarks})" if remarks else "")


def row_label(names: Sequence[str], headings: Sequence[str] = ("method", "loss")) -> str:
    """Join what heads a row into one label.

    Args:
        names: The texts that head the row.
        headings: What each is; method and loss come first where they are there, others are written beside them.

    Returns:
        Such as `GRID (BCE)`, `BCE` for plain training, or `GRID (BCE), λ 20`; 48 characters at most.

    >>> row_label(("grid", "bce", "20"), ("method", "loss", "lambda"))
    'GRID (BCE), λ 20'
    """
    known = dict(zip(headings, names, strict=False))
    parts = [_method_and_loss(known.get("method", ""), known.get("loss", ""))]
    for heading, text in known.items():
        if heading not in ("method", "loss") and text:
            number = re.fullmatch(r"-?[\d.]+(?:e-?\d+)?|true|false", text)
            parts.append(with_unit(as_printed(heading), text) if number else as_printed(text))
    label = ", ".join(filter(None, parts))
    return label if len(label) <= 48 else label[:47] + "…"


def _method_and_loss(method: str, loss: str) -> str:
    name, space, mark = method.partition(" [")
    if not loss or loss == name:
        return display_name(name) + space + mark
    if not name:
        return display_name(loss)
    return f"{display_name(name)} ({display_name(loss)}){space}{mark}"


def as_printed(text: str) -> str:
    """Return a heading or sentence with every name of a method, loss, metric or data set as papers print it.

    Names that are English words and text in backticks stay as they are.

    >>> as_printed("ndcg@20 of grid minus that of others (`--against grid`)")
    'NDCG@20 of GRID minus that of others (`--against grid`)'
    """
    return _TOKENS.sub(_token, text)


def _token(match: re.Match[str]) -> str:
    if match["metric"]:
        return display_metric(match["metric"])
    name = match["name"]
    return (_OTHERS.get(name) or NAMES[name]) if name else match[0]


def sheet_as_printed(sheet: Sheet) -> Sheet:
    """Return a sheet with names as papers print them, method and loss in one column."""
    merged = sheet.headings[:2] == ("method", "loss")

    def line(one: SheetRow) -> SheetRow:
        names, marks = one
        head, rest = (row_label(names[:2]), names[2:]) if merged else (as_printed(names[0]), names[1:])
        return (head, *map(as_printed, rest)), marks

    headings = ("method", *sheet.headings[2:]) if merged else sheet.headings
    return replace(
        sheet,
        title=as_printed(sheet.title),
        caption=as_printed(sheet.caption),
        headings=tuple(_heading(text) for text in headings),
        columns=tuple(_heading(text) for text in sheet.columns),
        lines=tuple(map(line, sheet.lines)),
        references=tuple(map(line, sheet.references)),
        notes=tuple(map(as_printed, sheet.notes)),
    )


def _heading(text: str) -> str:
    printed = as_printed(text)
    return printed[:1].upper() + printed[1:] if printed == text and text[1:2].isalpha() else printed
