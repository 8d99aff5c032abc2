"""Published weights and files of weights: their hash is in the identity, and without a network the answer is quick."""

from __future__ import annotations

import socket
import threading
import time

import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from gridbench.config import make_config
from gridbench.errors import InputError
from gridbench.plan import make_plan
from gridbench.records.runner import Execution, run
from gridbench.training.pretrained import published_weights

NAME = "layer1.0.conv1.weight"
REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """The hub's cache, and a server that nobody answers; returns what puts weights of test_resnet there."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "hub" / "models--timm--test_resnet.r160_in1k"

    def publish(seed, file="model.safetensors"):
        torch.manual_seed(seed)
        state = timm.create_model("test_resnet").state_dict()
        path = folder / "snapshots" / REVISION / file
        path.parent.mkdir(parents=True, exist_ok=True)
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs" / "main").write_text(REVISION)
        if file.endswith(".safetensors"):
            save_file(state, path)
        else:
            torch.save(state, path)
        return state

    return publish


def plan_of(cache, settings, **more):
    return make_plan(make_config({**settings, "method": "bce", "pretrained": True, **more}), cache)


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_training_starts_from_the_weights_whose_hash_is_in_the_identity(hub, cache, settings, tmp_path, file):
    state = hub(1, file)
    first = plan_of(cache, settings)
    record = run(
        make_config({**settings, "method": "untrained", "pretrained": True}),
        Execution(tmp_path / "runs", cache, device="cpu", threads=1),
    )
    weights = load_file(record.folder / "weights.safetensors")
    assert torch.equal(weights[NAME], state[NAME])
    told = record.environment()["pretrained"]
    assert told == {"repository": "timm/test_resnet.r160_in1k", "revision": REVISION}
    hub(2, file)
    second = plan_of(cache, settings)
    assert first.cell != second.cell
    assert first.versions["pretrained_weights"] != second.versions["pretrained_weights"]


def test_two_files_of_one_name_are_two_cells(hub, cache, settings, tmp_path):
    cells = set()
    for seed in (1, 2):
        torch.manual_seed(seed)
        save_file(timm.create_model("test_resnet").state_dict(), tmp_path / "mine.safetensors")
        cells.add(plan_of(cache, settings, pretrained=False, weights=str(tmp_path / "mine.safetensors")).cell)
    assert len(cells) == 2


def test_from_scratch_no_weights_are_in_the_identity(cache, settings):
    assert plan_of(cache, settings, pretrained=False).versions.keys() == {
        "protocol",
        "method",
        "loss",
        "noise",
    }


@pytest.mark.parametrize("offline", [False, True])
def test_without_a_network_the_answer_is_quick_and_names_the_remedy(
    hub, cache, settings, monkeypatch, offline
):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    before = time.monotonic()
    with pytest.raises(InputError, match=r"hf download timm/test_resnet\.r160_in1k.*--weights FILE"):
        plan_of(cache, settings)
    assert time.monotonic() - before < 5


def test_a_name_that_is_never_resolved_is_waited_for_for_seconds_only(hub, monkeypatch):
    def waits(*given, **more):
        time.sleep(2)
        raise OSError("Name or service not known")

    monkeypatch.setattr("socket.create_connection", waits)
    monkeypatch.setattr("gridbench.training.pretrained.SECONDS_TO_ANSWER", 0.1)
    before = time.monotonic()
    with pytest.raises(InputError, match="does not answer"):
        published_weights("test_resnet")
    assert time.monotonic() - before < 1


ANSWERS = {
    "closed": b"",
    "of no HTTP": b"\x16\x03\x01\r\n\r\n",
    "unavailable": b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    "of a proxy": b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
    "missing": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "forbidden": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
    "of a portal": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlogin",
    "none": None,
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_server_that_cannot_be_what_was_asked_for_is_reported_within_seconds(hub, monkeypatch, kind):
    """Something on the way, such as a proxy or a portal, takes the connection."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        open_ones = []
        while True:
            connection, _ = server.accept()
            open_ones.append(connection)
            if ANSWERS[kind] is not None:
                connection.recv(4096)
                connection.sendall(ANSWERS[kind])
                connection.close()

    threading.Thread(target=serve, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.getsockname()[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    files = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
    monkeypatch.setattr("gridbench.training.pretrained.SECONDS_TO_ANSWER", 0.3)
    before = time.monotonic()
    with pytest.raises(InputError, match=r"cannot be fetched: .*hf download timm/test_resnet\.r160_in1k"):
        published_weights("test_resnet")
    assert time.monotonic() - before < 5


@pytest.mark.parametrize("name", ["densenet264d", "nothing"])
def test_a_model_without_published_weights_is_refused(hub, name):
    with pytest.raises(InputError, match="publishes no weights"):
        published_weights(name)
