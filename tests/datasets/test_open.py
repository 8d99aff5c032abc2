from __future__ import annotations

import pytest

from gridbench.datasets import default_cache
from gridbench.datasets.open import open_archive
from gridbench.errors import InputError


def test_a_prepared_archive_opens_by_its_name(make_archive, tmp_path):
    archive = make_archive(name="harbours")
    assert open_archive("harbours", tmp_path).fingerprint == archive.fingerprint


def test_an_unknown_name_lists_what_there_is(make_archive, tmp_path):
    make_archive(name="harbours")
    with pytest.raises(InputError) as caught:
        open_archive("harbors", tmp_path)
    message = str(caught.value)
    assert "Did you mean 'harbours'" in message
    assert "bluemarble64" in message
    assert "gridbench data prepare" in message


def test_an_unfinished_archive_is_not_offered(tmp_path):
    (tmp_path / "archives" / ".half.partial").mkdir(parents=True)
    (tmp_path / "archives" / "empty").mkdir()
    with pytest.raises(InputError, match=r"Prepared in .*: none"):
        open_archive("empty", tmp_path)


def test_the_cache_folder_can_be_chosen_by_a_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("GRIDBENCH_CACHE", str(tmp_path / "elsewhere"))
    assert default_cache() == tmp_path / "elsewhere"
    monkeypatch.delenv("GRIDBENCH_CACHE")
    assert default_cache().name == "gridbench"
