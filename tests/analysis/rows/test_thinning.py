import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from analysis.rows.thinning import PANEL_LINES, POINTS, fewer_points, spread_over


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200), st.integers(2, 50))
def test_the_ends_stay_and_no_more_than_wanted(values: list[float], most: int) -> None:
    frame = pl.DataFrame({"run_id": [f"{i:03}" for i in range(len(values))], "x": values})
    kept = spread_over(frame, "x", most)
    assert kept.height == min(most, len(values))
    assert kept["x"].min() == min(values)
    assert kept["x"].max() == max(values)
    assert kept["run_id"].to_list() == sorted(kept["run_id"])


def test_points_of_a_frontier_stay() -> None:
    points = pl.DataFrame(
        {"run_id": [str(i) for i in range(1000)], "task": "t", "exaflops_valid": [float(i) for i in range(1000)]}
    ).with_columns(on_frontier=pl.col("exaflops_valid") % 5 == 0, on_family_frontier=pl.lit(False))
    kept = fewer_points(points)
    assert kept.height == 200 + POINTS
    assert kept["on_frontier"].sum() == 200
    assert PANEL_LINES < POINTS
