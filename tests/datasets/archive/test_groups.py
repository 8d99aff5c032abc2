"""What belongs together in an archive: by what it was prepared with, by a pattern, or nothing."""

from types import SimpleNamespace

import pytest

from gridbench.datasets.archive.groups import groupings_of
from gridbench.datasets.bluemarble import BLUEMARBLE, BLUEMARBLE64
from gridbench.errors import InputError


def archive(names, **settings):
    return SimpleNamespace(name="mine", names=names, sample_groups=None, report={"settings": settings})


def test_an_archive_that_tells_nothing_has_no_groups():
    assert groupings_of(archive(["a", "b"])) == []
    assert groupings_of(SimpleNamespace(name="mine", names=["a"], sample_groups=None, report={})) == []


def test_tiles_of_an_image_belong_together():
    (found,) = groupings_of(archive(["t1_r000_c000", "t1_r001_c010", "t2_r000_c000"], tile=64))
    assert found.groups == ["t1", "t1", "t2"]
    assert "cut from" in found.words


def test_the_group_pattern_comes_before_the_images():
    names = ["s1_t1_r000_c000", "s2_t1_r000_c000", "s1_t2_r000_c000"]
    coarse, fine = groupings_of(archive(names, tile=64, group_pattern=r"t(\d)$"))
    assert coarse.groups == ["1", "1", "2"]
    assert fine.groups == ["s1_t1", "s2_t1", "s1_t2"]


def test_a_pattern_of_the_user_wins():
    (found,) = groupings_of(archive(["a1_x", "a2_x", "b1_x"], group_pattern="x"), "^[ab]")
    assert found.groups == ["a", "a", "b"]


@pytest.mark.parametrize(("pattern", "message"), [("(", "not a regular expression"), ("z", "does not fit")])
def test_patterns_that_do_not_fit(pattern, message):
    with pytest.raises(InputError, match=message):
        groupings_of(archive(["a"]), pattern)


def test_squares_of_the_built_in_archive():
    # Squares of 256 px: 8 x 8 tiles of 32 px, 4 x 4 tiles of 64 px.
    assert BLUEMARBLE.groups(["tile32_r07_c008", "tile32_r08_c015"]) == ["0/1", "1/1"]
    assert BLUEMARBLE64.groups(["tile64_r03_c004", "tile64_r04_c007"]) == ["0/1", "1/1"]
