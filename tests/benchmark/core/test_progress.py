"""Progress as plain lines and as bars: work of unknown amount has no count."""

import re

import pytest

from gridbench.core.progress import ProgressReporter


def shown(capsys, build):
    with ProgressReporter() as progress:
        build(progress)
    return capsys.readouterr().err


def test_lines_tell_what_is_done_and_of_how_much(capsys):
    text = shown(capsys, lambda progress: progress.show("training", 2, 2, "loss 0.5"))
    assert re.fullmatch(r"\d\d:\d\d:\d\d  training 2/2  loss 0\.5\n", text)


def test_a_line_on_work_of_unknown_amount_has_no_count(capsys):
    text = shown(capsys, lambda progress: progress.build(0, 0, "computing statistics"))
    assert re.fullmatch(r"\d\d:\d\d:\d\d  computing statistics\n", text)


@pytest.mark.parametrize(("total", "count"), [(0, None), (7, "3/7")])
def test_a_bar_on_work_of_unknown_amount_has_no_count(capsys, monkeypatch, total, count):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    text = shown(capsys, lambda progress: progress.build(min(3, total), total, "computing statistics"))
    assert "computing statistics" in text
    found = {re.sub(r"\x1b\[[0-9;]*m", "", each) for each in re.findall(r"\S*\d+/\d+\S*", text)}
    assert found == ({count} if count else set())


def test_nothing_is_shown_where_that_was_asked_for(capsys):
    with ProgressReporter(quiet=True) as progress:
        progress.show("training", 1, 2, "")
        progress.say("a line")
    assert capsys.readouterr().err == ""


def test_a_message_is_not_broken_inside_a_path(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    path = "runs/" + "x" * 60
    text = shown(capsys, lambda progress: progress.say(f"Nothing to do: {path} is done."))
    assert path in text.split()


def test_the_precision_of_detection_is_named_beside_that_of_chance(capsys):
    row = {"loss": 1.0, "detection": {"precision": 0.779, "prevalence": 0.67}}
    text = shown(capsys, lambda progress: progress.epoch(2, 2, row))
    assert "loss 1.0000  detection precision 78 % (chance 67 %)" in text


@pytest.fixture
def suspended(monkeypatch):
    """Show half of some work, in which six seconds of work, an hour of suspension and six seconds passed."""
    clock = [0.0]
    monkeypatch.setattr("gridbench.core.progress.time.monotonic", lambda: clock[0])

    def work(progress):
        progress.show("sweep", 0, 4, "")
        for passed, done in ((6, 1), (3600, 1), (6, 2)):
            clock[0] += passed
            progress.show("sweep", done, 4, "")

    return work


def test_the_time_left_does_not_count_time_in_which_the_process_was_suspended(capsys, suspended):
    assert "sweep 2/4  12 s left" in shown(capsys, suspended)


def test_the_time_beside_a_bar_does_not_count_time_in_which_the_process_was_suspended(
    capsys, monkeypatch, suspended
):
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "120"}.items():
        monkeypatch.setenv(name, value)
    assert "0:00:12" in shown(capsys, suspended)
