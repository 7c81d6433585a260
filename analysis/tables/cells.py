"""Tables for people: frames of text cells, and one small renderer each for HTML, Markdown and the terminal."""

import html
from collections.abc import Sequence
from typing import Any

import polars as pl

from analysis.accounting import CAUSES, TIME_PARTS
from analysis.names import WORK, core_unit, family_name, flops_unit
from analysis.rows import MEAN, Rows, accuracies, fewshot_means, merge_seeds, models_by_run, tasks_of, with_display_name
from scaling.console import WideTable

TEXT_CLASS = ' class="text"'


def percent(mean: float | None, std: float | None = None) -> str:
    """A fraction as '92.31 ± 0.08' in percent; a dash for none."""
    if mean is None:
        return "–"
    return f"{mean * 100:.2f}" + ("" if std is None else f" ± {std * 100:.2f}")


def results_table(rows: Rows, shots: int | None = None) -> pl.DataFrame:
    """One row a model, by family and compute: compute, parameters, accuracy (%, mean ± deviation over seeds) by task
    and with few shots (`shots` a class; by default 5, as in §4.1, or else the most there are). Text cells.
    """
    scores = accuracies(rows)
    same = models_by_run(rows.pretrain, rows.transfer)
    sizes = rows.pretrain.select("run_id", "parameters")
    runs = merge_seeds(_all_runs(rows, scores), same).unique("run_id", keep="first", maintain_order=True)
    runs = runs.join(sizes, on="run_id", how="left")
    size, unit = flops_unit(runs["exaflops_valid"].drop_nulls())
    shown = with_display_name(runs).sort("family", "exaflops_valid", "label", "run_id")
    cells: dict[str, list[str]] = {
        "model": [row["label"] + ("" if row["pretrained"] else " from scratch") for row in shown.to_dicts()],
        "family": [family_name(family) for family in shown["family"]],
        f"pre-training ({unit})": [
            "–" if value is None else f"{value / size:,.4g}" for value in shown["exaflops_valid"]
        ],
        "parameters": [_count(value) for value in shown["parameters"]],
    }
    for task in tasks_of(scores):
        found = {row["run_id"]: percent(row["top1_mean"], row["top1_std"]) for row in _of(scores, task)}
        cells[_heading(f"{task} (%)" if task != MEAN else "mean (%)", cells)] = [
            found.get(i, "–") for i in shown["run_id"]
        ]
    probed = merge_seeds(rows.fewshot, same)
    means = fewshot_means(probed.clear() if rows.transfer.is_empty() else probed)  # else the tasks are these already
    for dataset in means["dataset"].unique(maintain_order=True):
        part = means.filter(pl.col("dataset") == dataset)
        there = sorted(set(part["shots"]))
        taken = shots if shots is not None else (5 if 5 in there else there[-1])
        chosen = part.filter(pl.col("shots") == taken).to_dicts()
        found = {row["run_id"]: percent(row["top1_mean"], row["top1_std"]) for row in chosen}
        cells[_heading(f"{dataset} {taken}-shot (%)", cells)] = [found.get(i, "–") for i in shown["run_id"]]
    return pl.DataFrame(cells)


def _all_runs(rows: Rows, scores: pl.DataFrame) -> pl.DataFrame:
    """Every pre-trained model and every control that has an accuracy or few-shot rows."""
    columns = ["run_id", "name", "family", "pretrained", "epochs", "exaflops_valid"]
    trained = rows.pretrain.with_columns(pretrained=pl.lit(True), exaflops_valid=pl.col("train_flops_valid") / 1e18)
    probed = rows.fewshot.select(
        "run_id",
        "name",
        "family",
        pretrained=pl.col("run_id").is_in(rows.pretrain["run_id"].implode()),
        epochs=pl.lit(None, pl.Float64),
        exaflops_valid=pl.lit(None, pl.Float64),
    )
    parts = [frame.select(columns) for frame in (trained, scores, probed)]
    return pl.concat(parts).unique("run_id", keep="first", maintain_order=True)


def account_table(account: pl.DataFrame, by: tuple[str, ...] = ("kind",)) -> pl.DataFrame:
    """The core-day account (`core_days.account` by `by`) as text cells: occupied time, its parts, attempts, speed.

    A row's times are in the unit that fits its device (the largest row's: core-days to core-seconds).
    """
    largest = {row["device"]: row["core_seconds"] for row in account.sort("core_seconds").to_dicts()}
    made = []
    for row in account.to_dicts():
        seconds, unit = core_unit(largest[row["device"]])
        speed, share = row["tflops_per_core"], row["productive_share"]
        group = {key: WORK.get(row[key], row[key]) if key == "kind" else row[key] for key in by}
        if "family" in group:
            group["family"] = family_name(group["family"])
        made.append(
            {"device": row["device"], **group, "unit": unit, "occupied": f"{row['core_seconds'] / seconds:,.2f}"}
            | {title: f"{row[part] / seconds:,.2f}" if clocked(row) else "–" for part, title in TIME_PARTS.items()}
            | {"productive share": "–" if share is None else f"{share:.0%}", "attempts": str(row["attempts"])}
            | {"failed": str(row["failed"]), "killed": str(row["killed"])}
            | {"TFLOP/s a core": "–" if speed is None else f"{speed:.3g}"}
            | _worth(row)
        )
    # what no row knows (clocks, a chip of the catalogue) is no column
    unknown = [*TIME_PARTS.values(), "productive share", "TFLOP/s a core", *_worth({})]
    return pl.DataFrame(made).drop([name for name in unknown if all(row[name] == "–" for row in made)], strict=False)


