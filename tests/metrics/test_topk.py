"""Top-k: the order of a stable sort, whatever ties there are and however the work is split."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbench import metrics
from gridbench.metrics import chi2_numba, nearest
from gridbench.metrics import nearest as distance_module

NAMES = ("chi2", "euclidean", "cosine", "manhattan")


def stable(matrix: np.ndarray, k: int) -> np.ndarray:
    indices = np.broadcast_to(np.arange(matrix.shape[1]), matrix.shape)
    return np.lexsort((indices, matrix), axis=1)[:, :k]


def duplicates(rows: int, width: int, distinct: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.random((distinct, width), dtype=np.float32)[rng.integers(distinct, size=rows)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("k", [1, 5, 59, 60])
def test_order_is_that_of_a_stable_sort(name, k):
    queries, archive = duplicates(20, 12, 8, 0), duplicates(60, 12, 9, 1)
    matrix = metrics.distances(queries, archive, name)
    values, indices = metrics.topk(queries, archive, k, name)
    assert indices.dtype == np.int64
    np.testing.assert_array_equal(indices, stable(matrix, k))
    np.testing.assert_array_equal(values, np.take_along_axis(matrix, indices, axis=1))


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 40),
    distinct=st.integers(1, 6),
    k=st.integers(1, 40),
    block=st.integers(1, 45),
    columns=st.integers(1, 45),
    candidates=st.sampled_from([1, 50, 10_000]),
    seed=st.integers(0, 1000),
)
def test_splitting_the_work_changes_nothing(rows, distinct, k, block, columns, candidates, seed):
    k = min(k, rows)
    queries, archive = duplicates(7, 5, 3, seed), duplicates(rows, 5, distinct, seed + 1)
    expected = stable(metrics.chi2_distances(queries, archive), k)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distance_module, "BLOCK_ROWS", block)
        patch.setattr(nearest, "ARCHIVE_COLUMNS", columns)
        patch.setattr(nearest, "CANDIDATES", candidates)
        values, indices = metrics.chi2_topk(queries, archive, k)
    np.testing.assert_array_equal(indices, expected)
    assert (np.diff(values, axis=1) >= 0).all()


def test_a_constant_archive_is_ranked_by_index():
    archive = np.ones((5000, 3), dtype=np.float32)
    values, indices = metrics.chi2_topk(archive[:4], archive, 2100)
    np.testing.assert_array_equal(indices, np.broadcast_to(np.arange(2100), (4, 2100)))
    assert (values == 0).all()


def test_permuting_a_tie_free_archive_permutes_the_result():
    rng = np.random.default_rng(2)
    queries, archive = rng.random((15, 9)), rng.random((70, 9))
    order = rng.permutation(70)
    values, indices = metrics.chi2_topk(queries, archive, 10)
    permuted_values, permuted = metrics.chi2_topk(queries, archive[order], 10)
    np.testing.assert_array_equal(permuted_values, values)
    np.testing.assert_array_equal(order[permuted], indices)


def test_tensors_stay_tensors_and_equal_numpy():
    queries, archive = duplicates(6, 8, 6, 3), duplicates(30, 8, 12, 4)
    values, indices = metrics.chi2_topk(torch.from_numpy(queries), torch.from_numpy(archive), 7)
    expected_values, expected = metrics.chi2_topk(queries, archive, 7)
    assert isinstance(values, torch.Tensor)
    assert indices.dtype == torch.int64
    np.testing.assert_array_equal(values.numpy(), expected_values)
    np.testing.assert_array_equal(indices.numpy(), expected)


@pytest.fixture
def compiled(monkeypatch):
    """Let the compiled loop do work of any size."""
    assert metrics.backend() == "numba"
    monkeypatch.setattr(chi2_numba, "WORTH_COMPILING", 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 50, chi2_numba.MOST_KEPT, chi2_numba.MOST_KEPT + 1, 200])
def test_the_compiled_loop_keeps_the_order_of_ties(compiled, k, dtype):
    queries, archive = duplicates(9, 70, 5, 5).astype(dtype), duplicates(200, 70, 11, 6).astype(dtype)
    matrix = metrics.chi2_distances(queries, archive)
    values, indices = metrics.chi2_topk(queries, archive, k)
    np.testing.assert_array_equal(indices, stable(matrix, k))
    np.testing.assert_array_equal(values, np.take_along_axis(matrix, indices, axis=1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", [2, 7, 34, 70, 257])
def test_equal_descriptors_are_at_equal_distances_wherever_they_stand(compiled, width, dtype):
    one, other = duplicates(2, width, 2, width).astype(dtype)
    queries, archive = np.repeat(one[None], 7, 0), np.repeat(other[None], 67, 0)
    found = metrics.chi2_distances(queries, archive)
    assert len(np.unique(found)) == 1
    np.testing.assert_array_equal(metrics.chi2_distances(archive, queries), found.T)


@pytest.mark.parametrize(("rows", "tile", "threads"), [(1000, 256, 1), (7, 3, 1), (64, 5, 2), (11, 1, 3)])
def test_splitting_the_compiled_loop_changes_nothing(compiled, monkeypatch, rows, tile, threads):
    queries, archive = duplicates(23, 33, 9, 7), duplicates(150, 33, 40, 8)
    expected = stable(metrics.chi2_distances(queries, archive), 12)
    monkeypatch.setattr(distance_module, "BLOCK_ROWS", rows)
    monkeypatch.setattr(chi2_numba, "QUERY_TILE", tile)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    _, indices = metrics.chi2_topk(queries, archive, 12)
    np.testing.assert_array_equal(indices, expected)


def test_the_compiled_loop_takes_memory_maps_and_no_queries(compiled, tmp_path):
    values = duplicates(40, 16, 30, 9)
    np.save(tmp_path / "descriptors.npy", values)
    mapped = np.load(tmp_path / "descriptors.npy", mmap_mode="r")
    expected = stable(metrics.chi2_distances(values, values), 5)
    np.testing.assert_array_equal(metrics.chi2_topk(mapped, mapped, 5)[1], expected)
    assert metrics.chi2_topk(values[:0], values, 5)[1].shape == (0, 5)


def test_no_queries():
    values, indices = metrics.chi2_topk(np.ones((0, 3)), np.ones((4, 3)), 2)
    assert values.shape == indices.shape == (0, 2)


@pytest.mark.parametrize("k", [0, -1, 5, 2.0, True, "3", None])
def test_bad_k(k):
    with pytest.raises(ValueError, match=r"k is .* from 1 to 4"):
        metrics.chi2_topk(np.ones((2, 3)), np.ones((4, 3)), k)


def test_an_empty_archive_has_no_nearest_item():
    with pytest.raises(ValueError, match="k is 1"):
        metrics.chi2_topk(np.ones((2, 3)), np.ones((0, 3)), 1)


def test_numpy_integers_are_taken_as_k():
    assert metrics.chi2_topk(np.ones((2, 3)), np.ones((4, 3)), np.int64(3))[1].shape == (2, 3)
