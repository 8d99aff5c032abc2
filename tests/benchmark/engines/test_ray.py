"""The Ray engine: what the driver does when nodes answer, die and dawdle; with Ray itself where that is marked slow."""

from __future__ import annotations

import contextlib
import importlib.machinery
import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
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
from gridbench.engines.ray.connection import TaskLost, import_ray, joined, next_bytes
from gridbench.engines.ray.transport import Message, pack_message, read_message
from gridbench.errors import InputError
from gridbench.plan import make_plan
from gridbench.records.record import iter_records
from gridbench.records.runner import Execution, run

TOKEN = "0123456789abcdef" * 4
NUMBERS = ["config.json", "history.json", "noise.json", "noise.npz", "result.json", "retrieval.npz"]


class NodeDied(Exception):
    """What the stand-in raises when a node dies."""


class FakeRay:
    """Stands for Ray: tasks are generators that run here, a message at a time, and may be made to die."""

    exceptions = SimpleNamespace(RayError=NodeDied, ObjectRefStreamEndOfStreamError=StopAsyncIteration)
    _private = SimpleNamespace(
        worker=SimpleNamespace(
            global_worker=SimpleNamespace(
                core_worker=SimpleNamespace(try_read_next_object_ref_stream=print, get_objects=print)
            )
        )
    )

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
            return SimpleNamespace(remote=lambda *given: self.task(function, *given))

        return SimpleNamespace(options=options)

    def task(self, function, *given):
        dies = self.deaths.popleft() if self.deaths else False

        def messages():
            running = function(*given)
            for number, message in enumerate(running):
                if dies and number == 2:
                    # Nothing computes on when a node is dead, and here it would, with its lock.
                    deque(running, maxlen=0)
                    raise NodeDied("The node died. And much more.")
                yield message

        return messages()

    def next_bytes(self, task):
        try:
            message = next(task)
        except StopIteration:
            raise TaskLost("its task ended without an answer") from None
        assert isinstance(message, bytes)
        return message

    def wait(self, tasks, timeout, fetch_local):
        return tasks[:1], tasks[1:]

    def cancel(self, task, force):
        self.cancelled.append(task)


@pytest.fixture
def ray(monkeypatch, tmp_path, listening):
    fake = FakeRay()
    monkeypatch.setattr(cluster, "import_ray", lambda address=None: fake)
    monkeypatch.setattr(cluster, "next_bytes", lambda ray, task: ray.next_bytes(task))
    monkeypatch.setenv("GRIDBENCH_CACHE", str(tmp_path / "node"))
    monkeypatch.setenv("RAY_ADDRESS", listening)
    return fake


@pytest.fixture
def listening():
    """The address of somebody who listens."""
    with socket.socket() as there:
        there.bind(("127.0.0.1", 0))
        there.listen()
        yield f"127.0.0.1:{there.getsockname()[1]}"


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
    with pytest.raises(InputError, match=r"no Ray cluster to join at '127.*ray start --head"):
        list(RayCluster(execution).compute(configs))


@pytest.mark.parametrize("how", ["given", "variable"])
def test_a_cluster_that_is_gone_is_bad_input_at_once(ray, execution, configs, monkeypatch, how):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        gone = f"127.0.0.1:{free.getsockname()[1]}"
    if how == "variable":
        monkeypatch.setenv("RAY_ADDRESS", gone)
    with pytest.raises(InputError, match=f"nobody answers at {gone}"):
        list(RayCluster(execution, gone if how == "given" else "auto").compute(configs))


def test_the_cluster_that_is_asked_for_is_joined(ray, execution, configs, listening):
    events = RayCluster(execution, listening).compute(configs[:1])
    next(events)
    assert ray.settings["address"] == listening
    assert "_temp_dir" not in ray.settings
    events.close()


@pytest.mark.parametrize("named", [None, "", "auto", "ray://head:10001"])
def test_auto_takes_no_address_that_anybody_could_have_written(
    ray, execution, configs, monkeypatch, tmp_path, named
):
    if named is None:
        monkeypatch.delenv("RAY_ADDRESS")
    else:
        monkeypatch.setenv("RAY_ADDRESS", named)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text("127.0.0.1:1")
    with pytest.raises(InputError, match="Say --address HOST:PORT"):
        list(RayCluster(execution).compute(configs))


# Tokens


