"""Tables to fit laws to: a CSV or Parquet file, or a storage; columns are names or SQL expressions of columns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from analysis.rows import accuracies, load_rows, read_csv

READERS: dict[str, Callable[[str], pl.DataFrame]] = {
    ".csv": lambda path: read_csv(path, as_text=False)[0],
    ".tsv": lambda path: read_csv(path, as_text=False)[0],
    ".parquet": pl.read_parquet,
}

COLUMN_ROLES = ("compute", "params", "samples", "loss", "error", "accuracy", "weights")  # of a column in a law


@dataclass(frozen=True)
class Columns:
    """The column, or SQL expression of columns, in each role; None where there is none."""

    compute: str | None = None
    params: str | None = None
    samples: str | None = None
    loss: str | None = None
    error: str | None = None
    accuracy: str | None = None
    weights: str | None = None
    configuration: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Group:
    """The rows of one law: `numbers` by role (compute, ..., accuracy); `about` are the values that they share."""

    about: dict[str, Any]
    numbers: dict[str, pl.Series]
    configuration: list[Any] | None
    notes: tuple[str, ...]


def read_points_table(source: str) -> tuple[pl.DataFrame, bool]:
    """The table, and whether it comes from a storage. Raises ValueError, in one line, if it is unreadable or empty."""
    reader = READERS.get(Path(source).suffix.lower())
    if reader is None:
        return of_storage(source), True
    if not Path(source).is_file():
        raise ValueError(f"file {source} does not exist: give a .csv, .tsv or .parquet file, or a storage")
    try:
        frame = reader(source)
    except pl.exceptions.PolarsError as error:
        raise ValueError(f"file {source} cannot be read: {str(error).splitlines()[0]}") from error
    if frame.is_empty():
        raise ValueError(f"file {source} holds no rows")
    return frame, False


def of_storage(source: str) -> pl.DataFrame:
    """A storage as a table, one row per (run, task).

    `compute` is in exaFLOPs of the pre-training (valid taps), `samples` in images, `loss` that of the pre-training;
    `accuracy` and `error` are means over seeds, as fractions.
    """
    rows = load_rows(source)
    upstream = rows.pretrain.select("run_id", params="parameters", samples="images", loss="train_loss")
    known = accuracies(rows).join(upstream, on="run_id", how="left", maintain_order="left")
    return known.select(
        *("run_id", "name", "family", "pretrained", "epochs", "task", "seeds", "params", "samples", "loss"),
        compute="exaflops_valid",
        accuracy="top1_mean",
        error=1 - pl.col("top1_mean"),
    )


def point_groups(
    frame: pl.DataFrame, columns: Columns, where: Sequence[str] = (), drop_largest: int = 0
) -> list[Group]:
    """The table's rows that meet all conditions `where`, one group per law, in order of first appearance.

    The `drop_largest` rows with the largest loss (or error) are left out before. Raises ValueError for an unknown
    column, and for an expression or condition that cannot be evaluated.
    """
    for condition in where:
        frame = _evaluated(frame, condition, frame.filter)
    roles = ("compute", "params", "samples", "loss", "error", "accuracy", "weights")
    named = {role: text for role in roles if (text := getattr(columns, role)) is not None}
    numbers = pl.DataFrame({role: numeric_column(frame, text) for role, text in named.items()})
    if "error" not in named and "accuracy" in named:
        numbers = numbers.with_columns(error=1 - pl.col("accuracy"))
    whole = numbers.with_columns(
        pl.Series("_group", _keys(frame, columns.groups)), pl.Series("_place", range(frame.height))
    )
    notes: tuple[str, ...] = ()
    if drop_largest:
        by = "loss" if "loss" in named else "error"
        worst = whole.drop_nulls(by).sort(by, descending=True, maintain_order=True).head(drop_largest)["_place"]
        # imploded, or polars could not tell a set from a column of as many rows
        whole = whole.filter(~pl.col("_place").is_in(worst.implode()))
        notes = (f"the {len(worst)} rows of the largest {by} are left out, as requested",)
    same = _keys(frame, columns.configuration) if columns.configuration else None
    groups = []
    for (key,), part in whole.group_by("_group", maintain_order=True):
        about = {name: frame[name][part["_place"][0]] for name in columns.groups}
        keys = None if same is None else [same[place] for place in part["_place"]]
        groups.append(Group(about, {name: part[name] for name in numbers.columns}, keys, notes))
        assert isinstance(key, str)
    return groups


def numeric_column(frame: pl.DataFrame, text: str) -> pl.Series:
    """A column, or an SQL expression of columns, as numbers; null where there is no finite number."""
    values = _evaluated(frame, text, lambda expression: frame.select(_value=expression)["_value"])
    if not values.dtype.is_numeric() and values.dtype != pl.Null:
        raise ValueError(f"{text!r} holds no numbers but {values.dtype}: name a column of numbers")
    # infinite and NaN become null, which `averaged_points` counts and leaves out
    values = values.cast(pl.Float64)
    finite: pl.Series = values.set(~values.is_finite().fill_null(False), None)
    return finite


def _evaluated(frame: pl.DataFrame, text: str, use: Any) -> Any:
    try:
        return use(pl.col(text) if text in frame.columns else pl.sql_expr(text))
    except pl.exceptions.PolarsError as error:
        there = ", ".join(frame.columns)
        raise ValueError(f"{text!r} is no column and no expression of columns; there are: {there}") from error


def _keys(frame: pl.DataFrame, names: Sequence[str]) -> list[str]:
    missing = [name for name in names if name not in frame.columns]
    if missing:
        raise ValueError(f"no column {missing[0]!r}; there are: {', '.join(frame.columns)}")
    return [repr(row) for row in frame.select(names).rows()] if names else [""] * frame.height
