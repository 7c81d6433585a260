"""`python -m analysis core-days`: the account of the machines as one JSON value, or as tables."""

from collections.abc import Callable
from typing import Any

import polars as pl

from analysis.accounting import (
    core_time_account,
    core_time_by_run,
    core_time_losses,
    inconsistent_costs,
    mixed_devices_note,
)
from analysis.rows import load_rows

GROUPS: dict[str, tuple[str, ...]] = {  # of the account: table -> columns
    **{"by_kind": ("kind",), "by_model": ("family", "name"), "total": ()},
    **{"by_family": ("family",), "by_study": ("study",)},
}


def run_core_days(
    storage: str, as_json: bool, print_json: Callable[[Any], None], print_table: Callable[[pl.DataFrame, str], None]
) -> None:
    """Print the account of a storage. Raises ValueError when there is nothing to account for, unless as JSON."""
    rows = load_rows(storage)
    attempts = rows.attempt
    if attempts.is_empty() and not as_json:
        raise ValueError(f"storage {storage} holds no attempts to account for")
    parts = {name: core_time_account(attempts, by) for name, by in GROUPS.items()}
    lost, notes = core_time_losses(attempts), _notes(rows.pretrain, attempts)
    if as_json:
        frames = parts | {"losses": lost, "by_run": core_time_by_run(attempts)}
        print_json({name: frame.to_dicts() for name, frame in frames.items()} | {"notes": notes})
        return
    from analysis.tables import account_table, losses_table

    for name, by in GROUPS.items():
        if name == "total" or parts[name].height > parts["total"].height:  # one group is the total
            _show(account_table(parts[name], by), f"Core time, {name.replace('_', ' ')}", print_table)
    if lost.height:
        print_table(losses_table(lost), "Not productive, by cause")
    print("\n".join(notes))


def _show(table: pl.DataFrame, title: str, print_table: Callable[[pl.DataFrame, str], None]) -> None:
    """A table of the account; on one device that and the unit are said once, in the title."""
    if table["device"].n_unique() == 1:
        title = f"{title} ({table['unit'][0]}, {table['device'][0]})"
        table = table.drop("device", "unit")
    print_table(table, title)


def _notes(pretrain: pl.DataFrame, attempts: pl.DataFrame) -> list[str]:
    """Why there is no total, and costs that contradict each other."""
    apart = mixed_devices_note(attempts)
    odd = [] if pretrain.is_empty() else inconsistent_costs(pretrain)["text"].to_list()
    return [text for text in (apart, *odd) if text]
