"""Finds words, signs and numbers among labels that may say something else than a class."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from gridbench.datasets.readers.tables.label_checks import NUMBER, TAKE_OUT, UNFIT
from gridbench.errors import InputError

__all__ = ["refuse_no_names", "says_no_label"]

_MISSING = {"nan", "null", "n/a", "#n/a", "<na>", "#ref!", "#value!", "#name?"}
_NO_LABEL = {
    *("none", "no label", "unlabeled", "unlabelled", "nothing", "na", "nil", "undefined", "n.a.", "unknown"),
    *("unsure", "not sure", "uncertain", "unclear", "todo", "tbd", "skip", "skipped"),
    *("unbekannt", "unklar", "keine", "inconnu", "aucun", "ninguno", "desconocido"),
}
_CODES = (99, 255, 999, 9999, 65535)
"""Numbers by which people say that there is no label."""
_FRACTION = re.compile(r"[+-]?\d*[.,]\d*[1-9]\d*(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_SCORED = re.compile(r"(.*\w)\s*[:=@]\s*[+-]?\d*[.,]?\d+\s*%?")
_GREEK = "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bd\u03bf"
"""Greek letters that look like Latin ones."""
_MONTH = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:tember)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?)"
)
_DATE = re.compile(
    r"\d{4}([-/.])\d\d?\1\d\d?([ T]\d\d:\d\d.*)?|\d\d?([-/.])\d\d?\3\d{4}|\d\d?/\d\d?/\d\d"
    rf"|\d\d?[- .]{_MONTH}([- .]\d{{2,4}})?|{_MONTH}-\d\d(\d\d)?",
    re.ASCII | re.IGNORECASE,
)
"""A date as ISO 8601, spreadsheets and people write it."""


def says_no_label(name: str) -> bool:
    """Whether a name is a word that people write where there is no label, such as unlabeled or NaN."""
    return name.lower() in _MISSING | _NO_LABEL


def refuse_no_names(
    divided: Sequence[Sequence[str]], where: Callable[[int], str], chosen: str | None = "none"
) -> None:
    """Refuse words and signs that people write where there is no label, dates, scores, and numbers with a fraction.

    Args:
        divided: Names in each cell.
        where: Returns the place of a row's cell.
        chosen: What was found to divide the cells, one of the choices of --separator; None when the user said it, so
            that a number with a fraction is a class.

    Raises:
        InputError: With the place of the first.
    """
    if chosen:
        _refuse_codes(divided, where)
    for row, names in enumerate(divided):
        for name in names:
            if UNFIT.search(name):
                raise InputError(f"{where(row)}: {name!a} holds a character that no name has. {TAKE_OUT}")
            if mixed := _two_alphabets(name):
                alphabet = "Greek" if mixed[0] < "\u0400" else "Cyrillic"
                raise InputError(
                    f"{where(row)}: {name!r} holds {alphabet} letters beside Latin ones ({mixed!a}), which look alike. "
                    "Write the name in one alphabet, or list the classes with --classes FILE."
                )
            if name.lower() in _MISSING or not any(character.isalnum() for character in name):
                raise InputError(
                    f"{where(row)}: {name!r} is not a class. Write the label, or leave the cell empty."
                )
            if name.lower() in _NO_LABEL or (name[:1] == "-" and NUMBER.fullmatch(name)):
                raise InputError(
                    f"{where(row)}: {name!r} may be a class, or say that there is no label. Leave the cell empty, or "
                    "list the classes with --classes FILE."
                )
            if chosen and _DATE.fullmatch(name):
                raise InputError(
                    f"{where(row)}: {name!r} is a date, which spreadsheets make of names such as 1-3. Write the label; "
                    f"or say that it is a class: --separator {chosen}, or --classes FILE."
                )
            if chosen and (scored := _SCORED.fullmatch(name)):
                raise InputError(
                    f"{where(row)}: {name!r} may be the class {scored[1]!r} with a number, such as a score. Write the "
                    f"labels without numbers; or say that it is a class: --separator {chosen}, or --classes FILE."
                )
            if chosen and _FRACTION.fullmatch(name):
                raise InputError(
                    f"{where(row)}: {name!r} may be a class or a measurement. Name the column of the classes with "
                    f"--label-columns NAME; or say that it is a class: --separator {chosen}, or --classes FILE."
                )


def _two_alphabets(name: str) -> str:
    """Return the Cyrillic letters of a word that has Latin ones, too, or Greek ones that look like these."""
    if name.isascii():
        return ""
    for word in re.findall(r"\w+", name):
        # Other Greek letters are signs beside Latin ones, as in \u03bcm.
        for others in ("[\u0400-\u04ff]", f"[{_GREEK}]"):
            found = "".join(re.findall(others, word))
            if found and re.search("[A-Za-z]", word):
                return found
    return ""


def _refuse_codes(divided: Sequence[Sequence[str]], where: Callable[[int], str]) -> None:
    """Refuse a number such as 999 beside 0 to 9, which may say that there is no label.

    Raises:
        InputError: With the place of the first.
    """
    found = {name for names in divided for name in names}
    if len(found) < 3 or not all(name.isascii() and name.isdecimal() and len(name) < 16 for name in found):
        return
    second, most = sorted(map(int, found))[-2:]
    if most in _CODES and most > 2 * second + 1:
        row = next(row for row, names in enumerate(divided) if most in map(int, names))
        raise InputError(
            f"{where(row)}: {most} is far beyond the other numbers, up to {second}, so it may say that there is no "
            "label. Leave the cell empty, or list the classes with --classes FILE."
        )
