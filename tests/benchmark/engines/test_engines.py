"""Engines: what a node is sent and sends back, how cores and devices are dealt out, and how threads are measured."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbench.config import make_config
from gridbench.core.cores import cores_here, start_process, training_processes
from gridbench.core.environment import Memory, memory_of, ran_out_of_memory
from gridbench.core.json_files import read_json
from gridbench.datasets import open_archive
from gridbench.engines.local import work
from gridbench.engines.placement import Placement, assign, runs_that_fit
from gridbench.engines.ray.node import Order, carry_out
from gridbench.engines.ray.transport import archive_shipment, pack_folder, store_folder, unpack
from gridbench.errors import InputError, RunFailed
from gridbench.plan import make_plan
from gridbench.records.record import iter_records
from gridbench.records.runner import Execution, run
from gridbench.training.autotune.threads import FILE, fastest_threads, fewest_good, thread_numbers

NUMBERS = ["config.json", "history.json", "noise.json", "noise.npz", "result.json", "retrieval.npz"]


class Store:
    """Stands for an object store: gives handles for pieces, and counts how often one is fetched."""

    def __init__(self):
        self.pieces, self.fetched = [], 0

    def put(self, content):
        self.pieces.append(bytes(content))
        return len(self.pieces) - 1

    def get(self, handle):
        self.fetched += 1
        return self.pieces[handle]


@pytest.fixture
def store():
    return Store()


@pytest.mark.parametrize("error", [EOFError("unexpected EOF"), BrokenPipeError(32, "Broken pipe")])
def test_a_process_that_cannot_be_started_is_a_failure_of_the_run(error):
    class Process:
        def start(self):
            raise error

    with pytest.raises(RunFailed, match=r"No worker process can be started .*--workers 0 starts none"):
        start_process(Process())


DRIVER = """
import time
from gridbench.core import cores
cores.PRELOADED = ["slow"]
try:
    cores.training_processes()
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(3)
"""


@pytest.mark.skipif(os.name == "nt", reason="no process groups")
def test_ctrl_c_while_workers_are_prepared_prints_no_traceback(tmp_path):
    """A terminal sends it to all processes; the one that loads torch for the others told where it was."""
    (tmp_path / "slow.py").write_text(
        "import sys, time\nprint('loading', file=sys.stderr, flush=True)\ntime.sleep(1)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", DRIVER],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        start_new_session=True,
    )
    assert process.stderr.readline() == "loading\n"
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=120)[1] == ""
    assert process.returncode == 0


def test_a_worker_that_has_loaded_a_plug_in_ends_in_silence(tmp_path, capfd):
    """Before, whether it ended by itself or was stopped first decided whether the plug-in was blamed for its end."""
    plugin = tmp_path / "mine.py"
    plugin.write_text(
        "from gridbench import register_method\nfrom gridbench.methods.plain import Plain\n"
        "@register_method()\nclass Mine(Plain):\n    losses = ('bce',)\n"
    )
    context = training_processes()
    ours, theirs = context.Pipe()
    execution = Execution(runs=tmp_path / "runs")
    words = (theirs, execution, cores_here(), [plugin], dict(os.environ))
    process = context.Process(target=work, args=words, daemon=True)
    start_process(process)
    theirs.close()
    ours.close()
    process.join(120)
    assert process.exitcode == 0
    assert capfd.readouterr().err == ""


# Shipping


def test_an_archive_arrives_whole_and_is_fetched_once(cache, store, tmp_path):
    archive = open_archive("stripes", cache)
    shipment = archive_shipment(archive, cache, store.put)
    folder = unpack(shipment, tmp_path / "node", store.get)
    arrived = open_archive("stripes", folder)
    assert arrived.fingerprint == archive.fingerprint
    arrived.verify()
    fetched = store.fetched
    assert fetched == len(store.pieces) > 0
    assert unpack(shipment, tmp_path / "node", store.get) == folder
    again = archive_shipment(archive, cache, Store().put)
    assert unpack(again, tmp_path / "node", lambda handle: pytest.fail("it is there")) == folder
    assert store.fetched == fetched


def test_large_files_go_in_pieces(cache, store, tmp_path, monkeypatch):
    monkeypatch.setattr("gridbench.engines.ray.transport.PIECE", 1000)
    shipment = archive_shipment(open_archive("stripes", cache), cache, store.put)
    assert max(len(piece) for piece in store.pieces) == 1000
    open_archive("stripes", unpack(shipment, tmp_path, store.get)).verify()


def test_a_piece_that_was_damaged_leaves_nothing_behind(cache, store, tmp_path):
    shipment = archive_shipment(open_archive("stripes", cache), cache, store.put)
    whole = max(range(len(store.pieces)), key=lambda index: len(store.pieces[index]))
    kept = store.pieces[whole]
    store.pieces[whole] = kept[:-1] + bytes([kept[-1] ^ 1])
    with pytest.raises(ValueError, match="damaged on its way"):
        unpack(shipment, tmp_path, store.get)
    assert not (tmp_path / shipment.key).exists()
    store.pieces[whole] = kept
    open_archive("stripes", unpack(shipment, tmp_path, store.get)).verify()


@pytest.mark.parametrize("path", ["../outside", "/outside", "a/../../outside"])
def test_no_file_leaves_its_folder(cache, store, tmp_path, path):
    shipment = archive_shipment(open_archive("stripes", cache), cache, store.put)
    (_, sha256, handles), *rest = shipment.files
    with pytest.raises(ValueError, match="leads out"):
        unpack(replace(shipment, files=((path, sha256, handles), *rest)), tmp_path / "node", store.get)
    assert not (tmp_path / "outside").exists()


def test_an_archive_outside_the_cache_is_refused(cache, store, tmp_path):
    with pytest.raises(InputError, match="outside the cache"):
        archive_shipment(open_archive("stripes", cache), tmp_path, store.put)


# What a node does, and what the driver makes of it


@pytest.fixture
def order(cache, settings, store):
    def make(**fields):
        plan = make_plan(make_config({**settings, "method": "bce", "slnir": 30, **fields}), cache)
        archive = archive_shipment(plan.archive, cache, store.put)
        return plan, Order(plan.config.canonical(), plan.id, archive, (), "sweep", "weights", "cpu", 1)

    return make


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A node's own cache, which is not the driver's."""
    monkeypatch.setenv("GRIDBENCH_CACHE", str(tmp_path / "node"))
    return tmp_path / "node" / "cluster"


