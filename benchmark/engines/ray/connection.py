"""Connection to a Ray cluster: import, join, and the check that its nodes can hold a run."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from gridbench.errors import InputError

__all__ = ["check_nodes", "connect", "import_ray"]

PROBE_SECONDS = 5.0


def import_ray() -> Any:
    """Return the package ray.

    Raises:
        InputError: It is not installed.
    """
    try:
        import ray
    except ImportError:
        raise InputError("The engine ray needs the package ray: pip install 'gridbench[ray]'") from None
    return ray


def connect(ray: Any, address: str) -> bool:
    """Join a cluster; return whether it has to be left again.

    Raises:
        InputError: There is no such cluster.
    """
    if ray.is_initialized():
        return False
    settings: dict[str, Any] = {
        "address": address,
        "log_to_driver": False,
        "logging_level": "ERROR",
    }
    if address == "local":
        settings["include_dashboard"] = False
        # A cluster that is started here sends no usage statistics.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        if address != "local":
            _probe(address)
        ray.init(**settings)
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"There is no Ray cluster to join at {address!r}: {reason}. Start one with `ray start --head`, "
            "join more machines with `ray start --address=HOST:PORT`, this one too, or use --address local."
        ) from None
    return True


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


def _probe(address: str) -> None:
    """Open and close a connection to a cluster's address; an address of another form is left to Ray.

    Ray itself would try for minutes, and then give no clear reason.

    Args:
        address: HOST:PORT, or auto for the cluster that was started or joined here last.

    Raises:
        OSError: Nothing listens there.
    """
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or _joined_last()
    host, _, port = address.rpartition(":")
    if host and "/" not in host and port.isdecimal():
        try:
            socket.create_connection((host, int(port)), timeout=PROBE_SECONDS).close()
        except OSError as error:
            raise OSError(f"nobody answers at {address} ({error.strerror or error})") from None


def _joined_last() -> str:
    """Return the address that Ray notes when it starts; empty if there is none, and Ray shall look for itself."""
    folder = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray"
    try:
        return (folder / "ray_current_cluster").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
