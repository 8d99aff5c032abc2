r"""LaTeX: tables with booktabs that compile as they are (`\usepackage{booktabs,graphicx}`)."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from tabulate import tabulate

from gridbench.leaderboard.tables.display_names import sheet_as_printed
from gridbench.leaderboard.tables.sheet import Sheet, SheetCell, SheetRow
from gridbench.leaderboard.tables.text import clean

__all__ = ["render_latex"]

NARROW = 10
"""Characters of the longest heading of a column that is left on one line: about the width of a value and its spread."""

_MARKED = {
    "": "{}", "best": r"\textbf{{{}}}", "second": r"\underline{{{}}}", "missing": r"{{\scriptsize {}}}"
}  # fmt: skip
# A table wider than the page is scaled down to it.
_FIT = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
_SPECIAL = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}", "—": "---", "–": "--", "…": r"\dots{}",
    "·": r"$\cdot$", "±": r"$\pm$", "λ": r"$\lambda$", "≥": r"$\geq$", "Δ": r"$\Delta$", "−": "$-$",
    **{char: f"\\{char}" for char in "&%$#_{}"},
    **{char: f"{{{char}}}" for char in "[]*"},  # after a line break, TeX would read them as its options
}  # fmt: skip


def render_latex(sheets: Sequence[Sheet]) -> str:
    """Write every sheet as a table float; best values bold, second best underlined, references below a rule."""
    parts, title = [], ""
    for sheet in sheets:
        # What belongs to the table above may float away from it.
        title = sheet.title or title
        parts.append(_sheet(sheet_as_printed(replace(_without_empty_columns(sheet), title=title))))
    return "% Needs \\usepackage[T1]{fontenc} and \\usepackage{booktabs,graphicx}.\n" + "\n".join(parts)


def _without_empty_columns(sheet: Sheet) -> Sheet:
    full = [
        at
        for at in range(len(sheet.columns))
        if any(marks[at].text for _, marks in (*sheet.lines, *sheet.references))
    ]
    columns = tuple(sheet.columns[at] for at in full)
    lines, references = (
        tuple((names, tuple(marks[at] for at in full)) for names, marks in part)
        for part in (sheet.lines, sheet.references)
    )
    return replace(sheet, columns=columns, lines=lines, references=references)


def _sheet(sheet: Sheet) -> str:
    title = _escape(sheet.title, 300) + ": " if sheet.title else ""
    parts = [
        r"\begin{table}[htbp]",
        r"\centering\small\setlength{\tabcolsep}{4pt}\setlength{\belowcaptionskip}{5pt}",
        rf"\caption{{{title}{_escape(sheet.caption, 1000)}.}}",
        *([_FIT, _tabular(sheet) + "}"] if sheet.lines or sheet.references else []),
        *(rf"\par\smallskip{{\footnotesize {_escape(note, 1000)}\par}}" for note in sheet.notes),
        r"\end{table}",
    ]
    return "\n".join(parts) + "\n"


def _tabular(sheet: Sheet) -> str:
    lines = [*map(_line, sheet.lines), *map(_line, sheet.references)]
    head = [*map(_escape, sheet.headings), *map(_heading, sheet.columns)]
    align = ["left"] * len(sheet.headings) + ["right"] * len(sheet.columns)
    plain = tabulate(lines, headers=head, tablefmt="latex_raw", colalign=align, disable_numparse=True)
    rules = iter([r"\toprule", r"\midrule", r"\bottomrule"])
    rows = [next(rules) if row.strip() == r"\hline" else row for row in plain.splitlines()]
    if sheet.references and sheet.lines:
        rows.insert(rows.index(r"\midrule") + 1 + len(sheet.lines), r"\midrule")
    return "\n".join(rows)


def _heading(text: str) -> str:
    """Break the heading of a column in two where that makes the column narrower."""
    if len(text) <= NARROW or " " not in text:
        return _escape(text)
    blanks = [at for at, char in enumerate(text) if char == " "]
    middle = min(blanks, key=lambda at: abs(at - len(text) / 2))
    return rf"\shortstack[r]{{{_escape(text[:middle])}\\{_escape(text[middle + 1 :])}}}"


def _line(line: SheetRow) -> list[str]:
    return [*(_escape(name) for name in line[0]), *map(_cell, line[1])]


def _cell(cell: SheetCell) -> str:
    value = _MARKED[cell.mark].format(_escape(cell.text)) if cell.text else ""
    spread = rf"{{\scriptsize$\pm${cell.spread}}}" if cell.spread else ""
    extra = rf"~{{\scriptsize {_escape(cell.extra)}}}" if cell.extra else ""
    return value + spread + extra


def _escape(text: str, longest: int = 60) -> str:
    return "".join(map(_char, clean(text, longest)))


def _char(char: str) -> str:
    """Escape one character; one that pdfLaTeX does not know becomes its nearest plain letters or its number."""
    if char in _SPECIAL:
        return _SPECIAL[char]
    if ord(char) < 0x100 and unicodedata.category(char)[0] in "LNPZ":
        return char
    if char.isascii():
        return char
    plain = unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode()
    return plain if plain.isalnum() else f"U+{ord(char):04X}"
