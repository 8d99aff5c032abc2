"""The Triton kernel's arithmetic, in Triton's interpreter on the CPU, and what happens where it does not work."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from gridbench import metrics
from gridbench.metrics import chi2_triton

INTERPRETED = """
import numpy as np, torch
from gridbench import metrics
from gridbench.metrics import chi2_triton, nearest

rng = np.random.default_rng(0)
chi2_triton.QUERIES, chi2_triton.ARCHIVE = 16, 32
for count, size, width in [(1, 1, 1), (16, 32, 32), (17, 33, 33), (3, 70, 100), (40, 5, 31)]:
    queries = np.maximum(rng.normal(size=(count, width)), 0).astype(np.float32)
    archive = np.maximum(rng.normal(size=(size, width)), 0).astype(np.float32)
    archive[-1] = 0
    archive[0] = queries[0]
    archive[size // 2] = archive[0]
    queries[-1] = 0 if count > 1 else queries[-1]
    out = torch.full((count, size + 3), -1.0)
    chi2_triton.chi2_fill(torch.from_numpy(queries), torch.from_numpy(archive), out[:, :size])
    u, v = queries[:, None].astype(np.float64), archive[None].astype(np.float64)
    exact = 0.5 * np.divide((u - v) ** 2, u + v, out=np.zeros_like(u + v), where=u + v > 0).sum(-1)
    found = out[:, :size].numpy()
    np.testing.assert_allclose(found, exact, rtol=1e-6, atol=0)
    assert found[0, 0] == 0 and (found[:, 0] == found[:, size // 2]).all()
    assert (out[:, size:] == -1).all(), "wrote outside"
chi2_triton.chi2_fill(torch.ones(0, 4), torch.ones(3, 4), torch.empty(0, 3))
assert chi2_triton.agrees(torch.device("cpu"))

chi2_triton.is_available = lambda device: True
chi2_triton.WORTH_LAUNCHING = 0
queries, archive = (rng.random((rows, 20), np.float32)[rng.integers(0, 5, rows)] for rows in (9, 60))
values, indices = metrics.chi2_topk(queries, archive, 12)
matrix = np.empty((9, 60), np.float32)
chi2_triton.chi2_fill(torch.from_numpy(queries), torch.from_numpy(archive), torch.from_numpy(matrix))
expected = np.lexsort((np.broadcast_to(np.arange(60), matrix.shape), matrix), axis=1)[:, :12]
np.testing.assert_array_equal(indices, expected)
np.testing.assert_array_equal(values, np.take_along_axis(matrix, expected, axis=1))
"""


@pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="only torch's Linux builds bring triton"
)
def test_the_kernel_equals_float64_in_the_interpreter(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", INTERPRETED],
        cwd=tmp_path,
        env={**os.environ, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def elsewhere(monkeypatch):
    """A device that is not a CPU, though nothing can run on it; triton seems to be installed."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    chi2_triton.is_available.cache_clear()
    yield torch.device("meta")
    chi2_triton.is_available.cache_clear()


def test_a_kernel_that_fails_is_left_aside_with_one_line(elsewhere, monkeypatch):
    def fail(device):
        raise RuntimeError("no compiler\nand much more")

    monkeypatch.setattr(chi2_triton, "agrees", fail)
    with pytest.warns(UserWarning, match=r"left aside on meta.*RuntimeError: no compiler\.$") as seen:
        assert [metrics.backend(elsewhere), metrics.backend(elsewhere)] == ["torch", "torch"]
    assert len(seen) == 1


def test_a_kernel_that_differs_is_left_aside(elsewhere, monkeypatch):
    monkeypatch.setattr(chi2_triton, "agrees", lambda device: False)
    with pytest.warns(UserWarning, match="differ from those of eager operations"):
        assert not chi2_triton.is_available(elsewhere)


def test_large_float32_chi_square_alone_goes_to_the_kernel(elsewhere, monkeypatch):
    monkeypatch.setattr(chi2_triton, "agrees", lambda device: True)
    assert metrics.backend(elsewhere) == "triton"
    large = chi2_triton.WORTH_LAUNCHING
    assert chi2_triton.should_use("chi2", torch.float32, elsewhere, large)
    assert not chi2_triton.should_use("chi2", torch.float32, elsewhere, large - 1)
    assert not chi2_triton.should_use("chi2", torch.float64, elsewhere, large)
    assert not chi2_triton.should_use("euclidean", torch.float32, elsewhere, large)
    assert not chi2_triton.should_use("chi2", torch.float32, torch.device("cpu"), large)


def test_without_triton_nothing_is_said(monkeypatch, recwarn):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    chi2_triton.is_available.cache_clear()
    assert not chi2_triton.is_available(torch.device("meta"))
    chi2_triton.is_available.cache_clear()
    assert len(recwarn) == 0


def test_a_block_that_differs_is_noticed(monkeypatch):
    def wrong(queries, archive, out):
        out.copy_(torch.from_numpy(metrics.chi2_distances(queries.numpy(), archive.numpy())))
        out[5, 5] *= 1 + 1e-4

    monkeypatch.setattr(chi2_triton, "chi2_fill", wrong)
    assert not chi2_triton.agrees(torch.device("cpu"))
    monkeypatch.setattr(
        chi2_triton,
        "chi2_fill",
        lambda u, v, out: out.copy_(
            torch.from_numpy(np.asarray(metrics.chi2_distances(u.numpy(), v.numpy())))
        ),
    )
    assert chi2_triton.agrees(torch.device("cpu"))
