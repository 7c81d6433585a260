"""Compute ratios between families as plain values, tables and sentences: §4.4's "2-4x less compute"."""

from typing import Any

import polars as pl

from analysis.accounting import inconsistent_costs
from analysis.compare.ratios import (
    BELOW,
    BEYOND,
    INTERIOR,
    MANY,
    by_task,
    compared,
    default_tasks,
    doublings,
    points,
    summary,
)
from analysis.names import family_name, flops_unit
from analysis.rows import MEAN, Rows, accuracies, load_rows, with_display_name

ORDER = ("resnet", "vit", "hybrid")  # a pair is asked for once: the later family against the earlier
PAPER = (2.0, 4.0)  # §4.4: 'ViT uses approximately 2-4x less compute to attain the same performance'


def ratio_answer(
    rows: Rows | None, scores: pl.DataFrame, tasks: list[str] | None, of: str | None, against: str | None
) -> dict[str, Any]:
    """Everything as plain values: `tasks`, `comparisons` (a pair each: summary, points, by data set, sentences),
    `doublings`, `notes`. Ratios are compute of `against` over compute of `of`; accuracies are fractions.

    Raises ValueError, in one line, for families and data sets that are not there, and when no point can be compared.
    """
    names = sorted(set(scores["task"]) - {MEAN})
    chosen = default_tasks(names) if tasks is None else list(dict.fromkeys(tasks))
    if not chosen:
        raise ValueError(
            "no accuracies to compare: fine-tune or evaluate the models first, or name data sets in --tasks"
        )
    known = with_display_name(points(scores, chosen)).drop("name").rename({"label": "name"})
    if known.is_empty():
        raise ValueError(f"no pre-trained model has compute and an accuracy on all of: {', '.join(chosen)}")
    made = [_pair(scores, known, chosen, *pair) for pair in family_pairs(sorted(set(known["family"])), of, against)]
    return {
        "tasks": chosen,
        "comparisons": made,
        "doublings": doublings(known).to_dicts(),
        "notes": _notes(rows, scores, known, chosen),
    }


def family_pairs(families: list[str], of: str | None, against: str | None) -> list[tuple[str, str]]:
    """(family judged, family judged by): all of the options, each pair once. Raises ValueError for an unknown one."""
    for option, family in (("--of", of), ("--against", against)):
        if family is not None and family not in families:
            raise ValueError(f"no family {family!r} for {option}: points are there of {', '.join(families)}")
    if of is not None and of == against:
        raise ValueError(f"--of and --against are both {of!r}: a ratio needs two families")
    rank = {family: ORDER.index(family) if family in ORDER else len(ORDER) for family in families}
    ordered = sorted(families, key=lambda family: (rank[family], family))
    if of is not None or against is not None:
        firsts, seconds = [of] if of else ordered, [against] if against else ordered
        return [(one, other) for one in firsts for other in seconds if one != other]
    return [(later, earlier) for place, earlier in enumerate(ordered) for later in ordered[place + 1 :]]


def _pair(scores: pl.DataFrame, known: pl.DataFrame, tasks: list[str], of: str, against: str) -> dict[str, Any]:
    beside = compared(known, of, against)
    total = summary(beside)
    single = by_task(scores, of, against)
    made = {"of": of, "against": against, "tasks": tasks} | total
    made |= {"points_beside": beside.to_dicts(), "by_task": single}
    return made | {"sentences": [_result(made), *_claim(made, beside), *_choice(made)]}


def _result(pair: dict[str, Any]) -> str:
    """The ratios in words."""
    of, against = family_name(pair["of"]), family_name(pair["against"])
    outside = [f"{pair[name]} {name} its range" for name in (BEYOND, BELOW) if pair[name]]
    rest = f"; {' and '.join(outside)}, where only a bound is known" if outside else ""
    if pair["geometric_mean"] is None:
        return f"No point of {of} lies within the accuracies of the {against} frontier{rest}: no ratio is measured."
    mean, every = pair["geometric_mean"], pair["geometric_mean_with_extrapolated"]
    ends = f"{pair['interior']} interior points, {_ratio(pair['lowest'])} to {_ratio(pair['highest'])}"
    told = "one interior point" if pair["interior"] == 1 else f"geometric mean of {ends}"
    text = f"For equal accuracy the {against} frontier needs {_ratio(mean)} times the compute of {of} ({told}){rest}"
    count = pair["extrapolated"]
    return text + (f"; {_ratio(every)} with {count} extrapolated, which is a guess." if count else ".")


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def _claim(pair: dict[str, Any], beside: pl.DataFrame) -> list[str]:
    """The ViT paper's claim of §4.4 held against these points, for the pair that it is about."""
    if (pair["of"], pair["against"]) != ("vit", "resnet") or not pair["points"]:
        return []
    low, high = PAPER
    ends = beside.select(value=pl.coalesce("ratio", "ratio_extrapolated"), inside=pl.col("where") == INTERIOR)
    held = ends.filter(pl.col("value").is_between(low, high))
    rounded = ends.filter(pl.col("value").round(0).is_between(low, high))
    text = f"The ViT paper's claim is {low:g}–{high:g} times (§4.4, mean of five data sets): here "
    text += f"{held.height} of {pair['points']} points lie there ({held.filter('inside').height} of them interior), "
    text += f"{rounded.height} after rounding to whole numbers"
    more = beside.filter(pl.col("ratio") > high)["name"].to_list()
    return [text + (f"; above it: {', '.join(more)}." if more else ".")]


