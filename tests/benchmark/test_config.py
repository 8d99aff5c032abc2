"""RunConfig: what it takes, what it refuses and how it says so."""

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbench.config import RunConfig, load_yaml, make_config
from gridbench.errors import InputError


def test_defaults_are_the_papers_method_without_noise():
    config = RunConfig()
    assert (config.method, config.noise, config.slnir, config.protocol) == (
        "grid",
        "swap",
        Decimal(0),
        "paper",
    )
    assert (config.distance, config.select, config.precision) == ("chi2", "last", "float32")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"slnir": 130}, ["slnir", "130", "100"]),
        ({"slnir": -5}, ["slnir", "-5", "0"]),
        ({"slnir": "nan"}, ["slnir", "nan"]),
        ({"slnir": math.nan}, ["slnir", "nan"]),
        ({"slnir": "inf"}, ["slnir"]),
        ({"epochs": 0}, ["epochs", "0", "1"]),
        ({"epochs": "x"}, ["epochs", "'x'", "integer"]),
        ({"epochs": 2.5}, ["epochs", "2.5"]),
        ({"seed": -1}, ["seed", "-1"]),
        ({"batch_size": 1}, ["batch_size", "--batch-size", "2"]),
        ({"learning_rate": 0}, ["learning_rate", "0"]),
        ({"distance": "chi"}, ["distance", "chi2"]),
        ({"descriptor_map": "abs"}, ["descriptor_map", "relu"]),
        ({"protocol": "papr"}, ["protocol", "paper"]),
        ({"epoch": 3}, ["'epoch'", "'epochs'", "`gridbench run --help` lists them all"]),
        ({"lamda": 3}, ["lamda"]),
        ({"parameters": 3}, ["parameters"]),
    ],
)
def test_bad_values_are_one_message_that_says_what_is_allowed(values, words):
    with pytest.raises(InputError) as caught:
        make_config(values)
    for word in words:
        assert word in str(caught.value)


@given(st.decimals(0, 100, places=3))
def test_slnir_is_an_exact_decimal_however_it_is_written(rate):
    forms = {make_config({"slnir": form}).slnir for form in (rate, str(rate), float(rate))}
    assert forms == {rate}


def test_equal_rates_written_differently_are_one_cell():
    texts = {
        make_config({"slnir": form}).canonical()["slnir"]
        for form in (30, 30.0, "30.00", "3e1", Decimal("30.0"))
    }
    assert texts == {"30"}


def test_yaml_uses_the_same_names(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("method: bce\nslnir: 12.5\nparameters: {latent: 64}\n", encoding="utf-8")
    config = make_config(load_yaml(file))
    assert (config.method, str(config.slnir), config.parameters) == ("bce", "12.5", {"latent": 64})


@pytest.mark.parametrize("text", ["- a\n- b\n", "method: [\n", "1: 2\n", "\x00"])
def test_yaml_that_is_no_mapping_is_refused(tmp_path, text):
    file = tmp_path / "run.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"run\.yaml"):
        load_yaml(file)


@pytest.mark.parametrize(
    "text", ["010", "0x10", "1_0", "0b11", "-010", "00", "007.5", "1_0.5", "10:50:10", "1:30.5"]
)
def test_yaml_reads_no_number_as_another_than_it_looks_like(tmp_path, text):
    """YAML 1.1 takes 010 for 8, 0x10 for 16, 1_0 for 10 and 1:30 for 90."""
    (tmp_path / "run.yaml").write_text(f"epochs: {text}\n", encoding="utf-8")
    assert load_yaml(tmp_path / "run.yaml") == {"epochs": text}


def test_yaml_reads_a_number_as_the_command_line_does(tmp_path):
    (tmp_path / "run.yaml").write_text(
        "epochs: 010\nslnir: 007.5\nseed: -0\nlearning_rate: 1e-3\n", encoding="utf-8"
    )
    config = make_config(load_yaml(tmp_path / "run.yaml"))
    assert (config.epochs, str(config.slnir), config.seed, config.learning_rate) == (10, "7.5", 0, 0.001)
    (tmp_path / "run.yaml").write_text("epochs: 1_0\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"'epochs' .* is '1_0'; it must be a number in plain digits"):
        make_config(load_yaml(tmp_path / "run.yaml"))


def test_a_missing_yaml_is_refused_and_an_empty_one_says_nothing(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_yaml(tmp_path / "absent.yaml")
    (tmp_path / "empty.yaml").write_text("", encoding="utf-8")
    assert load_yaml(tmp_path / "empty.yaml") == {}
