"""What people hand to the metrics: tensors of any kind, lists, tables, and what is not a matrix of numbers."""

import numpy as np
import pandas as pd
import pytest
import torch

from gridbench import metrics

LABELS = [[1, 0], [0, 1], [1, 1]]
ROWS = [[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]]
NEIGHBOURS = [[1], [0], [0]]

# Name -> call with one input replaced by a 3 x 2 matrix of 0 and 1.
MATRICES = {
    "distances": lambda x: metrics.distances(x, ROWS),
    "topk": lambda x: metrics.topk(ROWS, x, 2)[1],
    "ndcg_at_k": lambda x: metrics.ndcg_at_k([[0, 1, 2]] * 3, LABELS, x, 2),
    "retrieval_ndcg": lambda x: metrics.retrieval_ndcg(x, LABELS, ROWS, LABELS, 2),
    "relevant_counts": lambda x: metrics.relevant_counts(x, LABELS),
    "confident_learning": lambda x: metrics.confident_learning(x, [[0.5, 0.5]] * 3).score,
    "probabilities": lambda x: metrics.confident_learning(LABELS, x).score,
    "nearest_others": lambda x: metrics.nearest_others(x, 1),
    "neighbour_disagreement": lambda x: metrics.neighbour_disagreement(x, NEIGHBOURS),
}
COLUMNS = {
    "truth": lambda x: metrics.detection_scores(x, [1, 2, 3]),
    "score": lambda x: metrics.detection_scores([1, 0, 1], x),
    "selection": lambda x: metrics.detection_scores([1, 0, 1], None, x),
    "top_count": lambda x: metrics.top_count(x, 1),
    "groups": lambda x: metrics.outside_largest_component(x, NEIGHBOURS),
}
SAME = {
    "table": pd.DataFrame,
    "bfloat16": lambda x: torch.tensor(x, dtype=torch.bfloat16),
    "gradient": lambda x: torch.tensor(x, dtype=torch.float32, requires_grad=True),
    "sparse": lambda x: torch.tensor(x).to_sparse(),
}


@pytest.mark.parametrize("kind", SAME)
@pytest.mark.parametrize("name", MATRICES)
def test_tensors_of_any_kind_and_tables_are_taken_as_arrays_are(name, kind):
    expected = MATRICES[name](np.array(LABELS, dtype=np.float32))
    np.testing.assert_allclose(np.asarray(MATRICES[name](SAME[kind](LABELS))), expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["truth", "score", "selection", "top_count"])
def test_columns_of_half_precision_are_taken_as_arrays_are(name):
    found = COLUMNS[name](torch.tensor([1, 0, 1], dtype=torch.bfloat16))
    np.testing.assert_equal(found, COLUMNS[name](np.array([1, 0, 1])))


NONSENSE = [
    None,
    3,
    "text",
    {1: 2},
    [[1, 0], [1]],
    [["1", "0"]] * 3,
    np.array(LABELS, complex),
    np.zeros((3, 2, 2)),
]


@pytest.mark.parametrize("given", NONSENSE, ids=repr)
@pytest.mark.parametrize("name", [*MATRICES, *COLUMNS])
def test_what_is_no_matrix_of_numbers_is_refused_with_what_it_is(name, given):
    if name in ("score", "selection") and given is None:
        return
    with pytest.raises(ValueError, match=r"shape|rows of different lengths|of type|complex"):
        (MATRICES | COLUMNS)[name](given)


@pytest.mark.parametrize("name", [*MATRICES, *COLUMNS])
def test_masked_values_are_refused_instead_of_read(name):
    given = np.ma.masked_array(LABELS if name in MATRICES else [1, 0, 1], fill_value=0)
    given[0] = np.ma.masked
    with pytest.raises(ValueError, match="masked values"):
        (MATRICES | COLUMNS)[name](given)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_descriptors_that_have_no_distance_have_no_neighbours(value):
    with pytest.raises(ValueError, match=r"descriptors hold a value .* row 1, column 0"):
        metrics.nearest_others([[0.0], [value], [1.0]], 1)


@pytest.mark.parametrize(
    "given", [[[1], [0], [3]], [[1], [0], [-1]], [1, 0, 0], [[1], [0]], [[1.0], [0.0], [0.0]]]
)
def test_neighbours_that_are_no_indices_of_the_items_are_refused(given):
    for call in (metrics.neighbour_disagreement, metrics.outside_largest_component):
        with pytest.raises(ValueError, match="The neighbours h"):
            call(LABELS if call is metrics.neighbour_disagreement else [0, 0, 1], given)


@pytest.mark.parametrize("count", [None, "1", 1.0, True, -1, 4])
def test_a_number_of_items_is_a_whole_number(count):
    with pytest.raises(ValueError, match=r"count is .* allowed is"):
        metrics.top_count([1, 2, 3], count)
    if count != 4:
        with pytest.raises(ValueError, match=r"k is .* allowed is"):
            metrics.nearest_others(ROWS, count)


def test_a_probability_that_is_none_is_named():
    with pytest.raises(ValueError, match=r"hold 1\.5 in row 2, outside 0 to 1"):
        metrics.confident_learning(LABELS, [[0, 1], [1, 0], [1, 1.5]])
