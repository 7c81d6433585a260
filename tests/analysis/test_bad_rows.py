"""Rows that nobody should write: each command answers without them, or ends with one line; none with a traceback."""

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.__main__ import main
from scaling.store.results import write_row_file
from scaling.store.schemas import TABLES
from scaling.store.storage import Storage
from tests.helpers.rows import example

COMMANDS = ("report", "frontier", "core-days", "paper", "vtab", "fit", "next", "ratios", "inspection", "costs")
JSON = ("frontier", "core-days", "vtab", "fit", "next", "ratios", "costs")
OTHER = ("inspection", "costs", "paper", "vtab", "ratios")  # of which these rows have too little
NAN, INF = math.nan, math.inf


@dataclass(frozen=True)
class Renamed(Storage):
    """A storage into which rows go under ids that end in a number."""

    number: int = 0


def good(storage: Storage) -> None:
    """Four models of two families on two tasks, with all that comes with them."""
    for number in range(4):
        run, family = f"{number:016x}", ("vit", "resnet")[number % 2]
        about = {"run_id": run, "name": f"m{number}", "family": family}
        flops = {"train_flops": 1e15 * 4**number, "train_flops_valid": 1e15 * 4**number}
        put(
            storage,
            "pretrain",
            spec="{}",
            **about,
            **flops,
            parameters=10**6 * 2**number,
            images=10**6,
            train_loss=2 / (1 + number),
        )
        put(storage, "curve", **about)
        put(storage, "fewshot", **about, probe_id=f"p{number}", shots=5, test_top1=0.5)
        for task in ("a", "b"):
            on = {**about, **flops, "task": task, "task_id": task * 8, "setting_id": "s", "pretrained": True}
            put(storage, "trial", **on, trial_id=f"t{run}{task}", steps=1, steps_done=1, base_lr=0.1)
            put(storage, "transfer", **on, transfer_id=f"f{run}{task}", test_top1=0.6 + 0.05 * number, seed=0)
        put(storage, "attempt", attempt_id=f"{run}-1", unit_id=run, **attempt(number))


def attempt(number: int) -> dict[str, Any]:
    return {"kind": "pretrain", "outcome": "done", "name": f"m{number}", "family": "vit", "device": "cpu", "cores": 1}


def put(storage: Storage, table: str, **columns: Any) -> None:
    row = example(table, **columns)
    if isinstance(storage, Renamed):  # a unit of its own
        key = TABLES[table].metadata[b"key"].decode()
        row[key] = f"{row[key]}-{storage.number}"
    write_row_file(storage, table, row[TABLES[table].metadata[b"key"].decode()], [row])


def changed(table: str, **columns: Any) -> Callable[[Storage], None]:
    """A row more, with these columns."""
    key = TABLES[table].metadata[b"key"].decode()
    base: dict[str, Any] = {
        key: "bad0",
        "run_id": "bad0",
        "name": "bad",
        "family": "vit",
        "task": "a",
        "task_id": "a" * 8,
    }
    if table == "attempt":
        base |= attempt(9) | {"unit_id": "bad0"}
    known = set(TABLES[table].names)
    return lambda storage: put(
        storage, table, **{name: value for name, value in (base | columns).items() if name in known}
    )


def retyped(table: str, column: str, kind: pa.DataType, value: Any) -> Callable[[Storage], None]:
    """A file with a column of another type."""

    def write(storage: Storage) -> None:
        name = storage.list(table)[0]
        found = pq.read_table(pa.BufferReader(storage.read(f"{table}/{name}")))
        place = found.schema.get_field_index(column)
        made = found.set_column(place, column, pa.array([value] * len(found), kind))
        sink = pa.BufferOutputStream()
        pq.write_table(made.replace_schema_metadata(TABLES[table].metadata), sink)
        storage.write(f"{table}/{name}", sink.getvalue().to_pybytes())

    return write


def dropped(table: str, column: str, times: int = 0) -> Callable[[Storage], None]:
    """A file that lacks a column, or has it twice."""

    def write(storage: Storage) -> None:
        name = storage.list(table)[0]
        found = pq.read_table(pa.BufferReader(storage.read(f"{table}/{name}")))
        made = found.append_column(column, found[column]) if times else found.drop_columns([column])
        sink = pa.BufferOutputStream()
        pq.write_table(made.replace_schema_metadata(TABLES[table].metadata), sink)
        storage.write(f"{table}/{name}", sink.getvalue().to_pybytes())

    return write


