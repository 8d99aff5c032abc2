"""Connection to a Ray cluster: joined with a token, or started for this process only, and read without unpickling."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shlex
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gridbench.core.files import LARGEST_FILE, limited
from gridbench.errors import InputError, reason_of

__all__ = ["TaskLost", "check_nodes", "import_ray", "joined", "next_bytes"]

OLDEST = (2, 52)
"""The first Ray that can ask for a token: https://docs.ray.io/en/latest/ray-security/token-auth.html"""

TRIED = "2.60.0"
_CORE_WORKER = ("try_read_next_object_ref_stream", "get_objects")

PROBE_SECONDS = 5.0
FETCH_MILLISECONDS = 600_000
LOOPBACK = "127.0.0.1"
_MODE, _TOKEN, _TOKEN_PATH = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"
# Without clusters, Ray takes the loopback address for its own; the variable is read when ray is imported.
_CLUSTERS = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
_RAW = b"RAW"


class TaskLost(Exception):
    """A task that ended without an answer, or with an invalid one."""


def import_ray(address: str | None = None) -> Any:
    """Return the package ray, with tokens asked for before it is imported.

    Args:
        address: The cluster that will be joined, or `local`; None on a node, which has its settings from the cluster.

    Raises:
        InputError: It is not installed, too old for tokens, or there is no token that only its owner can read.
    """
    if importlib.util.find_spec("ray") is None:
        raise InputError("The engine ray needs the package ray: pip install 'gridbench[ray]'")
    if address is not None:
        _ask_for_tokens(address)
    import ray

    if tuple(int(part) for part in ray.__version__.split(".")[:2]) < OLDEST:
        raise InputError(
            f"Ray {ray.__version__} lets in everybody who reaches its ports; tokens came with Ray "
            f"{'.'.join(map(str, OLDEST))}: pip install --upgrade 'gridbench[ray]'"
        )
    return ray


def _ask_for_tokens(address: str) -> None:
    wanted = {_MODE: os.environ.get(_MODE, "token")}
    if wanted[_MODE].lower() != "token":
        raise InputError(
            f"{_MODE} is {wanted[_MODE]!r}, so that everybody who reaches the cluster's ports could run code in it. "
            f"Set {_MODE}=token on every machine (docs/computing/clusters.md)."
        )
    given = os.environ.get(_TOKEN)
    if address == "local":
        # A token for this process only, never written to disk; and no usage statistics.
        wanted |= {_CLUSTERS: "0", "RAY_USAGE_STATS_ENABLED": "0"}
        if not (given or os.environ.get(_TOKEN_PATH)):
            given = wanted[_TOKEN] = secrets.token_hex(32)
    if not given:
        _check_token_file()
    if "ray" in sys.modules and any(os.environ.get(name) != value for name, value in wanted.items()):
        names = " ".join(f"{name}={value}" for name, value in wanted.items() if name != _TOKEN)
        raise InputError(f"Ray was imported before it could be told to ask for tokens; set {names} before.")
    os.environ.update(wanted)


def _check_token_file() -> None:
    path = Path(os.environ.get(_TOKEN_PATH) or Path.home() / ".ray" / "auth_token")
    try:
        found = path.stat()
    except OSError as error:
        raise InputError(
            f"The cluster's token cannot be read from {path} ({error.strerror}). Copy it there from the machine that "
            f"made it, or name its file in {_TOKEN_PATH} (docs/computing/clusters.md)."
        ) from None
    if os.name == "posix" and (found.st_mode & 0o077 or found.st_uid != os.getuid()):
        raise InputError(
            f"Others can read the cluster's token in {path}, or it is theirs, and whoever has it can run code on every "
            f"node. Make another token, and keep it to yourself: chmod 600 {shlex.quote(str(path))}"
        )


@contextmanager
def joined(ray: Any, address: str) -> Iterator[None]:
    """Join a cluster, or start one for this process only, and leave it at the end.

    Args:
        ray: The package.
        address: HOST:PORT; auto for the cluster that RAY_ADDRESS names; local for one that listens on the loopback
            interface alone, keeps its files where only this user can read them, and ends with this process.

    Raises:
        InputError: There is no such cluster, or this version of Ray does not hand out plain bytes.
    """
    if ray.is_initialized():
        _core_worker(ray)
        yield
        return
    settings: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": "ERROR"}
    # Ray makes its folder writable for everybody, so it is placed inside a private one.
    private = tempfile.mkdtemp(prefix="gridbench-ray-", dir=_short_folder()) if address == "local" else None
    try:
        if private is not None:
            settings |= {"include_dashboard": False, "_temp_dir": str(Path(private) / "ray")}
        else:
            settings["address"] = _address(address)
        _init(ray, settings)
        try:
            _core_worker(ray)
            if private is not None and {node["NodeManagerAddress"] for node in ray.nodes()} != {LOOPBACK}:
                raise InputError(
                    f"Ray {ray.__version__} does not keep to the loopback interface; use --engine local."
                )
            yield
        finally:
            ray.shutdown()
    finally:
        if private is not None:
            shutil.rmtree(private, ignore_errors=True)


