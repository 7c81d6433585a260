import polars as pl
import pytest

from analysis.figures.curves import curves_chart
from analysis.figures.files import chart_images


@pytest.mark.parametrize("losses", [[1.386], [0.0, 0.0], [1.386, 1.3860000001]])
def test_a_loss_that_hardly_moves_is_drawn(losses: list[float]) -> None:
    """The renderer ends the whole process at an axis whose ticks no float can tell apart."""
    steps = range(1, len(losses) + 1)
    curve = pl.DataFrame(
        {"run_id": "a", "name": "tiny", "family": "vit", "step": steps, "images": [8 * n for n in steps]}
        | {"train_loss": losses}
    )
    images = chart_images("curves", curves_chart(curve))
    assert images["curves.png"].startswith(b"\x89PNG")
