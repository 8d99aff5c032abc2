"""`auto`: measured, told, kept in the record, the same for every run of a kind, and never a fork of one begun."""

import pytest
import torch

from gridbench import run
from gridbench.config import make_config
from gridbench.core.json_files import read_json
from gridbench.errors import InputError, RunFailed
from gridbench.plan import make_plan
from gridbench.records.record import iter_records
from gridbench.records.runner import Execution
from gridbench.training.autotune import machine_cache
from gridbench.training.autotune.precision import FILE, Chooser, plainest_fast
from gridbench.training.autotune.step_time import step_times
from gridbench.training.backbone import BackboneSpec

CPU = torch.device("cpu")
NAMES = ["float32 contiguous", "float32 channels_last", "bfloat16 contiguous", "bfloat16 channels_last"]
AUTO = {"precision": "auto", "memory_format": "auto"}


@pytest.fixture
def own_cache(cache, tmp_path):
    """A cache that keeps what this test measures, and nothing else's."""
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "archives").symlink_to(cache / "archives")
    return folder


@pytest.fixture
def clock(monkeypatch):
    """What steps take, instead of timing them; the choices that were timed are noted."""
    took = {"seconds": [4.0, 1.0, 3.0, 2.0], "asked": []}

    def times(specs, batch, device):
        took["asked"].append((list(specs), batch))
        return {name: [seconds] for name, seconds in zip(specs, took["seconds"], strict=False)}

    monkeypatch.setattr("gridbench.training.autotune.precision.step_times", times)
    return took


@pytest.fixture
def go(tmp_path, own_cache, settings):
    def start(progress=None, said=None, runs="runs", **values):
        say = (said if said is not None else []).append
        execution = Execution(tmp_path / runs, own_cache, "cpu", threads=1, progress=progress, say=say)
        return run(make_config({**settings, "method": "bce", **values}), execution)

    return start


def chosen(record):
    config = record.config["config"]
    return f"{config['precision']} {config.get('memory_format') or 'contiguous'}"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([4.0, 3.0, 2.0, 1.0], 3),
        ([1.0, 3.0, 2.0, 1.5], 0),
        ([1.02, 1.0, 2.0, 1.5], 0),
        ([1.04, 1.0, 2.0, 0.99], 1),
        ([1.0], 0),
    ],
)
def test_the_plainest_of_the_fastest_is_chosen(seconds, expected):
    assert plainest_fast(dict(zip(NAMES, seconds, strict=False))) == NAMES[expected]


def test_the_record_holds_what_was_chosen_and_what_was_measured(go, clock):
    said = []
    record = go(said=said, **AUTO)
    assert clock["asked"] == [(NAMES, 16)]
    assert chosen(record) == NAMES[1]
    document = record.environment()["chosen"]
    assert document["how"] == "measured now"
    assert document["asked"] == ["precision", "memory_format"]
    assert document["ms_per_step"] == dict(zip(NAMES, [4000.0, 1000.0, 3000.0, 2000.0], strict=True))
    assert all(name in said[0] for name in NAMES)
    assert "4.00x" in said[0]
    assert "Chosen: float32 channels_last" in said[0]


def test_saying_what_was_chosen_is_the_same_run(go, clock):
    record = go(**AUTO)
    said = []
    again = go(said=said, memory_format="channels_last")
    assert again.id == record.id
    assert "Nothing to do" in said[0]
    assert "chosen" not in go(memory_format="channels_last", seed=1).environment()


def test_only_what_was_left_open_is_measured(go, clock):
    assert chosen(go(memory_format="auto")) == "float32 channels_last"
    assert clock["asked"][0][0] == ["float32 contiguous", "float32 channels_last"]
    clock["seconds"] = [1.0, 2.0]
    assert chosen(go(precision="auto", seed=1)) == "float32 contiguous"
    assert clock["asked"][1][0] == ["float32 contiguous", "bfloat16 contiguous"]


