"""Run records written as the runner writes them, without running anything."""

import hashlib
import json

import pytest

from gridbench.core.identity import identity, identity_of_cell

DEFAULTS = {
    "dataset": "bluemarble", "method": "bce", "loss": "bce", "parameters": {}, "noise": "swap",
    "noise_parameters": {}, "slnir": "30", "seed": 0, "noise_seed": None, "protocol": "paper",
    "backbone": "test_resnet.r160_in1k", "pretrained": False, "weights": None, "output_stride": None,
    "descriptor_map": None, "distance": "chi2", "k": 20, "ideal": "archive", "epochs": 120,
    "batch_size": 64, "learning_rate": 0.001, "train_size": 600, "crop": 32,
    "flips": True, "brightness": 0.1, "precision": "float32", "select": "last",
}  # fmt: skip
TOP = ("note", "kind", "reference", "dataset_fingerprint", "plugin", "versions")


def identities(config, top):
    """Return the id and the cell; of settings so wrong that they have none, something of the right form."""
    parts = (config, top["versions"] or {}, top["dataset_fingerprint"], top["plugin"])
    try:
        return {"id": identity(*parts), "cell": identity_of_cell(*parts)}
    except ValueError:
        return {"id": "0" * 64, "cell": "0" * 64}


def record_documents(ndcg=0.5, metrics=None, result=None, **fields):
    """Return (config document, result document); `fields` override configuration and top-level fields."""
    top = {"note": "", "kind": "scene", "dataset_fingerprint": "f" * 64, "plugin": None}
    top["versions"] = {"protocol": 1, "method": 1, "loss": 1, "noise": 1}
    top["reference"] = fields.get("method") in ("oracle", "untrained", "random")
    top |= {name: fields.pop(name) for name in TOP if name in fields}
    config = DEFAULTS | fields
    document = {"schema": 1, **identities(config, top), "config": config, **top}
    values = (
        {f"ndcg@{config['k']}": ndcg, "map@20": 0.4, "validation/ndcg@20": 0.45}
        if metrics is None
        else metrics
    )
    outcome = {
        "schema": 1, "id": document["id"], "metrics": values,
        "noise": {"requested": config["slnir"], "realised": 29.98, "sha256": "0" * 64},
        "detection": None, "memorised": 0.71, "predicted_prevalence": 0.2, "true_prevalence": 0.19,
        "parameters": {"total": 1000, "backbone": 900}, "seconds": {"train": 40.5},
    }  # fmt: skip
    return document, outcome | (result or {})


def machine(model):
    """Return what a record says of a machine with this CPU."""
    used = {"torch": "AVX2", "onednn": "AVX2", "mkl": "AVX2"}
    return {"cpu": {"model": model}, "instructions": used, "libraries": {"torch": "2.8.0"}, "threads": 1}


def write_record(runs, state="done", folder=None, cpu=None, **fields):
    """Write a run folder and return it; `cpu` is the model of the machine, which old records do not tell."""
    document, outcome = record_documents(**fields)
    config = document["config"]
    name = f"{str(config['method'])[:20]}-{config['loss']}-slnir{config['slnir']}-seed{config['seed']}"
    target = runs / (folder or f"{name.replace('/', '_')}-{document['id'][:8]}")
    target.mkdir(parents=True)
    (target / "config.json").write_text(json.dumps(document))
    if state == "failed":
        (target / "failed.json").write_text(json.dumps({"message": "ValueError: no"}))
    if state != "done":
        return target
    (target / "result.json").write_text(json.dumps(outcome))
    if cpu:
        (target / "environment.json").write_text(json.dumps({"schema": 1, "machine": machine(cpu)}))
    hashed = {"result.json": hashlib.sha256((target / "result.json").read_bytes()).hexdigest()}
    (target / "done").write_text(json.dumps({"schema": 1, "files": hashed}))
    return target


@pytest.fixture
def write_run():
    return write_record


@pytest.fixture
def runs(tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


@pytest.fixture
def study(runs):
    """Three methods, three noise rates, three seeds, and the reference rows."""
    ndcg = {("bce", "0"): 0.566, ("bce", "30"): 0.479, ("bce", "60"): 0.445,
            ("grid", "0"): 0.570, ("grid", "30"): 0.510, ("grid", "60"): 0.450,
            ("elr", "0"): 0.560, ("elr", "30"): 0.500,
            ("oracle", "30"): 0.566, ("oracle", "60"): 0.566}  # fmt: skip
    for (method, slnir), value in ndcg.items():
        for seed in (0, 1, 2):
            lam = {"lambda": 20.0} if method == "grid" else {}
            moved = value + 0.01 * (seed - 1)
            write_record(runs, method=method, slnir=slnir, seed=seed, ndcg=moved, parameters=lam)
    write_record(runs, method="random", loss=None, slnir="30", ndcg=0.21)
    write_record(runs, method="untrained", loss=None, slnir="30", ndcg=0.33)
    return runs


@pytest.fixture
def rewrite():
    """Change entries of a finished run's JSON file, and its hash with it, as a run that wrote them would have."""

    def change(path, values):
        path.write_text(json.dumps(json.loads(path.read_text()) | values))
        done = path.with_name("done")
        noted = json.loads(done.read_text())
        noted["files"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        done.write_text(json.dumps(noted))

    return change