def _short_folder() -> str | None:
    """Return where Ray's folder goes: names of sockets below it have 107 characters at most, of which Ray needs 80."""
    return None if len(tempfile.gettempdir()) < 12 else "/tmp"


def _init(ray: Any, settings: dict[str, Any]) -> None:
    address = settings["address"]
    try:
        if address != "local":
            _probe(address)
        ray.init(**settings)
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        reason = next(iter(reason_of(error).splitlines()), type(error).__name__)
        raise InputError(
            f"There is no Ray cluster to join at {address!r}: {reason}. Start one with `ray start --head`, "
            "join more machines with `ray start --address=HOST:PORT`, this one too, or use --address local."
        ) from None


def _address(address: str) -> str:
    """Return HOST:PORT for auto: files in /tmp that name a cluster can be written by everybody."""
    named = os.environ.get("RAY_ADDRESS", "") if address == "auto" else address
    if not named or named == "auto" or "://" in named:
        raise InputError(
            f"--address auto is the cluster that RAY_ADDRESS names as HOST:PORT, and it is {named!r}. "
            "Say --address HOST:PORT of the cluster that this machine has joined, or --address local."
        )
    return named


def check_nodes(ray: Any, cpus: int, gpus: float) -> None:
    """Refuse a cluster of which no node can hold a run.

    Raises:
        InputError: With what the nodes have.
    """
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    sizes = [(node.get("CPU", 0), node.get("GPU", 0)) for node in alive]
    if not any(has_cpus >= cpus and has_gpus >= gpus for has_cpus, has_gpus in sizes):
        have = "; ".join(f"{has_cpus:g} CPUs and {has_gpus:g} GPUs" for has_cpus, has_gpus in sizes)
        raise InputError(
            f"A run asks for {cpus} CPUs and {gpus:g} GPUs, and no node of the Ray cluster has that. "
            f"The nodes have: {have}. Give other --threads or --gpus."
        )


def next_bytes(ray: Any, task: Any) -> bytes:
    """Return the next message of a streaming task; empty if it is not there yet.

    A node says itself how what it stored is to be read, and `ray.get` unpickles whatever it calls a Python object or
    an error; so does the iteration over a task at its end. Here only what is stored as bytes is read.

    Raises:
        TaskLost: The task or its node ended without a message, or the message is not bytes.
        RayError: It could not be fetched in time.
    """
    worker = _core_worker(ray)
    try:
        handle = worker.try_read_next_object_ref_stream(task.completed())
    except ray.exceptions.ObjectRefStreamEndOfStreamError:
        raise TaskLost("its task ended without an answer") from None
    if handle.is_nil():
        return b""
    content, metadata = worker.get_objects([handle], FETCH_MILLISECONDS)[0][:2]
    if metadata != _RAW:
        raise TaskLost(_reason(metadata))
    if content is None:
        return b""
    if content.size > limited(LARGEST_FILE):
        raise TaskLost(f"its node sent {content.size:,} bytes")
    return bytes(content.to_pybytes())


def _core_worker(ray: Any) -> Any:
    """Return the part of Ray that hands out stored bytes; it is private to Ray and may change with any version.

    Raises:
        InputError: This version of Ray does not have it.
    """
    try:
        worker = ray._private.worker.global_worker.core_worker
        missing = [name for name in _CORE_WORKER if not callable(getattr(worker, name, None))]
        ray.exceptions.ObjectRefStreamEndOfStreamError  # noqa: B018
    except AttributeError as error:
        missing = [str(error)]
    if missing:
        raise InputError(
            f"Ray {ray.__version__} does not hand out what nodes send as plain bytes ({', '.join(missing)}), and "
            f"gridbench unpickles nothing of theirs. Use the version it was tried with: pip install ray=={TRIED}"
        )
    return worker


def _reason(metadata: bytes) -> str:
    """Return why a task ended, from the number of Ray's error, since its text may be pickled."""
    errors: Any = importlib.import_module("ray.core.generated.common_pb2").ErrorType
    number = metadata.split(b",")[0]
    if number.isdigit() and len(number) < 6 and int(number) in errors.values():
        return f"Ray lost it ({errors.Name(int(number))})"
    return "its node sent an object that is not bytes, which is not read"


def _probe(address: str) -> None:
    """Open and close a connection to HOST:PORT; Ray itself would try for minutes, and then give no clear reason.

    Raises:
        OSError: Nothing listens there.
    """
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not (port.isascii() and port.isdecimal() and int(port[:6]) < 65536):
        raise OSError("it is not HOST:PORT")
    try:
        socket.create_connection((host, int(port)), timeout=PROBE_SECONDS).close()
    except OSError as error:
        raise OSError(f"nobody answers at {address} ({error.strerror or error})") from None
