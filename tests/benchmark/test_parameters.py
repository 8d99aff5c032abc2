"""Typed parameters: what is accepted, what is refused, and what the message says."""

from __future__ import annotations

import dataclasses
import enum
import math
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbench.errors import InputError
from gridbench.parameters import describe, parameter, parse
from gridbench.registry import LOSSES, METHODS


@dataclass(frozen=True)
class Example:
    """One parameter of each sort."""

    lambda_: float | None = parameter(None, "share", "paper", low=0, high=100, words=("slnir",))
    epochs: int = parameter(10, "length", "ours", low=1, high=500)
    tau: float = parameter(0.05, "threshold", "a paper", low=0, high=1, low_open=True)
    scale: float = parameter(1.0, "factor", "ours")
    weight: float = parameter(1.0, "weight", "ours", low=0)
    ceiling: float = parameter(0.0, "ceiling", "ours", high=5)
    shared: bool = parameter(False, "one draw", "the code")
    unit: str = parameter("label", "what is dropped", "ours", choices=("label", "sample"))
    note: str = parameter("", "free text", "ours")


def test_defaults_stay_where_nothing_is_given():
    assert parse(Example, {}, "method example") == Example()


@pytest.mark.parametrize(
    ("name", "value", "field", "expected"),
    [
        ("lambda", "20", "lambda_", 20.0),
        ("lambda", 0, "lambda_", 0.0),
        ("lambda", "100", "lambda_", 100.0),
        ("lambda", "slnir", "lambda_", "slnir"),
        ("epochs", "3", "epochs", 3),
        ("epochs", "3.0", "epochs", 3),
        ("epochs", 3.0, "epochs", 3),
        ("tau", "1e-3", "tau", 0.001),
        ("tau", 1, "tau", 1.0),
        ("scale", "-2.5", "scale", -2.5),
        ("shared", "Yes", "shared", True),
        ("shared", "0", "shared", False),
        ("shared", True, "shared", True),
        ("unit", "sample", "unit", "sample"),
        ("note", "3", "note", "3"),
    ],
)
def test_a_value_is_converted_to_its_type(name, value, field, expected):
    got = getattr(parse(Example, {name: value}, "method example"), field)
    assert got == expected
    assert type(got) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("lambda", "200", "a number from 0 to 100, or 'slnir'"),
        ("lambda", "-1", "a number from 0 to 100, or 'slnir'"),
        ("lambda", "nan", "a number from 0 to 100, or 'slnir'"),
        ("lambda", "inf", "a number from 0 to 100, or 'slnir'"),
        ("lambda", "much", "a number from 0 to 100, or 'slnir'"),
        ("lambda", None, "a number from 0 to 100, or 'slnir'"),
        ("lambda", True, "a number from 0 to 100, or 'slnir'"),
        ("lambda", [20], "a number from 0 to 100, or 'slnir'"),
        ("epochs", "2.5", "a whole number from 1 to 500"),
        ("epochs", 0, "a whole number from 1 to 500"),
        ("epochs", "1e999", "a whole number from 1 to 500"),
        ("tau", 0, "a number above 0 to 1"),
        ("scale", "inf", "a number"),
        ("weight", "-1", "a number from 0 upwards"),
        ("ceiling", "6", "a number up to 5"),
        ("shared", "perhaps", "true or false"),
        ("shared", 1, "true or false"),
        ("note", 3, "text"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(name, value, allowed):
    with pytest.raises(InputError) as caught:
        parse(Example, {name: value}, "method example")
    expected = f"The parameter {name!r} of the method example is {value!r}; allowed is {allowed}."
    assert str(caught.value) == expected
    assert caught.value.__cause__ is None


def test_a_wrong_choice_names_the_nearest():
    with pytest.raises(InputError, match=r"allowed is one of label, sample\. Did you mean 'sample'\?"):
        parse(Example, {"unit": "samples"}, "method example")


def test_an_unknown_name_names_the_nearest_and_lists_all():
    with pytest.raises(
        InputError, match=r"has no parameter 'lamda'\. Did you mean 'lambda'\? It has: lambda, epo"
    ):
        parse(Example, {"lamda": 20}, "method grid")
    with pytest.raises(InputError, match="has no parameter 'lambda_'"):
        parse(Example, {"lambda_": 20}, "method grid")

    @dataclass(frozen=True)
    class Nothing:
        """No parameters."""

    with pytest.raises(InputError, match=r"The method bce has no parameter 'lambda'\. It has: none\."):
        parse(Nothing, {"lambda": 20}, "method bce")


def test_a_whole_number_is_never_rounded():
    @dataclass(frozen=True)
    class Large:
        """A number that no float can hold."""

        number: int = parameter(0, "number", "ours")

    assert parse(Large, {"number": str(2**60 + 1)}, "x").number == 2**60 + 1
    assert parse(Large, {"number": 2**60 + 1}, "x").number == 2**60 + 1


@given(st.one_of(st.integers(), st.floats(), st.text(), st.booleans(), st.none()))
def test_whatever_is_given_is_in_range_or_refused(value):
    try:
        got = parse(Example, {"lambda": value}, "method example").lambda_
    except InputError:
        return
    assert got == "slnir" or (isinstance(got, float) and 0 <= got <= 100)


def test_describe_lists_public_names_types_and_sources():
    rows = {name: (kind, default, spec.source) for name, kind, default, spec in describe(Example)}
    assert list(rows)[:2] == ["lambda", "epochs"]
    assert rows["lambda"] == (float, None, "paper")
    assert rows["shared"] == (bool, False, "the code")


def test_annotations_may_be_types_as_well_as_text():
    made: Any = type("Made", (), {"__annotations__": {"a": int | None, "b": float}})
    made.a, made.b = parameter(None, "a", "ours"), parameter(1.0, "b", "ours")
    assert [(name, kind) for name, kind, _, _ in describe(dataclass(made))] == [("a", int), ("b", float)]
    odd: Any = type("Odd", (), {"__annotations__": {"a": list}})
    odd.a = parameter(None, "a", "ours")
    with pytest.raises(TypeError, match=r"Odd\.a is annotated 'list'"):
        describe(dataclass(odd))


@pytest.mark.parametrize("component", [*METHODS.names(), *LOSSES.names()])
def test_every_registered_parameter_has_help_a_source_and_a_default_in_its_range(component):
    cls = (METHODS if component in METHODS else LOSSES).get(component).Parameters
    assert {field.name for field in fields(cls)} == {
        name + ("_" if name + "_" in cls.__dataclass_fields__ else "") for name, *_ in describe(cls)
    }
    for name, kind, default, spec in describe(cls):
        assert spec.help
        assert spec.source
        if default is not None:
            got = parse(cls, {name: default}, component)
            assert default in vars(got).values()
            assert default in spec.words or isinstance(default, kind)
        assert not math.isnan(spec.low)


class Colour(enum.Enum):
    RED = "red"


class Word(enum.StrEnum):
    RED = "red"


ODD = [(1, 2), Colour.RED, Word.RED, Decimal(1), b"x", float("nan"), float("inf")]


@pytest.mark.parametrize("default", ODD, ids=repr)
def test_a_default_that_no_record_could_hold_is_refused(default):
    odd = dataclasses.make_dataclass("Odd", [("a", "float", parameter(default, "x", "ours"))])
    with pytest.raises(InputError, match=r"Odd\.a has the default .*; it must be"):
        parse(odd, {}, "method odd")


@pytest.mark.parametrize("names", [["a", "a_"], ["_"], ["__"]])
def test_a_name_of_two_fields_or_of_none_is_refused(names):
    """What a user gives for it would reach one of them."""
    fields = [(name, "float", parameter(1.0, "x", "ours")) for name in names]
    with pytest.raises(InputError, match="which must be one and of one field alone"):
        parse(dataclasses.make_dataclass("Odd", fields), {}, "method odd")


def test_a_type_that_no_parameter_has_is_told_as_input(tmp_path):
    odd = dataclasses.make_dataclass("Odd", [("a", "list", parameter(None, "x", "ours"))])
    with pytest.raises(InputError, match=r"Odd\.a is annotated 'list'"):
        parse(odd, {}, "method odd")