def test_a_record_that_comes_back_is_the_one_of_a_local_run(order, node, store, cache, tmp_path):
    plan, sent = order()
    started, *epochs, (kind, files) = carry_out(sent, store.get)
    assert started[0] == "started"
    assert epochs[0] == ("epoch", 1, 3)
    assert epochs[-1] == ("epoch", 3, 3)
    assert kind == "done"
    stored = store_folder(files, plan, tmp_path / "runs")
    assert stored.state == "done"
    local = run(plan.config, Execution(tmp_path / "local", cache, device="cpu", threads=1))
    assert stored.folder.name == local.folder.name
    for name in [*NUMBERS, "weights.safetensors"]:
        assert (stored.folder / name).read_bytes() == (local.folder / name).read_bytes(), name
    assert {path.name for path in stored.folder.iterdir()} == {path.name for path in local.folder.iterdir()}
    assert not any(path.is_dir() for path in (node / "runs" / "sweep").iterdir() if path.name != ".locks")


def test_a_failing_run_comes_back_with_its_traceback(order, node, store, tmp_path, monkeypatch):
    from gridbench.methods.losses.bce import BCE

    def broken(self, prediction, target):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(BCE, "entries", broken)
    plan, sent = order()
    _, (kind, message, files) = carry_out(sent, store.get)
    assert kind == "failed"
    assert "out of luck" in message
    stored = store_folder(files, plan, tmp_path / "runs")
    assert stored.state == "failed"
    assert "in broken" in read_json(stored.folder / "failed.json")["traceback"]