BAD: dict[str, Callable[[Storage], None]] = {
    **{
        f"{table} without {column}": changed(table, **{column: None})
        for table, columns in {
            "pretrain": ("name", "family", "train_flops", "parameters", "spec", "epochs", "seed", "images"),
            "transfer": (
                "name",
                "family",
                "task",
                "task_id",
                "test_top1",
                "pretrained",
                "seed",
                "setting_id",
                "base_lr",
            ),
            "trial": ("name", "task", "dev_top1", "dev_loss", "steps", "steps_done", "base_lr", "rung_steps"),
            "fewshot": ("name", "dataset", "shots", "test_top1", "l2"),
            "curve": ("name", "family", "step", "images", "train_loss"),
            "attempt": (
                "name",
                "family",
                "device",
                "kind",
                "outcome",
                "started",
                "cores",
                "seconds_total",
                "study",
                "unit_id",
            ),
        }.items()
        for column in columns
    },
    **{
        f"{table}.{column} {value}": changed(table, **{column: value})
        for table, column in (
            ("pretrain", "train_flops"),
            ("pretrain", "train_flops_valid"),
            ("pretrain", "train_loss"),
            ("pretrain", "epochs"),
            ("transfer", "test_top1"),
            ("transfer", "train_flops_valid"),
            ("transfer", "base_lr"),
            ("trial", "dev_top1"),
            ("trial", "base_lr"),
            ("fewshot", "test_top1"),
            ("fewshot", "l2"),
            ("curve", "train_loss"),
            ("attempt", "seconds_total"),
            ("attempt", "seconds_training"),
            ("attempt", "train_flops_valid"),
        )
        for value in (NAN, INF, -INF, -1.0)
    },
    **{
        f"{table}.{column} {value!a}": changed(table, **{column: value})
        for table, column in (("pretrain", "name"), ("pretrain", "family"), ("transfer", "task"), ("attempt", "device"))
        for value in (
            "",
            "a\x00b",
            "\x1b[31mred",
            "x\x07\x08",
            "a\nb\r",
            "\u202etxt",
            "[/x]",
            "<b>&amp;",
            "🦆" * 80,
            "\ufffe",
        )
    },
    "steps 0": changed("trial", steps=0, steps_done=0),
    "negative cores": changed("attempt", cores=-3),
    "year 9999": changed("attempt", started=datetime(9999, 12, 31, tzinfo=UTC)),
    "spec is no JSON": changed("pretrain", spec="{[" * 50),
    "spec is a number": changed("pretrain", spec="7"),
    "list of flops": retyped("pretrain", "train_flops", pa.list_(pa.float64()), [1.0]),
    "list of names": retyped("pretrain", "name", pa.list_(pa.string()), ["a"]),
    "text of flops": retyped("pretrain", "train_flops_valid", pa.string(), "many"),
    "a struct": retyped("transfer", "test_top1", pa.struct([("x", pa.float64())]), {"x": 1.0}),
    "a date": retyped("attempt", "cores", pa.timestamp("ms"), datetime(2026, 1, 1)),
    "no column": dropped("transfer", "task"),
    "a column twice": dropped("pretrain", "name", times=2),
    "no rows in a file": lambda storage: write_row_file(storage, "pretrain", "empty", []),
    "study.json is a list": lambda storage: storage.write("study.json", b"[]"),
    "study.json is deep": lambda storage: storage.write("study.json", b"[" * 100_000),
    "a command is a list": lambda storage: storage.write("commands/x.json", b"[1]"),
    "a command of wrong types": lambda storage: storage.write(
        "commands/x.json",
        b'{"command": 1, "started": 2, "python": [], "machine": null, "packages": 5, "commit": {}}',
    ),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    made = Storage.of(tmp_path_factory.mktemp("rows") / "storage")
    made.make()
    good(made)
    return made


def answers(words: list[str], capsys: pytest.CaptureFixture[str], code_wanted: int | None = None) -> None:
    """The command ends with an answer, or with one line."""
    code = main(words)
    told = capsys.readouterr()
    assert code in ((0, 2) if code_wanted is None else (code_wanted,)), told.err
    lines = told.err.splitlines()
    if code == 2:
        assert lines.pop().startswith("error: "), told.err
    assert len(lines) <= 2 * len(TABLES)
    assert all(line.startswith("note: ") for line in lines), told.err


FILES = [name for name in BAD if not BAD[name].__qualname__.startswith("changed")]  # of which whole files are wrong


def copied(whole: Storage, folder: Path) -> Storage:
    assert whole.local is not None
    shutil.copytree(whole.local, folder / "storage")
    return Storage.of(folder / "storage")


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_none_is_one_line_or_left_out(
    name: str, whole: Storage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = copied(whole, tmp_path)
    BAD[name](storage)
    answers(["frontier", storage.uri], capsys)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_answers_without_the_bad_rows(
    command: str, whole: Storage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of them at once."""
    storage = copied(whole, tmp_path)
    for number, name in enumerate(set(BAD) - set(FILES)):
        BAD[name](Renamed(storage.uri, number=number))
    more = ["--budget", "1"] if command == "next" else []
    for words in ([command, storage.uri, *more], [command, storage.uri, *more, "--json"]):
        if words[-1] != "--json" or command in JSON:
            answers(words, capsys, None if command in OTHER else 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", BAD)
def test_every_command_answers_beside_each(
    name: str, whole: Storage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = copied(whole, tmp_path)
    BAD[name](storage)
    for command in COMMANDS:
        more = ["--budget", "1"] if command == "next" else []
        answers([command, storage.uri, *more], capsys)
        if command in JSON:
            answers([command, storage.uri, *more, "--json"], capsys)
