"""Storages that earlier versions wrote are read as they were: `storage-v1.tar.xz` and on, one for each schema version.

Each was written by the code of its time: `run_study tiny.py`, and from version 2 on `scaling.evaluate`, `.inspection`
and `.measure` as well, on a CPU; then weights, figures and data were left out. When SCHEMA_VERSION rises, add one that
the new version wrote; those that are here stay as they are.

| version | commit | ids |
|---|---|---|
| 1 | 33e53f8 | others: specs got fields before these had neutral values |
| 2 | c0a6a19~1 | today's |
| 3 | 736cb34~1 | today's |
| 4 | 7014caf | today's |
| 5 | 1309f58 | today's |
"""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from analysis.__main__ import main
from analysis.report import read_view
from analysis.rows import accuracies, load_rows
from scaling import run_study
from scaling.data import resolve_study
from scaling.schedule import is_finished, render_status, study_status
from scaling.specs import Pretrain, Study, Transfer, from_json, to_json
from scaling.store import Storage, finished_ids, read_row, read_rows, row_file
from scaling.store.frames import read_table
from scaling.store.schemas import ADDED, SCHEMA_VERSION, TABLES
from search_spaces.catalog import load_study

HERE = Path(__file__).parent
VERSIONS = range(1, SCHEMA_VERSION + 1)
EMPTY_IN_1 = {"evaluation", "measure", "attention_distance", "filters", "position_similarity", "rollout"}  # came later
EMPTY = {"metric"}  # came after version 5, which it did not change


