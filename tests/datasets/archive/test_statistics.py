from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbench.datasets.archive.arrayfile import write_array
from gridbench.datasets.archive.statistics import band_statistics


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["uint8", "uint16"]),
    st.tuples(st.integers(1, 9), st.integers(1, 3), st.integers(1, 5), st.integers(1, 5)),
    st.integers(1, 200),
    st.data(),
)
def test_equal_to_numpy_in_float64_whatever_the_chunks(tmp_path_factory, dtype, shape, chunk, data):
    path = tmp_path_factory.mktemp("s") / "a.npy"
    seed = data.draw(st.integers(0, 1000))
    pixels = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)
    rows = np.array(sorted(data.draw(st.sets(st.integers(0, shape[0] - 1), min_size=1))))
    write_array(path, pixels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gridbench.datasets.archive.statistics.CHUNK_PIXELS", chunk)
        mean, std = band_statistics(path, shape, dtype, rows)
    chosen = pixels[rows].astype(np.float64)
    np.testing.assert_allclose(mean, chosen.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(std, chosen.std((0, 2, 3)), rtol=1e-9, atol=1e-9)


def test_sums_that_overflow_the_stored_type_are_exact(tmp_path):
    pixels = np.full((40, 1, 200, 200), 65535, np.uint16)
    pixels[0, 0, 0, 0] = 65534
    write_array(tmp_path / "a.npy", pixels)
    mean, std = band_statistics(tmp_path / "a.npy", pixels.shape, "uint16", np.arange(40))
    count = pixels.size
    assert mean[0] == 65535 - 1 / count
    np.testing.assert_allclose(std[0], np.sqrt((1 / count) * (1 - 1 / count)), rtol=1e-12)
