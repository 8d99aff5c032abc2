"""A record's id and cell follow from its settings, and one whose settings were edited is not believed."""

from __future__ import annotations

import hashlib
import json

import pytest

from gridbench.config import make_config
from gridbench.core.identity import check_identity, identity, identity_of_cell
from gridbench.records.record import read_record
from gridbench.records.runner import Execution, run

CONFIG = {"method": "grid", "seed": 3, "noise_seed": 3, "weights": None, "parameters": {"lambda": 20.0}}


def test_the_identity_is_the_hash_of_canonical_json():
    text = (
        '{"config":{"method":"grid","noise_seed":3,"parameters":{"lambda":20.0},"seed":3,"weights":null},'
        '"fingerprint":"f","plugin":null,"versions":{"protocol":1}}'
    )
    assert identity(CONFIG, {"protocol": 1}, "f", None) == hashlib.sha256(text.encode()).hexdigest()
    cell = text.replace('"seed":3', '"seed":null').replace('"noise_seed":3', '"noise_seed":"seed"')
    assert identity_of_cell(CONFIG, {"protocol": 1}, "f", None) == hashlib.sha256(cell.encode()).hexdigest()


def test_the_order_of_the_settings_and_the_place_of_the_weights_do_not_count():
    backwards = dict(reversed(CONFIG.items()))
    assert identity(backwards, {}, "f", None) == identity(CONFIG, {}, "f", None)
    one, other = ({**CONFIG, "weights": place} for place in ("a/w", "b/w"))
    assert identity(one, {}, "f", None) == identity(other, {}, "f", None) != identity(CONFIG, {}, "f", None)


def test_a_document_that_was_edited_is_told_from_one_that_was_not():
    parts = (CONFIG, {"protocol": 1}, "f", None)
    document = dict(zip(("config", "versions", "dataset_fingerprint", "plugin"), parts, strict=True))
    document |= {"id": identity(*parts), "cell": identity_of_cell(*parts)}
    check_identity(document)
    for name in document:
        with pytest.raises(ValueError, match="settings were edited"):
            check_identity({**document, name: {"seed": 4} if name in ("config", "versions") else "g"})


@pytest.fixture(scope="module")
def record(cache, tmp_path_factory):
    values = {"dataset": "stripes", "method": "bce", "backbone": "test_resnet", "epochs": 1, "k": 5}
    execution = Execution(runs=tmp_path_factory.mktemp("runs"), cache=cache, device="cpu", threads=1)
    return run(make_config({**values, "batch_size": 16, "train_size": 0}), execution)


def test_what_a_run_writes_agrees_with_what_is_read(record):
    check_identity(json.loads((record.folder / "config.json").read_text()))
    assert read_record(record.folder, verify=True).state == "done"


def test_settings_that_were_edited_with_their_hash_are_not_believed(record, tmp_path):
    for path in record.folder.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    document = json.loads((tmp_path / "config.json").read_text())
    document["config"]["epochs"] = 500
    (tmp_path / "config.json").write_text(json.dumps(document))
    done = json.loads((tmp_path / "done").read_text())
    done["files"]["config.json"] = hashlib.sha256((tmp_path / "config.json").read_bytes()).hexdigest()
    (tmp_path / "done").write_text(json.dumps(done))
    found = read_record(tmp_path)
    assert found.state == "corrupt"
    assert "settings were edited" in found.reason
