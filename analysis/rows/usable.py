"""Rows as analysis can take them: numbers that are none are left out, texts can be shown, rows without names go.

A storage holds rows of others too. What is left out is said, so that every command gives its answer without it.
"""

import polars as pl

from scaling.checks import printable

NAMED = ("run_id", "name", "family")
NEEDED = {  # columns without which nothing can be said of a row
    "pretrain": NAMED,
    "curve": NAMED,
    "trial": (*NAMED, "trial_id", "task", "task_id"),
    "transfer": (*NAMED, "transfer_id", "task", "task_id", "pretrained"),
    "fewshot": (*NAMED, "probe_id", "dataset", "shots"),
    "metric": (*NAMED, "evaluation_id", "evaluation", "metric"),
    "attempt": ("attempt_id", "unit_id", "kind", "name", "family", "device", "outcome"),
}
COUNTED = ("flops", "top1", "seconds", "cores")  # parts of names of columns whose infinite values are worth a word
SHOWN = (
    *("name", "family", "task", "dataset", "evaluation", "metric", "setting", "study", "device", "kind"),
    *("outcome", "reason", "first_corrupt", "host"),
)
CONTROL = r"[\p{C}]"  # control characters, signs of direction, and code points that are no character


def usable(table: str, frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """The rows of a table that can be used, with nulls for numbers that are none, and what is to be said of it."""
    notes = []
    lacking = pl.any_horizontal(pl.col(name).is_null() | _empty(frame, name) for name in NEEDED[table])
    kept = frame.filter(~lacking)
    if kept.height < frame.height:
        wanted = ", ".join(NEEDED[table])
        notes.append(f"{_rows(frame.height - kept.height)} of {table} left out: one of {wanted} is missing")
    wrong = pl.any_horizontal(
        [pl.lit(False), *(_wrong(name) for name in _floats(kept) if any(part in name for part in COUNTED))]
    )
    count = kept.filter(wrong.fill_null(False)).height
    if count:
        notes.append(f"{_rows(count)} of {table} with an infinite or negative number: read as not known")
    kept = kept.with_columns(
        pl.when(pl.col(name).is_infinite() | _wrong(name)).then(None).otherwise(name).alias(name)
        for name in _floats(kept)
    )
    return _shown(kept), notes


def _floats(frame: pl.DataFrame) -> list[str]:
    return [name for name, kind in frame.schema.items() if kind == pl.Float64]


def _wrong(name: str) -> pl.Expr:
    """Infinite, or negative where no such thing is; NaN is known elsewhere as the mark of a diverged loss."""
    counted = any(part in name for part in COUNTED)
    return pl.col(name).is_infinite() | ((pl.col(name) < 0) if counted else pl.lit(False))


def _empty(frame: pl.DataFrame, name: str) -> pl.Expr:
    return pl.col(name) == "" if frame.schema[name] == pl.String else pl.lit(False)


def _shown(frame: pl.DataFrame) -> pl.DataFrame:
    """Texts with control characters written as escapes: the libraries of the figures end the process at some."""
    hostile = [name for name in SHOWN if name in frame.columns and frame[name].str.contains(CONTROL).any()]
    return frame.with_columns(pl.col(name).map_elements(printable, pl.String) for name in hostile)


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
