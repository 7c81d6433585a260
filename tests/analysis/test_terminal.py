"""Tables at the widths of terminals: no number is broken or cut, no row and no column is missing."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from analysis.accounting.core_days import core_time_account
from analysis.accounting.plan import plan_study
from analysis.accounting.plan_text import render_plan
from analysis.compare.frontier import frontier
from analysis.rows import accuracies, load_rows
from analysis.tables import account_table, frontier_table, to_rich
from clusters.hardware.catalogue import chip_named
from scaling.console.wide_table import WideTable
from scaling.data.resolve import resolve_study
from scaling.store.storage import Storage
from search_spaces.catalog import load_study
from tests.helpers.terminal import in_terminal, printed

ROOT = Path(__file__).parents[2]
WIDTHS = (60, 80, 120, 200, 1000)


def whole(table: WideTable, width: int, labels: int) -> None:
    told = printed(table, width)
    lines = told.splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in told
    cells = [cell.strip() for line in lines if line.startswith("│") for cell in line.strip("│").split("│")]
    for row in table.rows:
        for cell in row[labels:]:
            assert cell in cells
        for label in row[:labels]:
            assert all(any(word in cell for cell in cells) for word in label.split())
    for place in range(labels, len(table.headings)):
        wanted = sorted(row[place] for row in table.rows if row)
        assert len([cell for cell in cells if cell in wanted]) >= len(wanted)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["vit_paper", "quickstart"])
def test_every_number_of_a_plan_is_whole(name: str, width: int) -> None:
    study = resolve_study(load_study(name))
    costs = plan_study(study, chip_named(study.hardware), None, {}, None)
    table = next(iter(render_plan(costs)))
    whole(table, width, 1)
    told = printed(table, width)
    size, time = {"vit_paper": (1.0, 86_400.0), "quickstart": (1e-9, 1.0)}[name]  # exaFLOPs and core-seconds of a unit
    for run in costs.as_json()["runs"]:
        for value in (run["exaflops"] / size, run["exaflops_valid"] / size, run["core_days"] * 86_400 / time):
            assert (f"{value:,.0f}" if value >= 1000 else f"{value:.4g}") in told
        assert f"{run['steps']:,}" in told


@pytest.mark.parametrize("width", WIDTHS)
def test_every_number_of_the_frontier_and_the_account_is_whole(study: Storage, width: int) -> None:
    rows = load_rows(study)
    whole(to_rich(frontier_table(frontier(accuracies(rows))), "Accuracy"), width, 3)
    for by in (("kind",), ("family", "name")):
        whole(to_rich(account_table(core_time_account(rows.attempt, by), by), "Core time"), width, len(by))


@pytest.mark.parametrize("width", [80, 120, 200, None])
def test_a_real_terminal_and_a_pipe_show_every_number(study: Storage, width: int | None) -> None:
    """Of the command's own JSON value."""
    command = [sys.executable, "-m", "analysis", "core-days", study.uri]
    run = partial(subprocess.run, cwd=ROOT, capture_output=True, text=True, check=True)
    account = json.loads(run([*command, "--json"]).stdout)
    told = in_terminal(width, *command) if width else run(command).stdout
    assert "…" not in told
    if width:
        assert max(map(len, told.splitlines())) <= width
    for row in account["by_model"]:
        assert row["name"] in told
        assert f"│ {row['attempts']:>1} │" in told.replace("  ", " ").replace("  ", " ").replace("  ", " ")
