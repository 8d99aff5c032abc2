"""Co-occurrence graphs of label maps: golden values, a slow reference, invariances, head and loss."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gridbench.methods.losses.rrl import RRL
from gridbench.methods.tasks.cooccurrence import Cooccurrence, region_graph

GOLDEN = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 2]])


def graph_by_loops(labels, num_classes):
    """The definition, one pair of classes at a time."""
    height, width = labels.shape
    shares, centroids = {}, {}
    for c in range(num_classes):
        pixels = np.argwhere(labels == c)
        if len(pixels):
            shares[c] = len(pixels) / (height * width)
            centroids[c] = pixels.mean(0)
    diagonal = np.linalg.norm([height - 1, width - 1]) or 1.0
    edges = []
    for i in range(num_classes):
        for j in range(i, num_classes):
            if i not in shares or j not in shares:
                edges.append(0.0)
            elif i == j:
                edges.append(1.0 if shares[i] > 0.5 else (shares[i] + 0.5) ** 2)
            else:
                s = (shares[i] + shares[j]) * (1 - abs(shares[i] - shares[j]) / 2)
                d = 1 - np.linalg.norm(centroids[i] - centroids[j]) / diagonal
                edges.append((s + d) / 2 * (1 - abs(s - d) / 2))
    return np.array(edges)


def test_golden_graph():
    expected = [1, 0.592823, 0.352318, 0, 0.878906, 0.449033, 0, 0.316406, 0, 0]
    np.testing.assert_allclose(region_graph(GOLDEN[None], 4)[0].numpy(), expected, atol=1e-6)


def test_golden_graph_with_an_unknown_pixel():
    maps = GOLDEN.clone()
    maps[0, 0] = 255
    expected = [0.878906, 0.597310, 0.369051, 0, 0.878906, 0.449033, 0, 0.316406, 0, 0]
    np.testing.assert_allclose(region_graph(maps[None], 4)[0].numpy(), expected, atol=1e-6)


@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    classes=st.integers(1, 6),
    unknown=st.floats(0, 1),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=50, deadline=None)
def test_a_batch_of_graphs_equals_the_definition(height, width, classes, unknown, seed):
    rng = np.random.default_rng(seed)
    maps = rng.integers(0, classes, (3, height, width))
    maps[rng.random(maps.shape) < unknown] = 255
    ours = region_graph(torch.from_numpy(maps), classes).numpy()
    assert ours.shape == (3, classes * (classes + 1) // 2)
    np.testing.assert_allclose(ours, [graph_by_loops(one, classes) for one in maps], atol=2e-6)
    assert ours.min() >= 0
    assert ours.max() <= 1 + 1e-6


def test_mirroring_leaves_the_graph_and_cropping_changes_it():
    maps = torch.randint(0, 4, (5, 12, 12), generator=torch.Generator().manual_seed(0))
    graph = region_graph(maps, 4)
    for axes in ((1,), (2,), (1, 2)):
        torch.testing.assert_close(region_graph(maps.flip(axes), 4), graph, rtol=0, atol=1e-6)
    assert not torch.allclose(region_graph(maps[:, :9, :9], 4), graph, atol=1e-3)


def test_degenerate_maps():
    one_class = region_graph(torch.zeros(1, 5, 5, dtype=torch.int64), 3)
    assert one_class.tolist() == [[1, 0, 0, 0, 0, 0]]
    unknown = region_graph(torch.full((1, 5, 5), 255), 3)
    assert unknown.tolist() == [[0] * 6]
    assert region_graph(torch.zeros(1, 1, 1, dtype=torch.int64), 1).tolist() == [[1]]


def test_the_self_loop_is_continuous_at_one_half():
    maps = torch.ones(3, 10, 20, dtype=torch.int64)
    for image, count in enumerate((99, 100, 101)):
        maps[image].view(-1)[:count] = 0
    below, at, above = region_graph(maps, 2)[:, 0].tolist()
    assert at == above == 1
    assert below == pytest.approx(0.995**2, abs=1e-6)


def test_head_target_and_loss(lab):
    task = Cooccurrence(17)
    head = task.head(10)
    assert [type(layer) for layer in head] == [nn.Linear, nn.ReLU]
    assert head(torch.randn(2, 10)).shape == (2, 153)
    assert Cooccurrence(19).num_edges == 190
    batch = lab.batch()
    target = lab.objective("rrl").task.target(batch)
    assert torch.equal(target, region_graph(batch.label_maps, lab.classes))
    prediction = torch.rand(len(target), 10)
    expected = ((prediction - target) ** 2).mean(1)
    torch.testing.assert_close(RRL()(prediction, target), expected)


def test_present_reads_the_self_loops():
    task = Cooccurrence(4)
    graph = region_graph(GOLDEN[None], 4)
    assert task.present(graph).tolist() == [[True, True, True, False]]
    one_pixel = torch.zeros(1, 40, 40, dtype=torch.int64)
    one_pixel[0, 0, 0] = 2
    assert task.present(region_graph(one_pixel, 4)).tolist() == [[True, False, True, False]]
    assert not task.present(torch.full((1, 10), 0.12)).any()


def test_dead_outputs_are_counted():
    prediction = torch.zeros(4, 10)
    prediction[0, 3] = 0.1
    assert float(Cooccurrence(4).logs(prediction)["all_zero_outputs"]) == 0.75


def test_its_outputs_are_no_distributions():
    assert Cooccurrence(4).symmetric_kl(torch.zeros(1, 10), torch.zeros(1, 10)) is None
