"""Write the table of methods in methods.md again from the catalogue: `make catalogue`."""

from pathlib import Path

from gridbench.methods.catalogue import catalogue_page

NEXT = "\n## Writing a method\n"
"""The heading below the table."""

page = Path(__file__).parents[1] / "methods.md"
table = catalogue_page()
text = page.read_text(encoding="utf-8")
# By its first column, since the others may be what has changed.
start = text.index(table.split(" | ")[0] + " | ")
page.write_text(text[:start] + table + text[text.index(NEXT) :], encoding="utf-8")
