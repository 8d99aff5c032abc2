"""The audit's page as text, its list, its label table and its images."""

import csv
import io
import json
import re
import shlex

import numpy as np
import pytest
from PIL import Image

from gridbench.audit.export import label_table, list_table, write_images, write_list
from gridbench.audit.page import page_document, render_page, write_page
from gridbench.audit.ranking import rank_labels
from gridbench.datasets.readers.tables import read_label_table

HOSTILE = "<img src=x onerror=document.title='owned'>"


def ranked(audit):
    return rank_labels(audit.given, audit.scores)


def test_the_page_is_one_file_without_outside_addresses(small_audit, small_archive):
    audit = small_audit()
    text = render_page(audit, small_archive, ranked(audit).first(20))
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:)?//", text)
    assert "default-src 'none'" in text
    assert HOSTILE not in text
    assert write_page(audit, small_archive, ranked(audit).first(20)).read_text(encoding="utf-8") == text


def test_networks_that_learned_nothing_are_warned_of(small_audit, small_archive):
    audit = small_audit()
    assert "cannot be trusted" not in render_page(audit, small_archive, ranked(audit).first(5))
    audit.document["skill"] = [0.4, 0.01]
    assert "cannot be trusted: in fold 2 of 2" in render_page(audit, small_archive, ranked(audit).first(5))


def test_its_data_say_what_is_suspected(small_audit, small_archive):
    audit = small_audit(injected=True)
    document = json.loads(json.dumps(page_document(audit, small_archive, ranked(audit).first(5))))
    assert document["injected"]
    first = document["suspects"][0]
    assert first["image"] == 0
    assert document["images"][0]["row"] == int(audit.positions[0])
    assert document["images"][0]["picture"].startswith("data:image/jpeg;base64,")
    row = int(audit.positions[0])
    assert document["table"]["labels"][row] == np.flatnonzero(audit.given[0]).tolist()
    assert len(document["table"]["names"]) == len(small_archive)
    where = f"--cache {shlex.quote(str(small_archive.directory.parent.parent))}"
    assert document["next"]["labels.csv"].endswith(f"--labels labels.csv --name small-corrected {where}")
    assert document["next"]["decisions.csv"].endswith(f"--decisions decisions.csv --out corrected {where}")


def test_injected_noise_is_told_and_measured(small_audit, small_archive):
    plain, noisy = small_audit(), small_audit(injected=True)
    texts = [render_page(each, small_archive, ranked(each).first(5)) for each in (plain, noisy)]
    assert "put in on purpose" not in texts[0]
    assert "corrupted on purpose to test the list" in texts[0]
    assert "(area under the margin)" in texts[0]
    assert "put in on purpose" in texts[1]
    assert "Prevalence is the precision of guessing" in texts[1]


def test_the_list_has_a_line_for_each_suspicious_label(small_audit, small_archive):
    audit = small_audit(injected=True)
    path = write_list(audit, small_archive, ranked(audit).first(7))
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
    assert len(rows) == 7
    assert [row["rank"] for row in rows] == [str(at + 1) for at in range(7)]
    assert {row["injected"] for row in rows[:3]} == {"1"}
    assert {row["sample"] for row in rows[:3]} == {small_archive.names[audit.positions[0]]}
    kinds = {row["label"]: row["kind"] for row in rows[:3]}
    for label, kind in kinds.items():
        at = small_archive.class_names.index(label)
        assert kind == ("wrong" if audit.given[0, at] else "missing")
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert "injected" not in list_table(small_audit(), small_archive, ranked(audit).first(1))[0]


def test_label_tables_are_read_back(small_archive, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_bytes(label_table(small_archive, small_archive.scene_labels))
    read = read_label_table(path)
    assert read.keys == small_archive.names
    assert read.class_names == small_archive.class_names
    assert np.array_equal(read.labels, small_archive.scene_labels)
    assert read.columns["split"].count("train") == len(small_archive.indices("train"))


def test_images_are_written_as_they_are(small_archive, tmp_path):
    assert write_images(small_archive, tmp_path) == len(small_archive)
    stored = small_archive.groups[0].pixels
    for at in (0, 7):
        pixels = np.asarray(Image.open(tmp_path / f"{small_archive.names[at]}.png"))
        assert np.array_equal(pixels, np.asarray(stored[at]).transpose(1, 2, 0))


@pytest.mark.parametrize(("bands", "dtype"), [(4, "uint8"), (3, "uint16")])
def test_what_png_cannot_hold_is_written_as_tiff(tmp_path, bands, dtype):
    import rasterio

    from gridbench.datasets.archive.layout import GroupLayout, Layout, Sample
    from gridbench.datasets.archive.writer import ArchiveWriter, build_once
    from gridbench.datasets.readers.rasters.opening import quick_raster_access

    pixels = np.random.default_rng(0).integers(0, 250, (2, bands, 6, 5)).astype(dtype)
    layout = Layout((GroupLayout("all", tuple("abcd"[:bands]), 6, 5, dtype),), ("x",))

    def build(target):
        writer = ArchiveWriter(target, layout, ["one", "../two"], ["train", "test"])
        for i in range(2):
            writer.write(i, Sample((pixels[i],), np.ones(1, np.uint8)))
        writer.finish("odd", "folder", {"failed": []})

    archive = build_once(tmp_path / "archives" / "odd", build)
    write_images(archive, tmp_path / "out")
    at = archive.names.index("../two")
    with quick_raster_access(), rasterio.open(tmp_path / "out" / "two.tif") as source:
        assert np.array_equal(source.read(), archive.groups[0].pixels[at])


def test_a_large_archive_exports_decisions_only(small_audit, small_archive, monkeypatch):
    audit = small_audit()
    assert 'id="labels"' in render_page(audit, small_archive, ranked(audit).first(5))
    monkeypatch.setattr("gridbench.audit.page.MOST_IMAGES_WITH_LABELS", 10)
    text = render_page(audit, small_archive, ranked(audit).first(5))
    assert 'id="labels"' not in text
    assert 'id="decisions"' in text
    assert page_document(audit, small_archive, ranked(audit).first(5))["table"] is None
