"""Core time as text cells: where it went, and what was lost."""

from typing import Any

import polars as pl

from analysis.accounting import CAUSES, TIME_PARTS
from analysis.names import WORK, core_unit, family_name


def account_table(account: pl.DataFrame, by: tuple[str, ...] = ("kind",)) -> pl.DataFrame:
    """`core_time_account`'s rows by `by` as text cells: core time used, its parts, attempts, speed.

    A device's times all have the unit that fits its largest row: core-days to core-seconds, GPU-days on a GPU. Columns
    in which no row has a value are left out.
    """
    largest = {row["device"]: row["core_seconds"] for row in account.sort("core_seconds").to_dicts()}
    rows = []
    for row in account.to_dicts():
        seconds, unit = core_unit(largest[row["device"]], row["device"])
        speed, share = row["tflops_per_core"], row["productive_share"]
        group = {key: WORK.get(row[key], row[key]) if key == "kind" else row[key] for key in by}
        if "family" in group:
            group["family"] = family_name(group["family"])
        rows.append(
            {"device": row["device"], **group, "unit": unit, "used": f"{row['core_seconds'] / seconds:,.2f}"}
            | {title: f"{row[part] / seconds:,.2f}" if _clocked(row) else "–" for part, title in TIME_PARTS.items()}
            | {"productive share": "–" if share is None else f"{share:.0%}", "attempts": str(row["attempts"])}
            | {"failed": str(row["failed"]), "stopped": str(row["interrupted"]), "killed": str(row["killed"])}
            | {"TFLOP/s per core": "–" if speed is None else f"{speed:.3g}"}
            | _worth(row)
        )
    optional = [*TIME_PARTS.values(), "productive share", "TFLOP/s per core", *_worth({})]
    return pl.DataFrame(rows).drop([name for name in optional if all(row[name] == "–" for row in rows)], strict=False)


def _clocked(row: dict[str, Any]) -> bool:
    """Whether a row of the account has clocks: not where only a total was published."""
    return row["productive_share"] is not None or any(row[part] for part in TIME_PARTS if part != "overhead")


def _worth(row: dict[str, Any]) -> dict[str, str]:
    """Cells of the speed over all core time used, and of what needs the catalogue: share of the peak, list price."""
    shares = {"of peak": row.get("utilisation"), "of peak, used": row.get("utilisation_occupied")}
    price, speed = row.get("price_usd"), row.get("exaflops_per_core_day")
    cells = {"EF per core-day": "–" if speed is None else f"{speed:#.3g}"}
    cells |= {name: "–" if share is None else f"{share:.1%}" for name, share in shares.items()}
    return cells | {"list price": "–" if price is None else f"${price:,.2f}"}


def losses_table(losses: pl.DataFrame) -> pl.DataFrame:
    """`core_time_losses`' rows as text cells, without causes that took no time."""
    rows = []
    for row in losses.filter(pl.col("core_seconds") > 0).to_dicts():
        seconds, unit = core_unit(row["core_seconds"], row["device"])
        time = f"{row['core_seconds'] / seconds:,.2f} {unit}"
        share = "–" if row["share"] is None else f"{row['share']:.1%}"
        rows.append({"device": row["device"], "cause": CAUSES[row["cause"]], "time": time, "of used": share})
    return pl.DataFrame(rows)
