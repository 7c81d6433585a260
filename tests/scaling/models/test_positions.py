import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import zoom

from scaling.models import resize_positions


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 7), st.integers(1, 9), st.integers(1, 9))
def test_resizing_equals_scipy_zoom(side, rows, columns):
    table = torch.randn(1, 1 + side * side, 3, generator=torch.Generator().manual_seed(side))
    resized = resize_positions(table, (rows, columns))
    grid = table[0, 1:].reshape(side, side, 3).numpy()
    expected = zoom(grid, (rows / side, columns / side, 1), order=1)
    assert resized.shape == (1, 1 + rows * columns, 3)
    assert torch.equal(resized[:, 0], table[:, 0])
    np.testing.assert_allclose(resized[0, 1:].numpy(), expected.reshape(-1, 3), atol=1e-5)


def test_same_grid_is_unchanged_and_type_kept():
    table = torch.randn(1, 10, 4, dtype=torch.bfloat16)
    assert torch.equal(resize_positions(table, (3, 3)), table)
    assert resize_positions(table, (5, 5)).dtype == torch.bfloat16


def test_grid_that_is_no_square():
    with pytest.raises(ValueError, match="7 rows"):
        resize_positions(torch.zeros(1, 8, 4), (2, 2))
