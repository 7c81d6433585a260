"""One function a published table: its rows by table of ours, told by the studies that repeat the paper."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Any

import polars as pl

from analysis.rows.published.printed import printed_table
from scaling.flops import parameters
from scaling.specs import Pretrain, family, to_json
from scaling.store import TABLES
from search_spaces import data_requirements, position_embeddings, sgd_vs_adam, vit_paper
from search_spaces.vtab import VTAB

UPSTREAM = {"ImageNet": "imagenet", "ImageNet-21k": "imagenet-21k", "JFT-300M": "jft-300m"}
OTHERS = {"R152x4": "resnet", "EfficientNet-L2": "efficientnet"}  # Table 2's models of other papers, and their families
Row = dict[str, Any]


def rows_of(part: str) -> dict[str, list[Row]]:
    """Whole rows of each table of ours that a published one has something for."""
    return {table: [_whole(table, row) for row in rows] for table, rows in _TABLES[part]().items()}


def _whole(table: str, row: Row) -> Row:
    return dict.fromkeys(TABLES[table].names) | row


def _read(part: str) -> list[Row]:
    return pl.read_csv(printed_table(part)).to_dicts()


# --- one function a table: rows by table -----------------------------------------------------------------------------


def _table2() -> dict[str, list[Row]]:
    costs = {run.id: row["exaflops"] * 1e18 for row, run in _of_table6()}
    runs: dict[str, Row] = {}
    finals, attempts = [], []
    for row in _read("table2"):
        name = f"{row['model']}, {row['column']}"
        run = None if row["model"] in OTHERS else _upstream(row["model"], row["upstream"])
        if name not in runs:
            other = {"run_id": f"table2-{name}", "name": name, "family": OTHERS.get(row["model"])}
            runs[name] = _run("table2", run, name) if run else other | {"dataset": row["upstream"]}
        if row["task"] == "core-days":
            about = {key: runs[name][key] for key in ("name", "family")} | {"unit_id": runs[name]["run_id"]}
            about |= {"attempt_id": runs[name]["run_id"], "kind": "pretrain", "study": vit_paper.STUDY.name}
            about |= {"device": "tpu-v3", "precision": "bf16", "cores": 1, "seconds_total": row["mean"] * 86_400}
            cost = costs.get(run.id) if run else None
            attempts.append(about | {"outcome": "done", "train_flops_valid": cost})
        else:
            steps = (0.0,) if row["std"] is None else (-row["std"], 0.0, row["std"])
            percents = [row["mean"] + step for step in steps]
            finals += _finals(runs[name], row["task"], percents)
    return {"pretrain": list(runs.values()), "transfer": finals, "attempt": attempts}


def _table5() -> dict[str, list[Row]]:
    return _by_upstream("table5", lambda title: title)


def _table6() -> dict[str, list[Row]]:
    runs, finals = [], []
    for row, run in _of_table6():
        made = _run("table6", run, run.name) | {"train_flops_valid": row["exaflops"] * 1e18}
        runs.append(made)
        for task in set(row) - {"name", "epochs", "exaflops"}:
            finals += _finals(made, task, [row[task]])
    return {"pretrain": runs, "transfer": finals}


def _table7() -> dict[str, list[Row]]:
    known = {run.name: run for run in sgd_vs_adam.STUDY.runs}
    runs: dict[str, Row] = {}
    finals = []
    for row in _read("table7"):
        name = f"{row['model']} {row['optimizer']}"
        runs.setdefault(name, _run("table7", known[name], name))
        finals += _finals(runs[name], row["task"], [row["top1"]])
    return {"pretrain": list(runs.values()), "transfer": finals}


def _table8() -> dict[str, list[Row]]:
    known = {(_of(run, "positions"), _of(run, "positions_at")): run for run in position_embeddings.STUDY.runs}
    runs, probes = [], []
    for row in _read("table8"):
        run = known[row["positions"], row["positions_at"]]
        made = _run("table8", run, run.name)
        runs.append(made)
        about = {key: made[key] for key in ("run_id", "name", "family")} | {"probe_id": made["run_id"]}
        probes.append(about | {"dataset": "imagenet", "shots": 5, "seed": 0, "test_top1": row["top1"]})
    return {"pretrain": runs, "fewshot": probes}


def _table9() -> dict[str, list[Row]]:
    names = {task.title: task.name for task in VTAB}
    return _by_upstream("table9", lambda title: names[title])


_TABLES = {
    **{"table2": _table2, "table5": _table5, "table6": _table6},
    **{"table7": _table7, "table8": _table8, "table9": _table9},
}


# --- rows ------------------------------------------------------------------------------------------------------------


def _by_upstream(part: str, task_of: Any) -> dict[str, list[Row]]:
    runs: dict[str, Row] = {}
    finals = []
    for row in _read(part):
        name = f"{row['model']}, {row['upstream']}"
        if name not in runs:
            runs[name] = _run(part, _upstream(row["model"], row["upstream"]), name)
        finals += _finals(runs[name], task_of(row["task"]), [row["top1"]])
    return {"pretrain": list(runs.values()), "transfer": finals}


def _of_table6() -> Iterable[tuple[Row, Pretrain]]:
    known = {(run.name, run.epochs): run for run in vit_paper.STUDY.runs}
    for row in _read("table6"):
        yield row, known[row["name"], float(row["epochs"])]


@cache
def _by_data() -> dict[tuple[str, str], Pretrain]:
    """Table 5's runs by model and data set."""
    runs = [run for run in data_requirements.STUDY.runs if run.subset is None and run.early_stopping is None]
    return {(run.name.split()[0], run.data.name): run for run in runs}


def _upstream(model: str, upstream: str) -> Pretrain:
    return _by_data()[model, UPSTREAM[upstream]]


def _of(run: Pretrain, name: str) -> Any:
    return getattr(run.model, name)


def _run(part: str, run: Pretrain, name: str) -> Row:
    """A pre-training as the study of `search_spaces` has it, under a name of the table's own; no FLOPs."""
    told: Row = {"run_id": f"{part}-{run.id}", "name": name, "family": family(run.model), "dataset": run.data.name}
    told |= {"parameters": parameters(run.model, resolution=run.resolution), "epochs": run.epochs, "steps": run.steps}
    told |= {"images": run.steps * run.recipe.batch_size, "batch_size": run.recipe.batch_size}
    told |= {"resolution": run.resolution, "base_lr": run.base_lr, "seed": run.seed}
    return told | {"spec": to_json(replace(run, name=f"{part}: {name}"))}  # else one model of several tables


def _finals(run: Row, task: str, percents: Iterable[float]) -> list[Row]:
    about = {key: run[key] for key in ("run_id", "name", "family")} | {"pretrained": True, "setting_id": "published"}
    about |= {"task_id": task, "task": task}
    unit = f"{run['run_id']} {task}"
    return [
        about | {"transfer_id": f"{unit} {seed}", "seed": seed, "test_top1": percent / 100}
        for seed, percent in enumerate(percents)
    ]