@pytest.fixture(scope="module", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def stored(version: int, tmp_path_factory: pytest.TempPathFactory) -> Storage:
    """The storage of a version, to be read."""
    folder = tmp_path_factory.mktemp(f"v{version}")
    with tarfile.open(HERE / f"storage-v{version}.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return Storage.of(folder)


def raw(storage: Storage, table: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of a table's files by unit, without our own reader."""
    names = sorted(finished_ids(storage, table))
    contents = {name: storage.read(row_file(table, name)) for name in names}
    return {name: pq.read_table(io.BytesIO(content)).to_pylist() for name, content in contents.items()}


def test_the_storages_are_small() -> None:
    assert sum(file.stat().st_size for file in HERE.glob("storage-v*")) < 300_000


@pytest.mark.parametrize("table", TABLES)
def test_every_table_reads_as_it_was(table: str, stored: Storage, version: int) -> None:
    written = raw(stored, table)
    assert bool(written) != (table in EMPTY or (version == 1 and table in EMPTY_IN_1))
    later = [name for since, added in ADDED.items() if since > version for name in added.get(table, ())]
    expected = [{**row, **dict.fromkeys(later)} for rows in written.values() for row in rows]
    columns = TABLES[table].names
    assert [list(row) for row in read_table(stored, table).to_dicts()] == [columns] * len(expected)
    assert read_table(stored, table).to_dicts() == [{name: row[name] for name in columns} for row in expected]
    assert [row for name in written for row in read_rows(stored, table, name)] == expected
    assert [read_row(stored, table, name) for name in written] == [
        {**rows[0], **dict.fromkeys(later)} for rows in written.values()
    ]
    assert all(set(row) == set(columns) - set(later) for rows in written.values() for row in rows)


def test_the_files_are_of_their_version(stored: Storage, version: int) -> None:
    for table in TABLES:
        for name in finished_ids(stored, table):
            file = pq.ParquetFile(io.BytesIO(stored.read(row_file(table, name))))
            assert file.schema_arrow.metadata[b"schema_version"] == str(version).encode()


def test_the_accuracies_are_those_that_were_measured(stored: Storage) -> None:
    rows = load_rows(stored)
    of = {row["task"]: row for row in accuracies(rows).to_dicts()}
    assert of["digits"]["top1_mean"] == rows.transfer["test_top1"].item() == pytest.approx(0.12798, abs=1e-5)
    assert of["digits"]["base_lr"] == 0.1
    assert rows.fewshot["test_top1"].to_list() == pytest.approx([0.322])
    assert sorted(rows.trial["dev_top1"]) == pytest.approx([0.18, 0.205])
    assert set(rows.trial["steps_done"]) == {4}  # where no row says it: all of them


def test_the_account_is_of_all_attempts(stored: Storage, capsys: pytest.CaptureFixture[str]) -> None:
    attempts = [row for rows in raw(stored, "attempt").values() for row in rows]
    assert main(["core-days", stored.uri, "--json"]) == 0
    (total,) = json.loads(capsys.readouterr().out)["total"]
    assert total["attempts"] == len(attempts) == 5
    held = sum(row["cores"] * (row["seconds_total"] + row.get("seconds_starting", 0.0)) for row in attempts)
    assert total["core_seconds"] == pytest.approx(held)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("core-days", "cpu"),
        ("frontier", "12.80"),
        ("ratios", "All points are of one family (ViT)"),
        ("fit", "too few points: needs at least 5 distinct configurations, has 1"),
        ("vtab", "holds no final runs of VTAB-1k"),
        ("costs --json", "ViT-micro-S/4"),  # without it, it draws
    ],
)
def test_commands_of_the_analysis_say_what_they_said(
    command: str, says: str, stored: Storage, version: int, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = command == "vtab" or (command == "costs --json" and version == 1)
    assert main([*command.split(), stored.uri]) == (2 if missing else 0)
    said = capsys.readouterr()
    assert said.err.count("\n") == missing
    if command == "vtab":
        assert says in said.err
    elif not missing:
        assert says in said.out


def test_the_report_has_all_it_had(stored: Storage, version: int) -> None:
    seen = read_view(stored)
    assert seen.name == "tiny"
    assert seen.study is not None
    assert seen.sweeps["trials"].to_list() == [2]
    assert seen.points.filter(pl.col("task") == "digits").height == 1
    assert len(seen.commands) == (0 if version == 1 else 1)


def test_specs_read_and_have_their_ids(stored: Storage, version: int) -> None:
    """Of version 1 the ids are not today's: what is under them is read, and done again by a study of today."""
    study = from_json(Study, stored.read("study.json").decode())
    assert from_json(Study, to_json(study)) == study
    (run,) = read_table(stored, "pretrain").to_dicts()
    spec = stored.read(f"checkpoints/{run['run_id']}/final/spec.json").decode()
    assert from_json(Pretrain, run["spec"]) == from_json(Pretrain, spec) == study.runs[0]
    assert (study.runs[0].id == run["run_id"]) == (version > 1)
    if version > 1:
        for table, key in (("trial", "trial_id"), ("transfer", "transfer_id")):
            for row in read_table(stored, table).to_dicts():
                assert from_json(Transfer, row["spec"]).id == row[key]


def test_a_study_that_is_done_stays_done(stored: Storage, version: int) -> None:
    study = resolve_study(load_study(str(HERE / "tiny.py")))
    assert is_finished(study, stored, {}) == (version > 1)
    found = study_status(stored)
    assert found.finished == (version > 1)
    assert f"study tiny: {'' if version > 1 else 'not '}finished" in render_status(found)[0]
    known = {stage.name: stage.done for stage in found.stages}
    assert known["dev trials"] == 2


def test_the_same_command_finds_nothing_to_do(
    stored: Storage, version: int, capsys: pytest.CaptureFixture[str]
) -> None:
    if version < SCHEMA_VERSION:
        pytest.skip("of today's version only: it draws the report")
    before = {table: raw(stored, table) for table in TABLES}
    assert run_study.main(run_study.Options(str(HERE / "tiny.py"), storage=stored.uri)) == 0
    assert "Nothing to do: every unit has its row." in capsys.readouterr().out
    assert {table: raw(stored, table) for table in TABLES} == before