@pytest.fixture
def ray_of(monkeypatch, tmp_path):
    """Nobody imported Ray or set a token; called with a version, it stands for an installed Ray of that version."""
    monkeypatch.setattr(os, "environ", {"HOME": str(tmp_path)})
    monkeypatch.delitem(sys.modules, "ray", raising=False)

    def install(version="2.60.0"):
        loader = SimpleNamespace(
            create_module=lambda spec: None,
            exec_module=lambda module: setattr(module, "__version__", version),
        )
        spec = importlib.machinery.ModuleSpec("ray", loader)
        finder = SimpleNamespace(find_spec=lambda name, *rest: spec if name == "ray" else None)
        monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])

    yield install
    sys.modules.pop("ray", None)


def test_a_cluster_of_ones_own_has_a_token_that_is_written_nowhere(ray_of, tmp_path):
    ray_of()
    import_ray("local")
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert len(os.environ["RAY_AUTH_TOKEN"]) == 64
    assert os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"
    assert list(tmp_path.iterdir()) == []


def test_ray_without_tokens_is_refused(ray_of):
    ray_of("2.51.9")
    with pytest.raises(InputError, match=r"Ray 2\.51\.9 lets in everybody.*Ray 2\.52"):
        import_ray("local")


def test_tokens_cannot_be_switched_off(ray_of):
    ray_of()
    os.environ["RAY_AUTH_MODE"] = "disabled"
    with pytest.raises(InputError, match="RAY_AUTH_MODE=token on every machine"):
        import_ray("local")


def test_ray_that_was_imported_without_tokens_is_refused(ray_of):
    ray_of()
    import_ray()
    with pytest.raises(InputError, match=r"Ray was imported before.*set RAY_AUTH_MODE=token"):
        import_ray("local")


@pytest.mark.parametrize(
    ("place", "address"), [("default", "head:6379"), ("named", "head:6379"), ("named", "local")]
)
def test_a_token_that_others_can_read_is_refused(ray_of, tmp_path, place, address):
    ray_of()
    path = tmp_path / ".ray" / "auth_token"
    if place == "named":
        path = tmp_path / "token"
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(path)
    with pytest.raises(InputError, match="token cannot be read from"):
        import_ray(address)
    path.parent.mkdir(exist_ok=True)
    path.write_text(TOKEN)
    path.chmod(0o644)
    with pytest.raises(InputError, match=f"chmod 600 {path}"):
        import_ray(address)
    path.chmod(0o600)
    import_ray(address)
    assert os.environ["RAY_AUTH_MODE"] == "token"


# What a node may send


def test_a_message_comes_back_as_it_was():
    files = {"done": b"", "config.json": b"{}"}
    for kind, values in (("started", ["n"]), ("epoch", [1, 2]), ("done", []), ("failed", ["x"])):
        assert read_message(pack_message(kind, values, files)) == Message(kind, tuple(values), files)


def framed(header):
    return len(header).to_bytes(8, "little") + header


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x",
        b"\xff" * 20,
        (2**63).to_bytes(8, "little") + b"{}",
        framed(b"{}"),
        framed(b"[]"),
        framed(b"not JSON"),
        framed(b"[" * 10**5 + b"]" * 10**5),
        framed(b'{"kind": "trouble", "files": [], "values": ["' + b"x" * 10**6 + b'"]}'),
        framed(b'{"kind": "trouble", "files": [["a", -5], ["b", 5]], "values": ["x"]}'),
        pack_message("done", [], {"a": b"x"})[:-1],
        pack_message("done", [], {"a": b"x"}) + b"more",
        pack_message("epoch", ["1", 2], {}),
        pack_message("epoch", [True, 2], {}),
        pack_message("started", [], {}),
        pack_message("exec", ["x"], {}),
        pack_message("trouble", [{"a": 1}], {}),
    ],
)
def test_what_is_no_message_is_refused(content):
    with pytest.raises(ValueError):
        read_message(content)