def clocked(row: dict[str, Any]) -> bool:
    """Whether a row of the account knows how its time was split: not where there is a published total alone."""
    return row["productive_share"] is not None or any(row[part] for part in TIME_PARTS if part != "overhead")


def _worth(row: dict[str, Any]) -> dict[str, str]:
    """Cells of speed over what was occupied, and of what needs the catalogue: utilisation, list price."""
    shares = {"of peak": row.get("utilisation"), "of peak, occupied": row.get("utilisation_occupied")}
    price, speed = row.get("price_usd"), row.get("exaflops_per_core_day")
    told = {"EF a core-day": "–" if speed is None else f"{speed:#.3g}"}
    told |= {name: "–" if share is None else f"{share:.1%}" for name, share in shares.items()}
    return told | {"list price": "–" if price is None else f"${price:,.2f}"}


def losses_table(losses: pl.DataFrame) -> pl.DataFrame:
    """`core_days.losses` as text cells, without causes that took nothing."""
    made = []
    for row in losses.filter(pl.col("core_seconds") > 0).to_dicts():
        seconds, unit = core_unit(row["core_seconds"])
        time = f"{row['core_seconds'] / seconds:,.2f} {unit}"
        share = "–" if row["share"] is None else f"{row['share']:.1%}"
        made.append({"device": row["device"], "cause": CAUSES[row["cause"]], "time": time, "of occupied": share})
    return pl.DataFrame(made)


def frontier_table(frontier: pl.DataFrame) -> pl.DataFrame:
    """The frontier's points (`frontier.frontier`) as text cells."""
    size, unit = flops_unit(frontier["exaflops_valid"].drop_nulls())
    rows = with_display_name(frontier).to_dicts()
    return pl.DataFrame(
        {
            "task": [row["task"] for row in rows],
            "model": [row["label"] + ("" if row["pretrained"] else " from scratch") for row in rows],
            "family": [family_name(row["family"]) for row in rows],
            unit: ["–" if row["exaflops_valid"] is None else f"{row['exaflops_valid'] / size:,.4g}" for row in rows],
            "accuracy (%)": [percent(row["top1_mean"], row["top1_std"]) for row in rows],
            "seeds": [str(row["seeds"]) for row in rows],
            "frontier": [
                "overall" if row["on_frontier"] else "family" if row["on_family_frontier"] else "" for row in rows
            ],
        }
    )


# --- renderers -----------------------------------------------------------------------------------------------------


def to_html(frame: pl.DataFrame, caption: str, text: Sequence[str] = (), long: Sequence[str] = ()) -> str:
    """A table in a box that scrolls sideways; the first column holds the rows' headings. Everything is escaped.

    The columns of `text` stand to the left, those of `long` may wrap as well; the others are numbers.
    """
    kinds = dict.fromkeys(text, ' class="text"') | dict.fromkeys(long, ' class="long"')
    places = [kinds.get(name, "") for name in frame.columns]
    head = "".join(
        f'<th scope="col"{kind and TEXT_CLASS}>{html.escape(name)}</th>'
        for name, kind in zip(frame.columns, places, strict=True)
    )
    body = "".join(
        f'<tr><th scope="row">{html.escape(str(first))}</th>'
        + "".join(f"<td{kind}>{html.escape(str(cell))}</td>" for kind, cell in zip(places[1:], rest, strict=True))
        + "</tr>\n"
        for first, *rest in frame.iter_rows()
    )
    table = (
        f"<table><caption>{html.escape(caption)}</caption><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table>"
    )
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(caption)}">{table}</div>'


def to_markdown(frame: pl.DataFrame) -> str:
    """A table in GitHub's Markdown; what would end a cell or start a tag is escaped."""
    lines = [frame.columns, ["---"] * len(frame.columns), *frame.iter_rows()]
    return "\n".join("| " + " | ".join(_plain(str(cell)) for cell in line) + " |" for line in lines) + "\n"


LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "±": r"$\pm$"}
LATEX |= {character: f"\\{character}" for character in "&%$#_{}"} | {"×": r"$\times$", "<": r"$<$", ">": r"$>$"}


def to_latex(frame: pl.DataFrame, caption: str) -> str:
    """A table for a paper, with the rules of the package booktabs; the first column to the left. All is escaped."""
    columns = "l" + "r" * (frame.width - 1)
    head, *body = (
        " & ".join(_latex(str(cell)) for cell in line) + r" \\" for line in (frame.columns, *frame.iter_rows())
    )
    lines = [
        r"\begin{table}",
        rf"\caption{{{_latex(caption)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        *(r"\toprule", head, r"\midrule", *body, r"\bottomrule"),
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def to_rich(frame: pl.DataFrame, title: str) -> WideTable:
    """A table for the terminal, with every number whole at any width."""
    return WideTable(title, tuple(frame.columns), tuple(tuple(map(str, row)) for row in frame.iter_rows()))


def _plain(cell: str) -> str:
    return html.escape(cell, quote=False).replace("|", "\\|").replace("\n", " ")


def _latex(cell: str) -> str:
    return "".join(LATEX.get(character, character) for character in cell.replace("\n", " "))


def _heading(text: str, taken: dict[str, list[str]]) -> str:
    return text if text not in taken else _heading(text + "'", taken)


def _of(scores: pl.DataFrame, task: str) -> list[dict[str, Any]]:
    return scores.filter(pl.col("task") == task).to_dicts()


def _count(value: int | None) -> str:
    if value is None:
        return "–"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {letter}"
    return str(value)
