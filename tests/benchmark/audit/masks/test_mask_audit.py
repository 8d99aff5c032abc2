"""A whole audit of label maps: folds, folder, list, page, decisions and corrected masks."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from gridbench.audit.audit import Folding
from gridbench.audit.masks.audit import audit_masks, read_mask_audit
from gridbench.audit.masks.correction import corrected_maps, decided_findings, list_rows, write_mask_list
from gridbench.audit.masks.page import render_mask_page
from gridbench.audit.stored import is_mask_audit
from gridbench.cli import main
from gridbench.datasets.open import open_archive
from gridbench.errors import InputError
from gridbench.records.runner import Execution


@pytest.fixture(scope="module")
def mask_audited(stripes_plan, tmp_path_factory, cache):
    """An audit of label maps of which some are displaced on purpose, and the archive."""
    plan = stripes_plan(method="pce", noise="region", slnir=20, epochs=1)
    found = audit_masks(plan, Folding(2), tmp_path_factory.mktemp("audits"), Execution(device="cpu"))
    return found, open_archive("stripes", cache)


@pytest.fixture
def cli(capsys):
    """Call gridbench as typed; returns exit code and messages."""

    def call(*words):
        code = 0
        try:
            main([*words])
        except SystemExit as stop:
            code = stop.code
        return code, capsys.readouterr().err

    return call


def decisions_file(path, rows):
    path.write_text("sample,finding,decision,audit\n" + "".join(f"{','.join(row)}\n" for row in rows))
    return path


def test_the_folder_holds_what_was_found(mask_audited, cache):
    found, archive = mask_audited
    assert is_mask_audit(found.folder)
    again, _ = read_mask_audit(found.folder, cache)
    assert len(again) == len(found) > 0
    assert np.array_equal(again.scores, found.scores)
    for one, other in zip(found.findings, again.findings, strict=True):
        assert np.array_equal(one.pixels, other.pixels)
        assert (one.kind, one.suspected, one.moved) == (other.kind, other.suspected, other.moved)
    header, rows = list_rows(found, archive)
    assert header[:3] == ["finding", "sample", "kind"]
    assert len(rows) == len(found)
    assert len(list(csv.reader(write_mask_list(found, archive, 3).open()))) == min(4, 1 + len(found))


def test_an_accepted_finding_changes_its_pixels_alone(mask_audited):
    found, _ = mask_audited
    maps = corrected_maps(found, [0])
    changed = np.zeros_like(maps, dtype=bool)
    changed[found.images[0]].ravel()[found.findings[0].pixels] = True
    assert np.array_equal(maps[~changed], found.given[~changed])
    assert np.array_equal(maps[changed], found.findings[0].becomes)
    assert np.array_equal(corrected_maps(found, []), found.given)


def test_the_page_shows_regions_and_overlays(mask_audited):
    found, archive = mask_audited
    text = render_mask_page(found, archive, 5)
    assert "map as suspected" in text
    assert text.count('"finding":') == min(5, len(found))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (("?", "1", "accept"), "of another audit"),
        ((None, "0", "accept"), "must be a number from 1"),
        ((None, "1", "yes"), "must be accept, reject or unsure"),
        ((None, "1", "accept", "gridbench audit 0123456789"), "decisions of 'gridbench audit 0123456789'"),
    ],
)
def test_decisions_that_do_not_fit_are_refused(mask_audited, tmp_path, row, words):
    found, archive = mask_audited
    first = archive.names[found.positions[found.images[0]]]
    path = decisions_file(tmp_path / "d.csv", [tuple(first if each is None else each for each in row)])
    with pytest.raises(InputError, match=words):
        decided_findings(path, found, archive)


def test_two_decisions_about_a_finding_are_refused(mask_audited, tmp_path):
    found, archive = mask_audited
    first = archive.names[found.positions[found.images[0]]]
    path = decisions_file(tmp_path / "d.csv", [(first, "1", word) for word in ("accept", "reject")])
    with pytest.raises(InputError, match="two decisions, accept and reject"):
        decided_findings(path, found, archive)


def test_corrected_masks_are_written_once_and_can_be_prepared(mask_audited, tmp_path, cache, cli, capsys):
    found, archive = mask_audited
    first = archive.names[found.positions[found.images[0]]]
    decisions = decisions_file(tmp_path / "decisions.csv", [(first, "1", "accept")])
    out = tmp_path / "out"
    command = ["audit", "apply", str(found.folder), "--decisions", str(decisions), "--out", str(out)]
    command += ["--cache", str(cache)]
    code, messages = cli(*command)
    assert code == 2
    assert "put in on purpose" in messages
    code, messages = cli(*command, "--with-injected-noise")
    assert code == 0, messages
    expected = corrected_maps(found, [0])[found.images[0]]
    assert np.array_equal(np.asarray(Image.open(out / "masks" / f"{first}.png")), expected)
    assert len(list((out / "masks").rglob("*.png"))) == len(archive)
    assert (out / "classes.csv").read_text().splitlines()[:2] == ["name,value", f"{archive.class_names[0]},0"]
    with pytest.raises(SystemExit, match="2"):
        main([*command, "--with-injected-noise", "--top", "auto"])
    said = capsys.readouterr()
    assert "--force" in said.err
    assert said.out == ""
    for option in (["--kind", "wrong"], ["--beyond-line"], ["--from", "page"], ["--labels", "labels.csv"]):
        code, messages = cli(*command, "--with-injected-noise", "--force", *option)
        assert code == 2
        assert f"{option[0]} is about tables of labels" in messages
    linked = tmp_path / "linked"
    linked.symlink_to(out)
    command[command.index(str(out))] = str(linked)
    code, messages = cli(*command, "--with-injected-noise", "--force")
    assert code == 2
    assert "link" in messages


def test_a_loss_without_classes_of_pixels_is_refused(stripes_plan, tmp_path):
    with pytest.raises(InputError, match="predicts no class for a pixel"):
        audit_masks(stripes_plan(method="rrl", epochs=1), Folding(2), tmp_path, Execution(device="cpu"))


@pytest.mark.parametrize(
    ("options", "backbone", "stride"),
    [
        ([], "test_resnet", 8),
        (["--output-stride", "16"], "test_resnet", 16),
        (["--backbone", "test_resnet"], "test_resnet", None),
    ],
)
def test_maps_are_predicted_at_a_stride_that_shows_regions(cli, tmp_path, cache, options, backbone, stride):
    out = tmp_path / "audits"
    command = ["audit", "--dataset", "stripes", "--loss", "pce", "--epochs", "1", "--folds", "2", "--quiet"]
    code, messages = cli(*command, *options, "--cache", str(cache), "--out", str(out))
    assert code == 0, messages
    (document,) = out.glob("*/audit.json")
    config = json.loads(document.read_text())["config"]
    assert (config["backbone"], config.get("output_stride")) == (backbone, stride)
