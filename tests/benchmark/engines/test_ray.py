"""The Ray engine: what the driver does when nodes answer, die and dawdle; with Ray itself where that is marked slow."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock

from gridbench.cli import main
from gridbench.config import make_config
from gridbench.engines.ray import cluster
from gridbench.engines.ray.cluster import RayCluster
from gridbench.errors import InputError
from gridbench.plan import make_plan
from gridbench.records.record import iter_records
from gridbench.records.runner import Execution, run

NUMBERS = ["config.json", "history.json", "noise.json", "noise.npz", "result.json", "retrieval.npz"]


class NodeDied(Exception):
    """What the stand-in raises when a node dies."""


class FakeRay:
    """Stands for Ray: tasks are generators that run here, a message at a time, and may be made to die."""

    exceptions = SimpleNamespace(RayError=NodeDied)

    def __init__(self):
        self.pieces, self.cancelled, self.options, self.deaths = [], [], [], deque()
        self.resources = {"CPU": 2.0}

    def is_initialized(self):
        return False

    def init(self, **settings):
        self.settings = settings

    def shutdown(self):
        self.settings = None

    def put(self, content):
        self.pieces.append(content)
        return len(self.pieces) - 1

    def get(self, handle):
        return self.pieces[handle] if isinstance(handle, int) else handle

    def nodes(self):
        return [{"Alive": True, "Resources": self.resources}]

    def cluster_resources(self):
        return self.resources

    def remote(self, function):
        def options(**given):
            self.options.append(given)
            return SimpleNamespace(remote=lambda order: self.task(function, order))

        return SimpleNamespace(options=options)

    def task(self, function, order):
        dies = self.deaths.popleft() if self.deaths else False

        def messages():
            running = function(order)
            for number, message in enumerate(running):
                if dies and number == 2:
                    # Nothing computes on when a node is dead, and here it would, with its lock.
                    deque(running, maxlen=0)
                    raise NodeDied("The node died. And much more.")
                yield message

        return messages()

    def wait(self, tasks, timeout, fetch_local):
        return tasks[:1], tasks[1:]

    def cancel(self, task, force):
        self.cancelled.append(task)


@pytest.fixture
def ray(monkeypatch, tmp_path):
    fake = FakeRay()
    monkeypatch.setattr(cluster, "import_ray", lambda: fake)
    monkeypatch.setenv("GRIDBENCH_CACHE", str(tmp_path / "node"))
    return fake


@pytest.fixture(autouse=True)
def no_cluster_here(monkeypatch, tmp_path):
    """Whatever Ray noted on this machine is not looked at."""
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.fixture
def configs(settings):
    return [make_config({**settings, "method": "bce", "slnir": 30, "seed": seed}) for seed in range(2)]


@pytest.fixture
def execution(tmp_path, cache):
    return Execution(tmp_path / "runs", cache, threads=1, keep="light")


def ends(events):
    return sorted((event.index, event.kind) for event in events if event.kind not in ("started", "epoch"))


def same_numbers(first, second):
    records = [list(iter_records(folder, verify=True)) for folder in (first, second)]
    assert [record.folder.name for record in records[0]] == [record.folder.name for record in records[1]]
    for one, other in zip(*records, strict=True):
        for name in NUMBERS:
            assert (one.folder / name).read_bytes() == (other.folder / name).read_bytes(), name


def test_records_are_those_of_local_runs(ray, execution, configs, cache, tmp_path):
    events = list(RayCluster(execution).compute(configs))
    assert ends(events) == [(0, "done"), (1, "done")]
    assert [event.kind for event in events if event.index == 0][:2] == ["started", "epoch"]
    for config in configs:
        run(config, Execution(tmp_path / "local", cache, device="cpu", threads=1, keep="light"))
    same_numbers(tmp_path / "runs", tmp_path / "local")
    assert not (tmp_path / "node" / "archives").exists()
    assert len(list((tmp_path / "node" / "cluster" / "archives").glob("*/archives/stripes"))) == 1
    assert ends(RayCluster(execution).compute(configs)) == [(0, "done"), (1, "done")]
    assert ray.settings is None


def test_a_run_whose_node_dies_is_tried_elsewhere(ray, execution, configs):
    ray.deaths = deque([True, False, True])
    events = list(RayCluster(execution).compute(configs))
    assert ends(events) == [(0, "again"), (0, "again"), (0, "done"), (1, "done")]
    (told, _) = [event.detail for event in events if event.kind == "again"]
    assert told == "NodeDied: The node died; it is tried elsewhere"
    assert {options["max_retries"] for options in ray.options} == {0}


def test_tries_are_bounded(ray, execution, configs):
    ray.deaths = deque([True, True, True, True, True, True])
    events = list(RayCluster(execution).compute(configs))
    assert ends(events) == [(i, kind) for i in range(2) for kind in ("again", "again", "failed")]
    assert "tried 3 times" in events[-1].detail


def test_a_run_that_takes_too_long_is_ended(ray, execution, configs):
    events = list(RayCluster(execution, time_limit=1e-9).compute(configs))
    assert ends(events) == [(0, "failed"), (1, "failed")]
    assert "took longer" in events[-1].detail
    assert len(ray.cancelled) == 2


def test_a_run_that_somebody_has_is_left_to_them(ray, execution, configs, cache):
    name = make_plan(configs[0], cache).folder_name
    (execution.runs / ".locks").mkdir(parents=True)
    with FileLock(execution.runs / ".locks" / f"{name}.lock"):
        assert ends(RayCluster(execution).compute(configs)) == [(0, "busy"), (1, "done")]


def test_closing_cancels_and_frees_what_is_under_way(ray, execution, configs, cache):
    events = RayCluster(execution).compute(configs)
    next(events)
    events.close()
    assert len(ray.cancelled) == 2
    name = make_plan(configs[0], cache).folder_name
    FileLock(execution.runs / ".locks" / f"{name}.lock").acquire(timeout=0)


def test_a_failing_run_is_kept_with_its_traceback(ray, execution, configs, monkeypatch):
    from gridbench.methods.losses.bce import BCE

    def broken(self, prediction, target):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(BCE, "entries", broken)
    events = list(RayCluster(execution).compute(configs[:1]))
    assert ends(events) == [(0, "failed")]
    (stored,) = iter_records(execution.runs)
    assert stored.state == "failed"
    assert "out of luck" in stored.reason
    assert str(stored.folder) in events[-1].detail


def test_a_full_disk_here_stops_everything(ray, execution, configs, monkeypatch):
    def full(files, plan, runs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cluster, "store_folder", full)
    event = next(event for event in RayCluster(execution).compute(configs) if event.kind == "full")
    assert "no room left" in event.detail


def test_a_request_that_no_node_can_hold_is_refused(ray, execution, configs):
    with pytest.raises(
        InputError, match=r"1 CPUs and 0\.5 GPUs, and no node.*The nodes have: 2 CPUs and 0 GPUs"
    ):
        list(RayCluster(execution, gpus=0.5).compute(configs))
    ray.resources = {"CPU": 2.0, "GPU": 1.0}
    assert ends(RayCluster(execution, gpus=0.5).compute(configs)) == [(0, "done"), (1, "done")]
    assert {options["num_gpus"] for options in ray.options} == {0.5}


def test_no_cluster_is_bad_input(ray, execution, configs, monkeypatch):
    def refused(**settings):
        raise ConnectionError("Could not find any running Ray instance.\nMore lines.")

    monkeypatch.setattr(ray, "init", refused)
    with pytest.raises(InputError, match=r"no Ray cluster to join at 'auto'.*ray start --head"):
        list(RayCluster(execution).compute(configs))


@pytest.mark.parametrize("how", ["given", "variable", "noted"])
def test_a_cluster_that_is_gone_is_bad_input_at_once(ray, execution, configs, monkeypatch, tmp_path, how):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        gone = f"127.0.0.1:{free.getsockname()[1]}"
    if how == "variable":
        monkeypatch.setenv("RAY_ADDRESS", gone)
    elif how == "noted":
        (tmp_path / "ray").mkdir()
        (tmp_path / "ray" / "ray_current_cluster").write_text(gone)
    with pytest.raises(InputError, match=f"nobody answers at {gone}"):
        list(RayCluster(execution, gone if how == "given" else "auto").compute(configs))


def test_somebody_who_listens_is_asked(ray, execution, configs):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        events = RayCluster(execution, address).compute(configs[:1])
        next(events)
    assert ray.settings["address"] == address
    events.close()


def test_without_ray_one_message_names_the_extra(monkeypatch, capsys, cache, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    words = [
        "--dataset",
        "stripes",
        "--cache",
        str(cache),
        "--method",
        "untrained",
        "--k",
        "5",
        "--epochs",
        "1",
    ]
    with pytest.raises(SystemExit) as stop:
        main(
            [
                "sweep",
                *words,
                "--backbone",
                "test_resnet",
                "--engine",
                "ray",
                "--runs",
                str(tmp_path / "runs"),
            ]
        )
    assert stop.value.code == 2
    assert "pip install 'gridbench[ray]'" in capsys.readouterr().err


def test_threads_of_other_machines_are_not_measured_here(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["sweep", "--engine", "ray", "--threads", "auto"])
    assert stop.value.code == 2
    assert "give a number" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--address", "ray://head:10001"], "ray start --address=HOST:PORT"),
        (["--threads", "0"], "--threads is '0'"),
        (["--threads", "many"], "auto or a number from 1"),
        (["--per-device", "-1"], "--per-device is '-1'"),
    ],
)
def test_odd_values_are_bad_input(capsys, words, told):
    with pytest.raises(SystemExit) as stop:
        main(["sweep", "--engine", "ray", *words])
    assert stop.value.code == 2
    assert told in capsys.readouterr().err


# With Ray itself

TOKEN = "0123456789abcdef" * 4
PORT = 26379


@pytest.fixture
def nodes(tmp_path):
    """Three nodes with a cache each, from which the driver's folder is hidden; yields the processes."""
    driver = tmp_path / "driver"
    driver.mkdir()
    # Root may hide a folder, and others mostly as root of a namespace of their own.
    unshare = next((way for way in (["unshare", "-m"], ["unshare", "-r", "-m"]) if hides(way, driver)), None)
    if unshare is None:
        pytest.skip(
            "nodes of one machine share its folders unless `unshare` may hide one, which is forbidden here"
        )
    command = shutil.which("ray", path=str(Path(sys.executable).parent))
    started = []
    common = [
        "--num-cpus=1",
        "--num-gpus=0",
        "--object-store-memory=100000000",
        "--disable-usage-stats",
        "--block",
    ]
    for number in range(3):
        (tmp_path / f"node{number}").mkdir()
        head = ["--head", f"--port={PORT}", "--include-dashboard=false", "--temp-dir=/tmp/gridbench-test-ray"]
        words = [command, "start", *(head if number == 0 else [f"--address=127.0.0.1:{PORT}"]), *common]
        hide = f"mount -t tmpfs none {driver} && exec {' '.join(map(str, words))}"
        with (tmp_path / f"node{number}" / "log").open("w") as log:
            started.append(
                subprocess.Popen(
                    [*unshare, "bash", "-c", hide],
                    stdout=log,
                    stderr=log,
                    cwd=tmp_path / f"node{number}",
                    env={
                        **ray_environment(tmp_path),
                        "GRIDBENCH_CACHE": str(tmp_path / f"node{number}" / "cache"),
                    },
                    start_new_session=True,
                )
            )
        end = time.monotonic() + 120
        while "Ray runtime started" not in (tmp_path / f"node{number}" / "log").read_text():
            assert time.monotonic() < end, (tmp_path / f"node{number}" / "log").read_text()
            time.sleep(0.2)
    yield started
    for process in started:
        kill_session(process)
    shutil.rmtree("/tmp/gridbench-test-ray", ignore_errors=True)
    # Nodes that were killed could not take back where they noted their address.
    note = Path("/tmp/ray/ray_current_cluster")
    if note.is_file() and note.read_text().endswith(f":{PORT}"):
        note.unlink()


