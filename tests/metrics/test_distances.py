"""Distances: against loops in float64, scikit-learn and scipy, in every kind of block, and with bad input."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import additive_chi2_kernel

from gridbench import metrics
from gridbench.metrics import chi2_numba, pairwise
from gridbench.metrics import nearest as distance_module

NAMES = ("chi2", "euclidean", "cosine", "manhattan")
PEERS = {"euclidean": "euclidean", "cosine": "cosine", "manhattan": "cityblock"}


def descriptors(rows: int, width: int, seed: int = 0, dtype: type = np.float64) -> np.ndarray:
    """Gamma-distributed values with some dead dimensions, like the output of a rectified network."""
    rng = np.random.default_rng(seed)
    values = rng.gamma(0.7, 1.0, (rows, width))
    values[:, rng.random(width) < 0.1] = 0
    values[rng.random((rows, width)) < 0.05] = 0
    return values.astype(dtype)


def chi2_loop(queries: np.ndarray, archive: np.ndarray) -> np.ndarray:
    result = np.zeros((len(queries), len(archive)))
    for i, u in enumerate(queries.astype(np.float64)):
        for j, v in enumerate(archive.astype(np.float64)):
            result[i, j] = sum(0.5 * (a - b) ** 2 / (a + b) for a, b in zip(u, v, strict=True) if a + b > 0)
    return result


def test_chi2_golden_value():
    u, v = [[0.2, 0, 1, 3]], [[0.1, 0, 2, 1]]
    assert metrics.chi2_distances(np.array(u), np.array(v)) == pytest.approx(0.683333, abs=1e-6)
    assert metrics.chi2_distances(torch.tensor(u), torch.tensor(v)).item() == pytest.approx(
        0.683333, abs=1e-6
    )


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-6), (np.float64, 1e-13)])
def test_chi2_equals_a_double_loop_and_scikit_learn(dtype, tolerance):
    queries, archive = descriptors(9, 37, 1, dtype), descriptors(14, 37, 2, dtype)
    result = metrics.chi2_distances(queries, archive)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, chi2_loop(queries, archive), rtol=tolerance, atol=1e-30)
    # scikit-learn negates and leaves out the factor one half.
    kernel = additive_chi2_kernel(queries.astype(np.float64), archive.astype(np.float64))
    np.testing.assert_allclose(result, -kernel / 2, rtol=tolerance, atol=1e-30)


@pytest.mark.parametrize(("name", "peer"), PEERS.items())
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-6), (np.float64, 1e-13)])
def test_other_distances_equal_scipy(name, peer, dtype, tolerance):
    rng = np.random.default_rng(3)
    queries, archive = rng.normal(size=(11, 29)).astype(dtype), rng.normal(size=(8, 29)).astype(dtype)
    expected = cdist(queries.astype(np.float64), archive.astype(np.float64), peer)
    np.testing.assert_allclose(metrics.distances(queries, archive, name), expected, rtol=tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_a_descriptor_is_at_distance_zero_from_its_copy(name):
    values = descriptors(30, 50, 4, np.float32) + 1e-3
    assert (np.diag(metrics.distances(values, values.copy(), name)) == 0).all()


def test_cosine_keeps_the_digits_of_near_neighbours():
    angle = 1e-5
    queries, archive = np.array([[1.0, 0.0]]), np.array([[np.cos(angle), np.sin(angle)], [-2.0, 0.0]])
    np.testing.assert_allclose(
        metrics.distances(queries, archive, "cosine"), [[angle**2 / 2, 2.0]], rtol=1e-9
    )


def test_zero_vectors_are_at_cosine_distance_one_from_everything():
    queries, archive = np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 0.0], [3.0, 4.0]])
    np.testing.assert_allclose(metrics.distances(queries, archive, "cosine"), [[1, 1], [1, 0.4]], rtol=1e-15)


def test_cosine_of_tiny_and_huge_vectors_does_not_lose_its_range():
    values = np.array([[3e-38, 4e-38], [3e38, 1e38]], dtype=np.float32)
    expected = cdist(values.astype(np.float64), values.astype(np.float64), "cosine")
    np.testing.assert_allclose(metrics.distances(values, values, "cosine"), expected, atol=1e-6)


@pytest.mark.parametrize("power", [-60, -20, 20, 60])
def test_chi2_scales_with_the_descriptors(power):
    queries, archive = descriptors(6, 20, 5, np.float32), descriptors(7, 20, 6, np.float32)
    scaled = metrics.chi2_distances(np.ldexp(queries, power), np.ldexp(archive, power))
    np.testing.assert_array_equal(scaled, np.ldexp(metrics.chi2_distances(queries, archive), power))


@pytest.mark.parametrize("name", NAMES)
def test_blocks_and_tiles_of_every_size_give_the_same_distances(name, monkeypatch):
    queries, archive = descriptors(23, 33, 7, np.float32), descriptors(41, 33, 8, np.float32)
    whole = metrics.distances(queries, archive, name)
    for rows in (1, 2, 7, 40, 41, 1000):
        monkeypatch.setattr(distance_module, "BLOCK_ROWS", rows)
        np.testing.assert_array_equal(metrics.distances(queries, archive, name), whole)
    for tile in (1, 33 * 4 * 5, 33 * 4 * 100):
        monkeypatch.setattr(pairwise, "CPU_TILE_BYTES", tile)
        np.testing.assert_array_equal(metrics.distances(queries, archive, name), whole)
    for i in range(0, 23, 5):
        for j in range(0, 41, 9):
            alone = metrics.distances(queries[i : i + 1], archive[j : j + 1], name)
            assert alone == whole[i, j]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_pair_alone_has_the_distance_that_it_has_among_others(threads):
    # Wider than what torch divides among threads.
    queries, archive = descriptors(3, 40_000, 14, np.float32), descriptors(5, 40_000, 15, np.float32)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for name in NAMES:
            whole = metrics.distances(queries, archive, name)
            alone = [[metrics.distances(u[None], v[None], name)[0, 0] for v in archive] for u in queries]
            np.testing.assert_array_equal(alone, whole)
    finally:
        torch.set_num_threads(before)


def test_tiny_descriptors_keep_their_distances():
    tiny = np.float32(np.finfo(np.float32).tiny)
    values = tiny * np.array([[0, 0, 0], [1, 0, 0], [0, 2**20, 0], [0, 0, 2**30]], dtype=np.float32)
    found = metrics.chi2_distances(values, values)
    np.testing.assert_allclose(found, chi2_loop(values, values), rtol=0, atol=3 * tiny)
    assert (np.diag(found) == 0).all()


@pytest.mark.parametrize("width", [1, 3, 5000])
def test_narrow_and_wide_descriptors(width):
    queries, archive = descriptors(3, width, 9), descriptors(4, width, 10)
    np.testing.assert_allclose(
        metrics.chi2_distances(queries, archive), chi2_loop(queries, archive), rtol=1e-12
    )


@pytest.mark.parametrize(
    ("given", "result"),
    [
        (np.int64, np.float64),
        (np.uint8, np.float64),
        (np.bool_, np.float64),
        (np.float16, np.float32),
        (">f4", np.float32),
        (np.float64, np.float64),
    ],
)
def test_types_of_numpy_input(given, result):
    queries = np.array([[0, 1, 1], [1, 0, 1]]).astype(given)
    values = metrics.chi2_distances(queries, queries)
    assert values.dtype == result
    np.testing.assert_array_equal(values, [[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("given", "result"),
    [(torch.bfloat16, torch.float32), (torch.int32, torch.float64), (torch.bool, torch.float64)],
)
def test_types_of_tensors(given, result):
    queries = torch.tensor([[0, 1, 1], [1, 0, 1]]).to(given)
    values = metrics.chi2_distances(queries, queries)
    assert values.dtype == result
    assert values.tolist() == [[0, 1], [1, 0]]


def test_mixed_precision_is_compared_in_the_wider_type():
    queries, archive = descriptors(2, 5, dtype=np.float32), descriptors(3, 5, dtype=np.float64)
    assert metrics.chi2_distances(queries, archive).dtype == np.float64


def test_memory_maps_views_and_gradients_are_read_as_they_are(tmp_path):
    values = descriptors(8, 6, 11, np.float32)
    np.save(tmp_path / "descriptors.npy", values)
    expected = metrics.chi2_distances(values, values)
    mapped = np.load(tmp_path / "descriptors.npy", mmap_mode="r")
    np.testing.assert_array_equal(metrics.chi2_distances(mapped, mapped), expected)
    np.testing.assert_array_equal(metrics.chi2_distances(values[::-1], values[::-1]), expected[::-1, ::-1])
    tensor = torch.from_numpy(values.T.copy()).T.requires_grad_()
    result = metrics.chi2_distances(tensor, tensor)
    assert not result.requires_grad
    np.testing.assert_array_equal(result.numpy(), expected)


def test_input_is_left_as_it_was():
    values = descriptors(5, 4)
    before = values.copy()
    for name in NAMES:
        metrics.distances(values, values, name)
    np.testing.assert_array_equal(values, before)


def test_no_queries_and_no_archive():
    values = descriptors(3, 4)
    assert metrics.chi2_distances(values[:0], values).shape == (0, 3)
    assert metrics.chi2_distances(values, values[:0]).shape == (3, 0)


GOOD = np.ones((2, 3))


@pytest.mark.parametrize(
    ("queries", "archive", "name", "message"),
    [
        (-GOOD, GOOD, "chi2", r"queries hold a negative value.*-1 in row 0"),
        (GOOD, np.array([[0.0, 1, 2], [0, -2e-9, 0]]), "chi2", r"archive descriptors.*row 1, column 1"),
        (GOOD * np.nan, GOOD, "chi2", "not finite"),
        (GOOD, GOOD * np.inf, "chi2", "not finite"),
        (GOOD, -GOOD * np.inf, "manhattan", "not finite"),
        (GOOD * np.nan, GOOD, "cosine", "not finite"),
        (GOOD.astype(np.float32) * 2e38, GOOD, "chi2", None),
        (GOOD.astype(np.float32) * 2e38, GOOD.astype(np.float32), "chi2", "too large for float32"),
        (GOOD.astype(np.float32) * -1e30, GOOD.astype(np.float32), "euclidean", "too large for float32"),
        (GOOD, np.ones((2, 4)), "chi2", "3 wide and the archive 4"),
        (np.ones(3), GOOD, "chi2", r"shape \(3,\)"),
        (np.ones((2, 0)), np.ones((2, 0)), "chi2", "width of 1 or more"),
        (GOOD, GOOD, "chi", r"Did you mean 'chi2'\? There are: chi2, euclidean, cosine, manhattan"),
        (GOOD * 1j, GOOD, "cosine", "expected real numbers"),
        (torch.ones(2, 3) * 1j, torch.ones(2, 3), "cosine", "expected real ones"),
        (np.array([["a", "b", "c"]]), GOOD, "cosine", "expected real numbers"),
    ],
)
def test_bad_input(queries, archive, name, message):
    if message is None:
        assert np.isfinite(metrics.distances(queries, archive, name)).all()
        return
    with pytest.raises(ValueError, match=message):
        metrics.distances(queries, archive, name)


def test_a_bad_value_is_found_in_a_later_block(monkeypatch):
    monkeypatch.setattr(distance_module, "BLOCK_ROWS", 4)
    archive = np.ones((11, 2))
    archive[9, 1] = np.nan
    with pytest.raises(ValueError, match="row 9, column 1"):
        metrics.chi2_distances(GOOD[:, :2], archive)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_compiled_loop_equals_the_tiles(dtype, monkeypatch):
    assert metrics.backend() == "numba"
    queries, archive = descriptors(13, 70, 12, dtype), descriptors(150, 70, 13, dtype)
    queries[0] = archive[0] = 0
    tiles = metrics.chi2_distances(queries, archive)
    monkeypatch.setattr(chi2_numba, "WORTH_COMPILING", 0)
    loop = metrics.chi2_distances(queries, archive)
    assert loop.dtype == dtype
    assert loop[0, 0] == 0
    np.testing.assert_allclose(loop, tiles, rtol=8 * np.finfo(dtype).eps)
    same = metrics.chi2_distances(archive, archive)
    assert (np.diag(same) == 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-28, 1e-6, 1.0, 1e6, 1e28])
@pytest.mark.parametrize("spread", [1, 4, 15, 22])
def test_the_compiled_loop_loses_no_small_term(dtype, scale, spread, monkeypatch):
    # Values over `spread` decades, of which pairs of dimensions share a division as long as that is exact.
    rng = np.random.default_rng(spread)
    queries, archive = (
        (scale * 10.0 ** rng.uniform(-spread, 0, (5, 31)) * (rng.random((5, 31)) < 0.7)).astype(dtype)
        for _ in range(2)
    )
    # Neighbours that differ by the last digit of one small value.
    archive[0] = queries[0]
    archive[0, 3] = np.nextafter(queries[0, 3], dtype(1e30), dtype=dtype)
    monkeypatch.setattr(chi2_numba, "WORTH_COMPILING", 0)
    found = metrics.chi2_distances(queries, archive)
    exact = chi2_loop(queries, archive)
    normal = np.finfo(dtype).smallest_normal
    np.testing.assert_allclose(found, exact.astype(dtype), rtol=40 * np.finfo(dtype).eps, atol=100 * normal)
    assert found[0, 0] > 0 or exact[0, 0] < normal


def test_without_numba_the_tiles_do_the_work(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.setattr(chi2_numba, "WORTH_COMPILING", 0)
    chi2_numba.compiled.cache_clear()
    try:
        assert metrics.backend() == "torch"
        values = descriptors(4, 5)
        np.testing.assert_allclose(
            metrics.chi2_distances(values, values), chi2_loop(values, values), rtol=1e-12
        )
    finally:
        chi2_numba.compiled.cache_clear()


MEMORY_SCRIPT = """
import resource, sys
import numpy as np
from gridbench import metrics
rng = np.random.default_rng(0)
queries, archive = rng.random((600, 16), np.float32), rng.random((60000, 16), np.float32)
for name in metrics.DISTANCES:
    metrics.topk(queries[:5], archive[:50], 2, name)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
metrics.topk(queries, archive, 30, sys.argv[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_is_bounded(tmp_path):
    # The whole matrix would take 144 MB, and the pairs' terms 2.3 GB.
    done = subprocess.run(
        [sys.executable, "-c", MEMORY_SCRIPT, "manhattan"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(done.stdout) * unit <= 100e6


def test_reading_the_package_does_not_import_torch(tmp_path):
    script = (
        "import sys, gridbench.metrics.ndcg, gridbench.metrics.detection, gridbench.metrics.ranking as r\n"
    )
    script += "assert 'torch' not in sys.modules and 'ndcg_at_k' in dir(gridbench.metrics)"
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)


def test_every_exported_name_is_there():
    for name in metrics.__all__:
        assert getattr(metrics, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'chi3'"):
        _ = metrics.chi3
