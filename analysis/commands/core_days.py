"""`python -m analysis core-days`: where the machines' time went."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import tyro

from analysis.commands.printing import print_json, print_table

if TYPE_CHECKING:
    import polars as pl

GROUPS: dict[str, tuple[str, ...]] = {  # of the account: table -> columns
    **{"by_kind": ("kind",), "by_model": ("family", "name"), "total": ()},
    **{"by_family": ("family",), "by_study": ("study",)},
}


@dataclass(frozen=True)
class Options:
    """Print used, productive and lost core time, by kind of work, model, family and study.

    python -m analysis core-days results/quickstart
    python -m analysis core-days s3://bucket/study --json
    """

    storage: tyro.conf.Positional[str]
    """Path or URI that holds the rows."""
    json: bool = False
    """Print one JSON value instead of text."""


def run(options: Options) -> None:
    """Print the account of a storage. Raises ValueError when there is nothing to account for, unless as JSON."""
    from analysis.accounting import core_time_account, core_time_by_run, core_time_losses
    from analysis.rows import load_rows

    rows = load_rows(options.storage)
    attempts = rows.attempt
    if attempts.is_empty() and not options.json:
        raise ValueError(f"storage {options.storage} holds no attempts to account for")
    parts = {name: core_time_account(attempts, by) for name, by in GROUPS.items()}
    lost, notes = core_time_losses(attempts), _notes(rows.pretrain, attempts)
    if options.json:
        frames = parts | {"losses": lost, "by_run": core_time_by_run(attempts)}
        print_json({name: frame.to_dicts() for name, frame in frames.items()} | {"notes": notes})
        return
    from analysis.tables import account_table, losses_table

    for name, by in GROUPS.items():
        if name == "total" or parts[name].height > parts["total"].height:  # one group is the total
            _show(account_table(parts[name], by), f"Core time, {name.replace('_', ' ')}")
    if lost.height:
        print_table(losses_table(lost), "Not productive, by cause")
    print("\n".join(notes))


def _show(table: "pl.DataFrame", title: str) -> None:
    """A table of the account; on one device that and the unit are said once, in the title."""
    if table["device"].n_unique() == 1:
        title = f"{title} ({table['unit'][0]}, {table['device'][0]})"
        table = table.drop("device", "unit")
    print_table(table, title)


def _notes(pretrain: "pl.DataFrame", attempts: "pl.DataFrame") -> list[str]:
    """Why there is no total, and costs that contradict each other."""
    from analysis.accounting import inconsistent_costs, mixed_devices_note

    apart = mixed_devices_note(attempts)
    odd = [] if pretrain.is_empty() else inconsistent_costs(pretrain)["text"].to_list()
    return [text for text in (apart, *odd) if text]
