"""Errors of users: their exit codes, and the nearest name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbench.errors import GridbenchError, InputError, RunFailed, nearest


def test_exit_codes_tell_bad_input_from_a_failed_run():
    assert (InputError("x").exit_code, RunFailed("x").exit_code) == (2, 1)
    assert isinstance(InputError("x"), GridbenchError)
    assert isinstance(InputError("x"), ValueError)
    assert isinstance(RunFailed("x"), GridbenchError)
    assert not isinstance(RunFailed("x"), ValueError)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gird", " Did you mean 'grid'?"),
        ("GRID", " Did you mean 'grid'?"),
        ("Jocor", " Did you mean 'JoCoR'?"),
        ("bec", " Did you mean 'bce'?"),
        ("zebra", ""),
        ("", ""),
    ],
)
def test_the_nearest_name(name, message):
    assert nearest(name, ["grid", "bce", "JoCoR"]) == message


def test_nothing_is_near_when_there_is_nothing():
    assert nearest("grid", []) == ""


@given(st.text(max_size=12), st.lists(st.text(min_size=1, max_size=12), min_size=1))
def test_what_is_suggested_exists(name, known):
    message = nearest(name, iter(known))
    assert message == "" or message in {f" Did you mean {candidate!r}?" for candidate in known}


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1))
def test_an_exact_name_is_nearest_to_itself(known):
    assert nearest(known[-1], known).lower() == f" Did you mean {known[-1]!r}?".lower()