class Pickled:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_what_a_node_stored_as_an_object_is_not_unpickled(tmp_path):
    stored = [(SimpleNamespace(size=3, to_pybytes=lambda: b"abc"), b"RAW", None)]

    def try_read(stream):
        if stored[0] is None:
            raise StopAsyncIteration
        return SimpleNamespace(is_nil=lambda: stream == "early")

    worker = SimpleNamespace(
        try_read_next_object_ref_stream=try_read, get_objects=lambda handles, milliseconds: stored
    )
    ray = SimpleNamespace(
        _private=SimpleNamespace(worker=SimpleNamespace(global_worker=SimpleNamespace(core_worker=worker))),
        exceptions=SimpleNamespace(ObjectRefStreamEndOfStreamError=StopAsyncIteration),
    )
    task = SimpleNamespace(completed=lambda: "stream")
    assert next_bytes(ray, task) == b"abc"
    assert next_bytes(ray, SimpleNamespace(completed=lambda: "early")) == b""
    payload = SimpleNamespace(size=9, to_pybytes=lambda: pickle.dumps(Pickled(tmp_path / "ran")))
    for metadata in (b"PYTHON", b"XLANG", b"ACTOR_HANDLE", b"3", b"1,DEBUG:x", b"99999", b"", b"x" * 1000):
        stored[0] = (payload, metadata, None)
        with pytest.raises(TaskLost, match=r"Ray lost it \([A-Z_]+\)|is not read"):
            next_bytes(ray, task)
    stored[0] = (SimpleNamespace(size=2**50), b"RAW", None)
    with pytest.raises(TaskLost, match="its node sent"):
        next_bytes(ray, task)
    stored[0] = None
    with pytest.raises(TaskLost, match="without an answer"):
        next_bytes(ray, task)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("lacking", ["_private", "core_worker", "get_objects", "exceptions"])
def test_a_ray_without_what_is_needed_to_read_bytes_is_refused(lacking):
    def fake(**members):
        return SimpleNamespace(**{name: value for name, value in members.items() if name != lacking})

    worker = fake(try_read_next_object_ref_stream=print, get_objects=print)
    ray = fake(
        _private=fake(worker=fake(global_worker=fake(core_worker=worker))),
        exceptions=fake(ObjectRefStreamEndOfStreamError=KeyError),
        is_initialized=lambda: True,
        __version__="9.9.0",
    )
    with pytest.raises(InputError, match=r"Ray 9\.9\.0 .*pip install ray==2"), joined(ray, "auto"):
        pass


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
    for number in session(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(number), signal.SIGKILL)
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


def listeners(processes):
    """Return the addresses that some processes listen on, as /proc writes them in hexadecimal."""
    sockets = set()
    for process in processes:
        for link in Path(f"/proc/{process}/fd").glob("*"):
            try:
                sockets.add(str(link.readlink()))
            except OSError:
                continue
    rows = [
        row.split()
        for kind in ("tcp", "tcp6")
        for row in Path(f"/proc/net/{kind}").read_text().splitlines()[1:]
    ]
    return {row[1].rpartition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets}


def session(number):
    """Return the processes of a session."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int((folder / "stat").read_text().rpartition(")")[2].split()[3]) == number:
                found.append(folder.name)
        except (OSError, IndexError, ValueError):
            continue
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/net/tcp").is_file(), reason="who listens is read from Linux's /proc")
def test_a_cluster_of_ones_own_listens_on_the_loopback_interface_alone(cache, tmp_path):
    words = [
        "sweep",
        "--dataset",
        "stripes",
        "--method",
        "bce",
        "--slnir",
        "0,30",
        "--backbone",
        "test_resnet",
    ]
    words += ["--epochs", "200", "--batch-size", "16", "--train-size", "0", "--k", "5", "--engine", "ray"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "gridbench", *words, "--address", "local", "--runs", tmp_path / "runs"],
        env={**inherited, "GRIDBENCH_CACHE": str(cache), "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    seen, modes = set(), set()
    while process.poll() is None:
        seen |= listeners(session(process.pid))
        modes |= {path.stat().st_mode & 0o777 for path in Path(tempfile.gettempdir()).glob("gridbench-ray-*")}
        time.sleep(0.3)
    said = process.communicate()[0]
    assert process.returncode == 0, said
    assert len(list((tmp_path / "runs").glob("*/done"))) == 2
    # 127.0.0.1, and the same as an address of IPv6; both in the byte order of the machine.
    assert seen
    assert seen <= {"0100007F", "0000000000000000FFFF00000100007F"}
    assert modes == {0o700}
    assert not list(Path(tempfile.gettempdir()).glob("gridbench-ray-*"))
    assert not (tmp_path / ".ray").exists()
