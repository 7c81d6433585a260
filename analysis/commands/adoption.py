"""Runs of others as our rows, as `python -m analysis adopt` writes them.

One row of the CSV or Parquet file is one run, or one run on one data set. Rows alike in name, family, compute,
parameters and samples are one model; several accuracies of it on one data set are its seeds. Everything is checked
before anything is written, a column at a time, so that a million rows take seconds.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa

from analysis.laws import read_points_table
from analysis.rows import read_csv
from scaling.checks import say
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
LONGEST = 200  # characters of a name
MODEL = ("name", "family", "train_flops_valid", "parameters", "images")  # what tells two models apart


@dataclass(frozen=True)
class Column:
    """A column of the file in a role, and what one of its unit is (FLOPs, a fraction, a count)."""

    role: str
    name: str
    unit: float


def adopt(file: str, mapping: Sequence[str], out: Storage) -> tuple[int, int, int]:
    """Write the file's runs into `out` as rows of pretrain and transfer: how many models, accuracies, and file rows
    without an accuracy. Says on standard error how the file was read, and which names differ in case or spaces alone.

    Raises ValueError, in one line, for a file, mapping or value that does not fit; then nothing is written.
    """
    frame, how = _read(file)
    columns = [parsed(text, frame) for text in mapping]
    _complete(columns)
    models, finals, without = tables(frame, columns, file)
    say([*how, *_alike(models, "family", file), *_alike(models, "name", file)])
    name = f"adopted-{hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16]}"  # the file again replaces its rows
    for table, rows in (("pretrain", models), ("transfer", finals)):
        if rows.height:
            write_row_file(out, table, name, _whole(table, rows))
    return models.height, finals.height, without


def _read(file: str) -> tuple[pl.DataFrame, list[str]]:
    """The file's table, of a CSV with every column as it is written, and how it was read."""
    kind = Path(file).suffix.lower()
    if kind not in (".csv", ".tsv", ".parquet"):
        raise ValueError(f"{file} is none of .csv, .tsv and .parquet")
    if kind == ".parquet":
        return read_points_table(file)[0], []
    if not Path(file).is_file():
        raise ValueError(f"file {file} does not exist: give a .csv, .tsv or .parquet file")
    frame, how = read_csv(file, as_text=True)
    if frame.is_empty():
        raise ValueError(f"file {file} holds no rows")
    return frame, [f"{file} was read as {how}"]


def _alike(models: pl.DataFrame, column: str, file: str) -> list[str]:
    """A note for values that differ in case or spaces alone: they stay apart, and look alike in figures."""
    words = models[column].unique().sort()
    groups = words.to_frame().group_by(words.str.to_lowercase().str.replace_all(r"\s+", "").alias("_same"))
    several = [row for row in groups.agg(column).sort("_same")[column].to_list() if len(row) > 1]
    said = "; ".join(" and ".join(repr(word) for word in group) for group in several[:3])
    return [f"{file}: {column} {said} differ in case or spaces alone, and stay apart"] if several else []


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
    if units and size is not None and not (math.isfinite(size) and size > 0):
        raise ValueError(f"{role}={rest}: the unit must be a finite number above 0, got {unit}")
    if unit and (not units or size is None):
        raise ValueError(f"{role}={rest}: no unit {unit!r}" + (f"; there are {known}, or a number" if units else ""))
    if role == "compute" and not unit:
        raise ValueError(f"compute={rest} has no unit: say compute={rest}:exaFLOPs; there are {known}, or a number")
    if role in ("accuracy", "error") and not (name or rest).isprintable():  # it becomes the data set's name
        raise ValueError(f"{role}={rest!r}: the column's name holds a control character: rename it")
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
                target: _whole_numbers(_numbers(frame, at[role], file).round(), frame, at[role], file)
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
    seed = pl.lit(0, pl.Int64)
    if "seed" in at:
        seeds = _numbers(frame, at["seed"], file)
        seed = pl.lit(_whole_numbers(seeds, frame, at["seed"], file))
    return about.with_columns(
        task=task,
        task_id=task,
        seed=seed,
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
    raw = frame[column.name]
    if raw.dtype.is_nested() or raw.dtype == pl.Binary:
        raise ValueError(f"{file}: column {column.name!r} for {column.role} holds {raw.dtype}, no text")
    words = raw.cast(pl.String)
    bad = words.is_null() | (words.str.strip_chars() == "")
    if bad.any():
        raise ValueError(f"{file} row {_first(bad)}: no {column.role} in column {column.name!r}{_more(bad)}")
    _refuse(words.str.contains(r"\p{C}"), words, f"{file} row {{}}: {column.role} {{}} holds a control character")
    _refuse(
        words.str.len_chars() > LONGEST, words, f"{file} row {{}}: {column.role} {{:.40}}... is too long for a name"
    )
    return words


def _whole_numbers(values: pl.Series, frame: pl.DataFrame, column: Column, file: str) -> pl.Series:
    """The values as 64-bit integers. Raises ValueError for one that is not whole, too large, or a seed that is none."""
    raw, where = frame[column.name], f"{file} row {{}}: {column.role} {{}}"
    _refuse((values != values.round()).fill_null(False), raw, where + " is no whole number")
    _refuse((values >= 2.0**63).fill_null(False), raw, where + " is too large for 64 bits")
    if column.role == "seed":
        _refuse(values.is_null(), raw, where + " is no seed: give every row one, or leave seed= out")
    return values.cast(pl.Int64)


def _numbers(
    frame: pl.DataFrame, column: Column, file: str, least: float | None = 0.0, most: float | None = None
) -> pl.Series:
    """A column in base units, null where there is none (empty, NaN, NA). Raises ValueError naming the first bad row."""
    raw = frame[column.name]
    if not (raw.dtype.is_numeric() or raw.dtype in (pl.String, pl.Null)):
        raise ValueError(f"{file}: column {column.name!r} for {column.role} holds {raw.dtype}, no numbers")
    if raw.dtype == pl.String:
        text = raw.str.strip_chars()
        raw = text.set(text.str.to_lowercase().is_in(list(NOTHING)), None)
    values = raw.cast(pl.Float64, strict=False)
    where = f"{file} row {{}}: {column.role} {{}}"
    comma = raw.dtype == pl.String and bool(raw.str.contains(r"^\s*-?\d+,\d+\s*$").any())
    hint = ": write decimals with a point and thousands without a sign" if comma else ""
    _refuse(values.is_null() & raw.is_not_null(), raw, where + " is no number" + hint)
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
        value = raw[row - 1]
        number = isinstance(value, str) and _number(value) is not None
        raise ValueError(text.format(row, value if number else repr(value)) + _more(bad))


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