def hides(unshare, folder):
    """Tell whether such a command can hide a folder from what it starts."""
    command = [*unshare, "mount", "-t", "tmpfs", "none", str(folder)]
    return shutil.which("unshare") is not None and not subprocess.run(command, check=False).returncode


def ray_environment(tmp_path):
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
    inherited = {name: value for name, value in os.environ.items() if name != "RAY_TMPDIR"}
    return {**inherited, **token, "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}


def kill_session(process):
    """Kill every process of a node at once, as if its plug was pulled."""
    for folder in Path("/proc").iterdir():
        try:
            session = int((folder / "stat").read_text().rpartition(")")[2].split()[3])
        except (OSError, IndexError, ValueError):
            continue
        if session == process.pid:
            os.kill(int(folder.name), signal.SIGKILL)
    process.wait()


@pytest.mark.slow
def test_a_cluster_of_three_nodes_survives_the_loss_of_one(nodes, cache, tmp_path):
    shutil.copytree(cache, tmp_path / "driver" / "cache")
    words = ["--dataset", "stripes", "--method", "bce,grid", "--slnir", "0,30", "--seeds", "3", "--epochs", "10",
             "--backbone", "test_resnet", "--batch-size", "16", "--train-size", "0", "--k", "5"]  # fmt: skip

    def sweep(runs, *more):
        command = [sys.executable, "-P", "-m", "gridbench", "sweep", *words, "--runs", runs, *more]
        where = {"GRIDBENCH_CACHE": str(tmp_path / "driver" / "cache")}
        return subprocess.Popen(
            [*map(str, command)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**ray_environment(tmp_path), **where},
            cwd=tmp_path,
        )

    runs = tmp_path / "driver" / "runs"
    process = sweep(runs, "--engine", "ray", "--address", f"127.0.0.1:{PORT}")
    while len(list(runs.glob("*/done"))) < 4 and process.poll() is None:
        time.sleep(0.05)
    assert process.poll() is None, process.communicate()[0]
    kill_session(nodes[2])
    said = process.communicate()[0]
    assert process.returncode == 0, said
    assert len(list(runs.glob("*/done"))) == 12
    local = sweep(tmp_path / "local", "--device", "cpu", "--workers", "1")
    assert local.wait() == 0, local.communicate()[0]
    same_numbers(runs, tmp_path / "local")
    for number in range(3):
        home = tmp_path / f"node{number}" / "cache"
        assert sorted(path.name for path in home.iterdir()) == ["cluster"]
        assert len(list((home / "cluster" / "archives").glob("*/archives/stripes"))) == 1