def test_an_order_travels_as_json(order):
    _, sent = order()
    content, handles = sent.packed()
    assert json.loads(content)["config"]["method"] == "bce"
    assert Order.unpacked(content, handles) == sent


def test_a_node_that_would_compute_something_else_says_so(order, node, store):
    _, sent = order()
    *_, (kind, message, files) = carry_out(replace(sent, id="0" * 64), store.get)
    assert (kind, files) == ("failed", {})
    assert "another run than was asked for" in message


def test_a_node_without_room_is_the_nodes_trouble(order, node, store, monkeypatch):
    _, sent = order()

    def full(handle):
        raise OSError(28, "No space left on device")

    ((kind, message),) = carry_out(sent, full)
    assert kind == "trouble"
    assert "No space left" in message

    monkeypatch.setattr(
        "gridbench.training.checkpoint.save_checkpoint",
        lambda *given: (_ for _ in ()).throw(OSError(28, "No space left")),
    )
    *_, (kind, message) = carry_out(sent, store.get)
    assert kind == "trouble"
    assert "no room left" in message


def test_a_plugin_goes_along_and_is_part_of_the_identity(warm, cache, settings, tmp_path):
    plugin = tmp_path / "halved.py"
    plugin.write_text(
        textwrap.dedent(
            '''
            """Half of it."""
            from gridbench import register_method
            from gridbench.methods.plain import Plain

            @register_method()
            class Halved(Plain):
                """Plain training with half the loss."""
                losses = ("bce",)
                def step(self, batch):
                    out = super().step(batch)
                    return type(out)(out.loss / 2, out.per_sample_loss, prediction=out.prediction)
            '''
        )
    )
    # The driver is a process of its own: a node has not loaded its file.
    code = f"""
import multiprocessing, pathlib
from gridbench.config import make_config
from gridbench.engines.ray.node import Order, carry_out
from gridbench.engines.ray.transport import archive_shipment, plugin_shipment
from gridbench.plan import make_plan
from gridbench.core.plugins import load_plugin
folder, cache, settings = pathlib.Path({str(tmp_path)!r}), pathlib.Path({str(cache)!r}), {settings!r}

def drive(pipe):
    pieces = []
    put = lambda piece: pieces.append(piece) or len(pieces) - 1
    load_plugin(folder / "halved.py")
    plan = make_plan(make_config({{**settings, "method": "halved"}}), cache)
    plugin = plugin_shipment(folder / "halved.py", put)
    archive = archive_shipment(plan.archive, cache, put)
    pipe.send((Order(plan.config.canonical(), plan.id, archive, (plugin,), "s", "light", "cpu", 1), pieces))

ours, theirs = multiprocessing.Pipe()
driver = multiprocessing.get_context("fork").Process(target=drive, args=(theirs,))
driver.start()
order, pieces = ours.recv()
driver.join()
(folder / "halved.py").unlink()
*_, last = carry_out(order, pieces.__getitem__)
print(last[0], last[1] if last[0] != "done" else "")
"""
    script = tmp_path / "driver_and_node.py"
    script.write_text(code, encoding="utf-8")
    told = warm(environment={"GRIDBENCH_CACHE": str(tmp_path / "node")}, script=str(script))
    assert told.stdout.split() == ["done"], told.stdout + told.stderr
    assert list((tmp_path / "node" / "cluster" / "plugins").glob("*/halved.py"))


# Records on their way


@pytest.fixture(scope="module")
def computed():
    """The files of the record of `came_back`, which is computed once; a test changes a copy."""
    return {}


@pytest.fixture
def came_back(order, node, store, computed):
    plan, sent = order(epochs=1)
    if not computed:
        *_, (_, files) = carry_out(sent, store.get)
        computed.update(files)
    assert all(isinstance(content, bytes) for content in computed.values())
    return plan, dict(computed)


