"""Characters that do not show are written out, wherever text of somebody else is printed or stored."""

import pytest

from gridbench.core.csv_files import as_written, harmless
from gridbench.core.terminal import escape
from gridbench.datasets.readers.tables.label_checks import folded_name
from gridbench.leaderboard.tables.text import clean

# Unicode 16.0, DerivedCoreProperties.txt, Default_Ignorable_Code_Point.
IGNORABLE = """00AD 034F 061C 115F-1160 17B4-17B5 180B-180F 200B-200F 202A-202E 2060-206F 3164 FE00-FE0F FEFF FFA0
FFF0-FFF8 1BCA0-1BCA3 1D173-1D17A E0000-E0FFF"""


def code_points():
    for span in IGNORABLE.split():
        first, _, last = span.partition("-")
        yield from range(int(first, 16), int(last or first, 16) + 1)


def test_every_character_that_unicode_lets_programs_hide_is_written_out():
    for code in (*code_points(), 0x2800):
        char = chr(code)
        assert escape(char).isascii()
        assert clean(f"a{char}") == f"a{escape(char)}"
        assert harmless(f"{char}=1") == f"'{char}=1"
        assert as_written(harmless(f"a;{char}=1")) == f"a;{char}=1"
        assert folded_name(f"wa{char}ter") == "water"


@pytest.mark.parametrize("text", ["Wälder", "한국어", "水田", "naïve", "I\u0307", "😀", "العربية"])
def test_letters_of_any_language_stay(text):
    assert escape(text) == clean(text) == harmless(text) == text
