"""What the terminal says after an audit: a page that is too short, and the next commands."""

from pathlib import Path

from gridbench.audit.expectation import Expectation, beyond_page
from gridbench.cli.audit.summary import next_steps


def test_a_page_that_is_too_short_is_told_with_the_command_that_makes_a_longer_one():
    expected = Expectation([1, 900], [0.9, 0.4], [0.5, 0.1], [1.0, 0.8], 3, 700)
    assert beyond_page(expected, 700) == ""
    words = beyond_page(expected, 500, "gridbench audit --dataset mine")
    assert words.startswith("The page shows the first 500 entries alone")
    assert words.endswith(": gridbench audit --dataset mine --top 700")


def test_changes_without_review_are_offered_only_where_there_are_some():
    decided = (
        "Next:   open the page, decide, export decisions.csv, and: gridbench audit apply 'my audits/a' --decisions "
        "decisions.csv --out corrected --cache c"
    )
    folder, where = Path("my audits/a"), ["--cache", "c"]
    assert next_steps(folder, 0, where) == [decided]
    unseen = "Unseen: gridbench audit apply 'my audits/a' --top 35 --out corrected --cache c"
    assert next_steps(folder, 35, where) == [decided, unseen]