def _choice(pair: dict[str, Any]) -> list[str]:
    """The caveat: what each data set alone would say."""
    if len(pair["by_task"]) < 2 or not pair["points"]:
        return []
    told = []
    for task, total in pair["by_task"].items():
        mean = total["geometric_mean"]
        told.append(f"{task} {_ratio(mean)} ({total['interior']} interior)" if mean else f"{task} no interior point")
    low = [task for task, total in pair["by_task"].items() if (total["geometric_mean"] or 9.0) < 1.1]
    text = f"Caveat: the ratio hangs on the data sets. Alone: {'; '.join(told)}."
    return [
        text + (f" On {', '.join(low)} alone {family_name(pair['of'])} has no advantage in compute." if low else "")
    ]


def published_ratios() -> list[str]:
    """What the ViT paper's own Table 6 gives on its five data sets, in words: the claim, its numbers, the caveat."""
    rows = load_rows("published/table6")
    vit, _, hybrid = ratio_answer(rows, accuracies(rows), None, None, None)["comparisons"]
    low, high = PAPER
    lead = f"The ViT paper says that ViT takes {low:g}–{high:g} times less compute than ResNets (§4.4)."
    alone, real = (vit["by_task"][task]["geometric_mean"] for task in ("imagenet", "imagenet_real"))
    return [
        f"{lead} Its Table 6 gives, on the mean of its five data sets against the ResNet frontier: {_each(vit)}; "
        f"geometric mean of the interior ones {vit['geometric_mean']:.2f}.",
        f"The caveat: it hangs on the data sets. ImageNet alone gives {alone:.2f}, ImageNet-ReaL alone {real:.2f}: "
        "no advantage.",
        f"Hybrids against the ViT frontier: {_each(hybrid)}: an advantage of small models.",
    ]


def _each(pair: dict[str, Any]) -> str:
    told = []
    for row in pair["points_beside"]:
        sign = {BEYOND: "> ", BELOW: "< "}.get(row["where"], "")
        drawn_on = row["ratio_extrapolated"]
        more = f" (extrapolated {drawn_on:.2f})" if sign and drawn_on is not None else ""
        told.append(f"{row['name']} {sign}{row['bound' if sign else 'ratio']:.2f}{more}")
    return ", ".join(told)


def _notes(rows: Rows | None, scores: pl.DataFrame, known: pl.DataFrame, tasks: list[str]) -> list[str]:
    """What a reader should know of the rows: left out points, one family, lone seeds, costs that contradict."""
    made = ["Compute is that of pre-training in FLOPs, valid taps; time and money on a chip follow other ratios."]
    trained = scores.filter(pl.col("pretrained"))
    left = trained["run_id"].n_unique() - known["run_id"].n_unique()
    if left > MANY:
        made.append(f"Compared are points on a family's frontier, {known.height:,}; {left:,} models are left out.")
    elif left:
        made.append(
            f"{left} pre-trained models are left out: without compute, or without an accuracy on all of the data sets."
        )
    if known["family"].n_unique() == 1:
        made.append(f"All points are of one family ({family_name(known['family'][0])}): a ratio needs two.")
    if known["top1_std"].null_count():
        made.append("Points with one seed have no interval.")
    costs = trained.unique("run_id", maintain_order=True) if rows is None or rows.pretrain.is_empty() else rows.pretrain
    return made + [row["text"] for row in inconsistent_costs(costs).to_dicts()]


def ratio_table(pair: dict[str, Any]) -> pl.DataFrame:
    """The pair's points as text cells."""
    size, unit = flops_unit(row["exaflops"] for row in pair["points_beside"])
    return pl.DataFrame([_cells(row, size, unit) for row in pair["points_beside"]])


def _cells(row: dict[str, Any], size: float, unit: str) -> dict[str, str]:
    sign = {BEYOND: ">", BELOW: "<"}.get(row["where"], "")
    ratio = f"{sign} {row['bound']:.3g}" if sign else _ratio(row["ratio"])
    if row["ratio_low"] is not None:
        ratio += f" ({_ratio(row['ratio_low'])} to {_ratio(row['ratio_high'])})"
    gain, drawn_on = row["gain"], row["gain_extrapolated"]
    return {
        "model": row["name"],
        unit: f"{row['exaflops'] / size:,.4g}",
        "accuracy (%)": f"{row['top1_mean'] * 100:.2f}",
        "ratio": ratio,
        "where": row["where"] if not sign else f"{row['where']} the range",
        "extrapolated": "–" if row["ratio_extrapolated"] is None else _ratio(row["ratio_extrapolated"]),
        "gain at equal compute (points)": "–" if gain is None else f"{gain * 100:+.2f}",
        "gain, extrapolated": "–" if drawn_on is None else f"{drawn_on * 100:+.2f}",
    }


def doubling_table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """`ratios.doublings` as text cells."""
    size, unit = flops_unit(row["exaflops"] for row in rows)
    return pl.DataFrame(
        {
            "family": [family_name(row["family"]) for row in rows],
            "from": [f"{row['name']} ({row['exaflops'] / size:,.4g} {unit})" for row in rows],
            "to": [f"{row['next_name']} ({row['next_exaflops'] / size:,.4g} {unit})" for row in rows],
            "accuracy (points)": [f"{row['gain_per_doubling'] * 100:+.2f}" for row in rows],
            "error": [
                "–" if row["error_cut_per_doubling"] is None else f"{-row['error_cut_per_doubling']:+.1%}"
                for row in rows
            ],
        }
    )