def test_all_runs_of_a_kind_on_a_machine_get_the_same_choice(go, clock):
    first = go(**AUTO)
    clock["seconds"] = [1.0, 2.0, 3.0, 4.0]
    other = go(runs="elsewhere", **{**AUTO, "method": "grid", "slnir": 30})
    assert chosen(other) == chosen(first)
    assert other.environment()["chosen"]["how"] == "measured before"
    assert chosen(go(batch_size=8, **AUTO)) == NAMES[0]
    assert len(clock["asked"]) == 2


def test_a_run_that_was_begun_is_never_forked(go, clock, own_cache):
    class Stop:
        def epoch(self, done, total, row):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(progress=Stop(), **AUTO)
    (own_cache / FILE).unlink()
    clock["seconds"] = [1.0, 2.0, 3.0, 4.0]
    said = []
    record = go(said=said, **AUTO)
    assert chosen(record) == NAMES[1]
    assert record.environment()["chosen"]["how"].startswith("kept")
    assert "Going on after epoch 1." in said
    assert len(list(iter_records(record.folder.parent))) == 1


def test_a_damaged_file_of_measurements_is_measured_again(tmp_path, own_cache, settings, clock):
    config = make_config({**settings, "method": "bce", **AUTO})

    def measured():
        before = len(clock["asked"])
        chooser = Chooser(tmp_path / "runs", own_cache, CPU, print)
        assert chooser.settle(config).memory_format == "channels_last"
        return len(clock["asked"]) - before

    assert [measured(), measured()] == [1, 0]
    (own_cache / FILE).write_text("{", encoding="utf-8")
    assert [measured(), measured()] == [1, 0]
    (key,) = read_json(own_cache / FILE)
    for damaged in ({"float16 sideways": 1.0}, {NAMES[0]: "fast"}, {NAMES[0]: 0.0}, [1.0], {}):
        machine_cache.put(own_cache / FILE, key, damaged)
        assert [measured(), measured()] == [1, 0], damaged


def test_what_trains_nothing_gets_the_choice_of_the_others_so_that_a_table_is_of_one_kind(go, clock):
    assert chosen(go(**{**AUTO, "method": "untrained"})) == chosen(go(**AUTO)) == NAMES[1]
    assert len(clock["asked"]) == 1


def test_a_plan_never_holds_auto(cache, settings):
    with pytest.raises(InputError, match="'precision' is auto"):
        make_plan(make_config({**settings, "precision": "auto"}), cache)


def test_settings_without_auto_are_left_alone(tmp_path, own_cache, settings):
    config = make_config(settings)
    assert Chooser(tmp_path, own_cache, CPU, print).settle(config) is config


def test_steps_are_timed_in_turns_without_touching_the_global_generator():
    specs = {name: BackboneSpec("test_resnet", 3, (64, 64), precision=name.split()[0]) for name in NAMES[::2]}
    before = torch.random.get_rng_state()
    times = step_times(specs, 4, CPU)
    assert torch.equal(before, torch.random.get_rng_state())
    assert list(times) == NAMES[::2]
    assert {len(rounds) for rounds in times.values()} == {5}
    assert all(seconds > 0 for rounds in times.values() for seconds in rounds)


def test_what_a_device_cannot_compute_is_left_out(monkeypatch):
    from gridbench.training.autotune import step_time

    real = step_time.stepper

    def stepper(spec, batch, device):
        if spec.precision == "bfloat16":
            raise RuntimeError("this device knows no bfloat16")
        return real(spec, batch, device)

    monkeypatch.setattr(step_time, "stepper", stepper)
    specs = {name: BackboneSpec("test_resnet", 3, (16, 16), precision=name.split()[0]) for name in NAMES[::2]}
    assert list(step_times(specs, 4, CPU)) == NAMES[:1]
    with pytest.raises(RunFailed, match="knows no bfloat16"):
        step_times({NAMES[2]: specs[NAMES[2]]}, 4, CPU)
