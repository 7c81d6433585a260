"""Runs of others as our rows, as `python -m analysis adopt` writes them.

One row of the CSV or Parquet file is one run, or one run on one data set. Rows alike in name, family, compute,
parameters and samples are one model; several accuracies of it on one data set are its seeds. Everything is checked
before anything is written, a column at a time, so that a million rows take seconds.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa

from analysis.laws import read_points_table
from scaling.store import TABLES, Storage, write_row_file

PREFIXES = {"": 0, "kilo": 3, "mega": 6, "giga": 9, "tera": 12, "peta": 15, "exa": 18, "zetta": 21, "yotta": 24}
COMPUTE = {f"{prefix}flops": 10.0**power for prefix, power in PREFIXES.items()}
COMPUTE |= {"ef": 1e18, "zf": 1e21, "tflops-days": 1e12 * 86_400, "pflops-days": 1e15 * 86_400}
SHARES = {"fraction": 1.0, "percent": 0.01}
COUNTS = {"": 1.0, "k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "b": 1e9, "billion": 1e9, "g": 1e9}
ROLES = {  # role: (what it is, the units that it may have)
    "name": ("name of the model", {}),
    "family": ("family of models", {}),
    "compute": ("compute of the training, with its unit", COMPUTE),
    "accuracy": ("accuracy on a data set; may be given several times, a column a data set", SHARES),
    "error": ("instead of an accuracy", SHARES),
    "parameters": ("number of parameters", COUNTS),
    "samples": ("training images or tokens", COUNTS),
    "loss": ("training loss", {}),
    "task": ("data set that the accuracy is on (default: the accuracy's column)", {}),
    "seed": ("seed; without it rows alike are numbered", {}),
}
NOTHING = {"", "na", "n/a", "nan", "null", "none", "-", "–"}
MODEL = ("name", "family", "train_flops_valid", "parameters", "images")  # what tells two models apart


@dataclass(frozen=True)
class Column:
    """A column of the file in a role, and what one of its unit is (FLOPs, a fraction, a count)."""

    role: str
    name: str
    unit: float


def adopt(file: str, mapping: Sequence[str], out: Storage) -> tuple[int, int, int]:
    """Write the file's runs into `out` as rows of pretrain and transfer: how many models, accuracies, and file rows
    without an accuracy.

    Raises ValueError, in one line, for a file, mapping or value that does not fit; then nothing is written.
    """
    if Path(file).suffix.lower() not in (".csv", ".tsv", ".parquet"):
        raise ValueError(f"{file} is none of .csv, .tsv and .parquet")
    frame, _ = read_points_table(file)
    columns = [parsed(text, frame) for text in mapping]
    _complete(columns)
    models, finals, without = tables(frame, columns, file)
    name = f"adopted-{hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16]}"  # the file again replaces its rows
    for table, rows in (("pretrain", models), ("transfer", finals)):
        if rows.height:
            write_row_file(out, table, name, _whole(table, rows))
    return models.height, finals.height, without


def parsed(text: str, frame: pl.DataFrame) -> Column:
    """ROLE=COLUMN[:UNIT]. Raises ValueError for what is none."""
    role, mark, rest = text.partition("=")
    if not mark or role not in ROLES:
        raise ValueError(f"--map wants ROLE=COLUMN[:UNIT], got {text!r}; roles: {', '.join(ROLES)}")
    units = ROLES[role][1]
    name, _, unit = (rest, "", "") if rest in frame.columns else rest.rpartition(":")
    if (name or rest) not in frame.columns:
        raise ValueError(f"no column {name or rest!r} for {role}; there are: {', '.join(frame.columns)}")
    known = ", ".join(text for text in units if text)
    size = units.get(unit.lower(), _number(unit)) if units else 1.0
    if unit and (not units or size is None):
        raise ValueError(f"{role}={rest}: no unit {unit!r}" + (f"; there are {known}, or a number" if units else ""))
    if role == "compute" and not unit:
        raise ValueError(f"compute={rest} has no unit: say compute={rest}:exaFLOPs; there are {known}, or a number")
    return Column(role, name or rest, 1.0 if size is None else size)


def _number(unit: str) -> float | None:
    try:
        return float(unit)
    except ValueError:
        return None


def _complete(columns: Sequence[Column]) -> None:
    roles = [column.role for column in columns]
    for role in ("name", "family", "compute"):
        if role not in roles:
            raise ValueError(f"--map lacks {role}=COLUMN: {ROLES[role][0]}")
    if not {"accuracy", "error"} & set(roles):
        raise ValueError("--map lacks accuracy=COLUMN or error=COLUMN")
    twice = [role for role in dict.fromkeys(roles) if roles.count(role) > 1 and role not in ("accuracy", "error")]
    if twice:
        raise ValueError(f"--map has {twice[0]} twice")
    if "task" in roles and roles.count("accuracy") + roles.count("error") > 1:
        raise ValueError("--map has a task column and several accuracies: give one of them")


def tables(frame: pl.DataFrame, columns: Sequence[Column], file: str) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """The models and their accuracies, with the columns of `pretrain` and `transfer` that are known; and how many rows
    of the file have no accuracy. Raises ValueError naming the first row that does not fit."""
    at = {column.role: column for column in columns}
    flops = _numbers(frame, at["compute"], file)
    rows = pl.DataFrame(
        {
            **{role: _words(frame, at[role], file) for role in ("name", "family")},
            **{"train_flops": flops, "train_flops_valid": flops},
            **{
                target: _numbers(frame, at[role], file).round().cast(pl.Int64)
                for role, target in (("parameters", "parameters"), ("samples", "images"))
                if role in at
            },
            **({"train_loss": _numbers(frame, at["loss"], file, least=None)} if "loss" in at else {}),
        }
    )
    keys = [name for name in MODEL if name in rows.columns]
    models = rows.unique(keys, keep="first", maintain_order=True)
    models = models.with_columns(run_id=pl.Series(map(_id, models.select(keys).iter_rows()), dtype=pl.String))
    told = models.select("run_id", *keys)
    about = rows.select(keys).join(told, on=keys, how="left", nulls_equal=True, maintain_order="left")
    about = about.select("run_id", "name", "family", pretrained=pl.lit(True), setting_id=pl.lit("adopted"))
    parts = [_finals(frame, about, column, at, file) for column in columns if column.role in ("accuracy", "error")]
    none = pl.DataFrame({str(i): part["test_top1"].is_null() for i, part in enumerate(parts)})
    finals = pl.concat(parts).drop_nulls("test_top1")
    if "seed" not in at:
        finals = finals.with_columns(seed=pl.int_range(pl.len()).over("run_id", "task"))
    finals = finals.with_columns(transfer_id=pl.format("{}-{}-{}", "run_id", "task", "seed"))
    return models, _single(finals, file), int(none.select(pl.all_horizontal(pl.all()).sum()).item())


def _finals(frame: pl.DataFrame, about: pl.DataFrame, column: Column, at: dict[str, Column], file: str) -> pl.DataFrame:
    """The accuracies of one column, with the row of the file that each is in."""
    values = _numbers(frame, column, file, most=1.0)
    task = _words(frame, at["task"], file) if "task" in at else pl.lit(column.name)
    seed = _numbers(frame, at["seed"], file) if "seed" in at else pl.lit(0)
    return about.with_columns(
        task=task,
        task_id=task,
        seed=seed.cast(pl.Int64),
        test_top1=1 - values if column.role == "error" else values,
        _row=pl.int_range(1, pl.len() + 1),
    )


def _single(finals: pl.DataFrame, file: str) -> pl.DataFrame:
    again = finals.filter(finals.select("transfer_id").is_duplicated())
    if again.height:
        first, second, *_ = again.filter(transfer_id=again["transfer_id"][0])["_row"]
        raise ValueError(f"{file}: rows {first} and {second} are one model with one seed on one data set")
    return finals.drop("_row")


def _words(frame: pl.DataFrame, column: Column, file: str) -> pl.Series:
    words = frame[column.name].cast(pl.String)
    bad = words.is_null() | (words.str.strip_chars() == "")
    if bad.any():
        raise ValueError(f"{file} row {_first(bad)}: no {column.role} in column {column.name!r}{_more(bad)}")
    return words


def _numbers(
    frame: pl.DataFrame, column: Column, file: str, least: float | None = 0.0, most: float | None = None
) -> pl.Series:
    """A column in base units, null where there is none (empty, NaN, NA). Raises ValueError naming the first bad row."""
    raw = frame[column.name]
    if raw.dtype == pl.String:
        text = raw.str.strip_chars()
        raw = text.set(text.str.to_lowercase().is_in(list(NOTHING)), None)
    values = raw.cast(pl.Float64, strict=False)
    where = f"{file} row {{}}: {column.role} {{}}"
    _refuse(values.is_null() & raw.is_not_null(), raw, where + " is no number")
    values = values.fill_nan(None) * column.unit
    _refuse(values.is_infinite().fill_null(False), raw, where + " is not finite")
    if least is not None:
        _refuse((values < least).fill_null(False), raw, where + " is negative")
    if most is not None:
        hint = f": if it is in percent, say {column.role}={column.name}:percent" if column.unit == 1.0 else ""
        _refuse((values > most).fill_null(False), raw, where + f" is not between 0 and 1{hint}")
    return values


def _refuse(bad: pl.Series, raw: pl.Series, text: str) -> None:
    if bad.any():
        row = _first(bad)
        raise ValueError(text.format(row, repr(raw[row - 1])) + _more(bad))


def _first(bad: pl.Series) -> int:
    return int(bad.arg_true()[0]) + 1


def _more(bad: pl.Series) -> str:
    more = int(bad.sum()) - 1
    return f" (and in {more:,} more rows)" if more else ""


def _id(model: tuple[object, ...]) -> str:
    return "adopted-" + hashlib.sha256(repr(model).encode()).hexdigest()[:16]


def _whole(table: str, rows: pl.DataFrame) -> pa.Table:
    """The rows with all columns of the table's schema, those not known null."""
    schema = TABLES[table]
    known = rows.to_arrow()
    columns = [
        known[field.name].cast(field.type) if field.name in known.column_names else pa.nulls(len(known), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
