"""Files that are written whole or not at all, and what is said of those that cannot be."""

import errno
import os
from pathlib import Path

import pytest

from gridbench.core.files import write_bytes


def test_a_disk_that_is_read_only_is_told_by_the_name_of_the_file(tmp_path, monkeypatch):
    def refuse(path, *_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(OSError, match=os.strerror(errno.EROFS)) as caught:
        write_bytes(tmp_path / "list.csv", b"content")
    assert caught.value.filename == str(tmp_path / "list.csv")