def forge(files, name, **fields):
    """Change a document of a record, and its hash with it."""
    files[name] = json.dumps({**json.loads(files[name]), **fields}).encode()
    done = json.loads(files["done"])
    done["files"][name] = hashlib.sha256(files[name]).hexdigest()
    files["done"] = json.dumps(done).encode()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda files: files.update({"result.json": files["result.json"] + b" "}),
            r"result\.json was changed",
        ),
        (lambda files: files.pop("noise.npz"), r"noise\.npz is missing"),
        (lambda files: files.update({"extra.json": b"{}"}), r"name 'extra\.json'"),
        (lambda files: files.update({"weights.safetensors": b"\x80\x04."}), "not a safetensors file"),
        (lambda files: files.update({"environment.json": b"[" * 10**6}), "lists and objects"),
        (lambda files: files.update({"failed.json": b"not JSON"}), "Expecting"),
        (lambda files: forge(files, "result.json", metrics={"ndcg@5": 0.999}), "ndcg@5 is 0.999"),
        (lambda files: forge(files, "config.json", reference=True), "not that of the run"),
        (lambda files: files.pop("done"), "not complete"),
        (lambda files: files.update({"../../x": b""}), "name '../../x'"),
        (lambda files: files.update({".x": b""}), "name '.x'"),
        (lambda files: files.update({"config.json": b'{"id": "other"}'}), "another run"),
    ],
)
def test_what_cannot_be_trusted_is_not_written(came_back, tmp_path, change, reason):
    plan, files = came_back
    change(files)
    with pytest.raises(ValueError, match=reason):
        store_folder(files, plan, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_record_replaces_what_an_interrupted_run_left(came_back, tmp_path):
    plan, files = came_back
    folder = tmp_path / "runs" / plan.folder_name
    folder.mkdir(parents=True)
    for name in ("config.json", "failed.json"):
        (folder / name).write_bytes(files["config.json"])
    (folder / "checkpoint.json").write_text("{}")
    assert store_folder(files, plan, tmp_path / "runs").state == "done"
    assert {path.name for path in folder.iterdir()} == set(files)
    assert pack_folder(folder) == files


def test_done_is_written_last(came_back, tmp_path, monkeypatch):
    plan, files = came_back
    written = []
    from gridbench.core.files import write_bytes

    def noted(path, content):
        written.append(path.name)
        if path.name == "result.json":
            raise OSError(28, "No space left on device")
        return write_bytes(path, content)

    monkeypatch.setattr("gridbench.engines.ray.transport.write_bytes", noted)
    with pytest.raises(OSError):
        store_folder(files, plan, tmp_path / "runs")
    assert "done" not in written
    (stored,) = iter_records(tmp_path / "runs")
    assert stored.state == "incomplete"


# Dealing out


def test_devices_get_one_run_each_before_one_gets_a_second():
    assert assign(["a", "b"], 2, 8) == ["a", "b", "a", "b"]
    assert assign(["a", "b"], 2, 3) == ["a", "b", "a"]
    assert assign(["a"], 1, 8) == ["a"]


@pytest.mark.parametrize(
    ("total", "peak", "overhead", "fit"),
    [(80, 10, 2, 6), (80, 71, 0, 1), (80, 200, 5, 1), (100, 45, 0, 2), (100, 0, 0, 90)],
)
def test_as_many_runs_as_a_tenth_spare_memory_holds(total, peak, overhead, fit):
    assert runs_that_fit(total, peak, overhead) == fit


@given(st.integers(1, 10**12), st.integers(1, 10**12), st.integers(0, 10**10))
def test_runs_that_fit_fit(total, peak, overhead):
    fit = runs_that_fit(total, peak, overhead)
    assert fit >= 1
    assert fit == 1 or 10 * fit * (peak + overhead) <= 9 * total
    assert 10 * (fit + 1) * (peak + overhead) > 9 * total - 10


MEMORY = Memory(total=80, peak=10, overhead=2)


def test_one_run_a_device_first_then_what_the_first_leaves_room_for():
    placement = Placement(["acc:0", "acc:1"], limit=32)
    assert placement.slots() == ["acc:0", "acc:1"]
    placement.observe(MEMORY)
    assert placement.slots() == ["acc:0", "acc:1"] * 6
    # A larger run, seen while others are beside it: they are not overhead.
    placement.observe(Memory(total=80, peak=16, overhead=60))
    assert placement.slots() == ["acc:0", "acc:1"] * 4
    placement.observe(MEMORY)
    assert placement.slots() == ["acc:0", "acc:1"] * 4


def test_a_given_number_of_runs_a_device_is_kept():
    placement = Placement(["acc:0", "acc:1"], limit=32, per_device=3)
    placement.observe(MEMORY)
    assert placement.slots() == ["acc:0", "acc:1"] * 3
    assert Placement(["cpu"], limit=2).slots() == ["cpu"] * 2


def test_a_run_that_finds_no_memory_leaves_fewer_slots_for_good():
    placement = Placement(["acc:0"], limit=8)
    placement.observe(MEMORY)
    assert len(placement.slots()) == 6
    placement.out_of_memory(beside=3)
    placement.observe(MEMORY)
    assert placement.slots() == ["acc:0"] * 3
    placement.out_of_memory(beside=0)
    assert placement.slots() == ["acc:0"]


def test_an_error_for_want_of_memory_is_known_by_what_led_to_it():
    import torch

    error = RunFailed("The run failed.")
    error.__cause__ = torch.OutOfMemoryError("out of memory")
    assert ran_out_of_memory(error)
    assert not ran_out_of_memory(RunFailed("The run failed."))
    assert memory_of("cpu") is None


# Threads


@pytest.mark.parametrize(
    ("cores", "numbers"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (16, [1, 2, 4, 8, 16])]
)
def test_numbers_of_threads_to_try(cores, numbers):
    assert thread_numbers(cores) == numbers


@pytest.mark.parametrize(
    ("rates", "chosen"),
    [
        ({1: 10.0, 2: 8.0}, 1),
        ({1: 10.0, 2: 10.4}, 1),
        ({1: 10.0, 2: 10.6}, 2),
        ({1: 10.0, 2: 12.0, 4: 12.1}, 2),
        ({2: 3.0}, 2),
    ],
)
def test_more_threads_must_be_worth_it(rates, chosen):
    assert fewest_good(rates) == chosen


def test_threads_are_measured_once_and_recalled(cache, settings, tmp_path, monkeypatch):
    measured = []

    def rate(plan, folder, threads, processes):
        measured.append((threads, processes))
        return {1: 10.0, 2: 30.0}[threads]

    monkeypatch.setattr("gridbench.training.autotune.threads.steps_per_second", rate)
    monkeypatch.setattr("gridbench.training.autotune.threads.cores_here", lambda: [0, 1])
    plan = make_plan(make_config({**settings, "method": "bce"}), cache)
    said = []
    assert fastest_threads(plan, tmp_path, said.append) == 2
    assert measured == [(1, 2), (2, 1)]
    assert fastest_threads(plan, tmp_path, said.append) == 2
    assert len(measured) == 2
    assert "measured now" in said[0]
    assert "measured before" in said[1]
    other = make_plan(make_config({**settings, "method": "bce", "batch_size": 8}), cache)
    fastest_threads(other, tmp_path, said.append)
    assert len(measured) == 4
    (tmp_path / FILE).write_text("[")
    assert fastest_threads(plan, tmp_path, said.append) == 2


QUICK = """
from gridbench.training.autotune import threads

def measure(*given):
    threads.SECONDS = 0.2
    threads.measure_steps(*given)
"""


def test_a_measurement_of_real_steps(cache, settings, monkeypatch, tmp_path):
    from gridbench.training.autotune import threads

    # The process that measures reads how long from its own copy of the module.
    (tmp_path / "measuring_quickly.py").write_text(QUICK)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(threads, "measure_steps", importlib.import_module("measuring_quickly").measure)
    plan = make_plan(make_config({**settings, "method": "bce"}), cache)
    assert threads.steps_per_second(plan, cache, 1, 1) > 0
