"""Compute ratios between families in words and as text cells. A pair is one of `ratio_answer`'s comparisons."""

from typing import Any

import polars as pl

from analysis.compare.ratios import BELOW, BEYOND, FARTHEST, INTERIOR, is_near, is_papers_comparison
from analysis.names import family_name, figure, flops_unit

PAPER_CLAIM = (2.0, 4.0)  # §4.4: 'ViT uses approximately 2-4x less compute to attain the same performance'


def pair_sentences(pair: dict[str, Any], points: pl.DataFrame) -> list[str]:
    """The result, how it compares with the paper's claim, and the caveat; `points` are `compare_families`' rows."""
    return [_result(pair), *_too_far(pair), *_claim(pair, points), *_caveat(pair)]


def _result(pair: dict[str, Any]) -> str:
    of, against = family_name(pair["of"]), family_name(pair["against"])
    outside = [f"{pair[name]} {name} its range" for name in (BEYOND, BELOW) if pair[name]]
    rest = f"; {' and '.join(outside)}, where only a bound is known" if outside else ""
    if pair["geometric_mean"] is None:
        return f"No point of {of} lies within the accuracies of the {against} frontier{rest}: no ratio is measured."
    mean, every = pair["geometric_mean"], pair["geometric_mean_with_extrapolated"]
    ends = f"{pair['interior']} interior points, {_ratio(pair['lowest'])} to {_ratio(pair['highest'])}"
    basis = "one interior point" if pair["interior"] == 1 else f"geometric mean of {ends}"
    text = f"For equal accuracy the {against} frontier needs {_ratio(mean)} times the compute of {of} ({basis}){rest}"
    text += _level(pair["points_beside"])
    count = pair["extrapolated"]
    return text + (f"; {_ratio(every)} with {count} extrapolated, which is a guess." if count else ".")


def _level(points: list[dict[str, Any]]) -> str:
    """How many of the interior ratios are 1 within one standard error over seeds."""
    level = [row for row in points if row["ratio_low"] is not None and row["ratio_low"] <= 1 <= row["ratio_high"]]
    return (
        f"; {len(level)} of the interior points {'is' if len(level) == 1 else 'are'} at 1 within the seeds' error"
        if level
        else ""
    )


def _too_far(pair: dict[str, Any]) -> list[str]:
    count = pair["too_far"]
    who = "the point" if count == 1 else f"{count} points"
    text = (
        f"No extrapolated ratio is given of {who} for which the {family_name(pair['against'])} frontier would have to "
    )
    return [f"{text}be extended to more than {FARTHEST:g} times its compute."] if count else []


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value >= 0.1 else figure(value, 2)


def _claim(pair: dict[str, Any], points: pl.DataFrame) -> list[str]:
    """How many of these points bear out the ViT paper's claim (§4.4), for the pair that it is about."""
    if (
        (pair["of"], pair["against"]) != ("vit", "resnet")
        or not pair["points"]
        or not is_papers_comparison(pair["tasks"])
    ):
        return []
    low, high = PAPER_CLAIM
    near = pl.when(is_near()).then("ratio_extrapolated")
    ends = points.select(value=pl.coalesce("ratio", near), inside=pl.col("where") == INTERIOR)
    held = ends.filter(pl.col("value").is_between(low, high))
    rounded = ends.filter(pl.col("value").round(0).is_between(low, high))
    text = f"The ViT paper's claim is {low:g}–{high:g} times (§4.4, mean of five data sets): here "
    text += f"{held.height} of {pair['points']} points lie there ({held.filter('inside').height} of them interior), "
    text += f"{rounded.height} after rounding to whole numbers"
    more = points.filter(pl.col("ratio") > high)["name"].to_list()
    return [text + (f"; above it: {', '.join(more)}." if more else ".")]


def _caveat(pair: dict[str, Any]) -> list[str]:
    """What each data set would say alone."""
    if len(pair["by_task"]) < 2 or not pair["points"]:
        return []
    listed = []
    for task, total in pair["by_task"].items():
        mean = total["geometric_mean"]
        listed.append(f"{task} {_ratio(mean)} ({total['interior']} interior)" if mean else f"{task} no interior point")
    # without an interior point nothing is known of a data set, so it counts as far above 1.1
    low = [task for task, total in pair["by_task"].items() if (total["geometric_mean"] or 9.0) < 1.1]
    text = f"Caveat: the ratio depends on the data sets. Alone: {'; '.join(listed)}."
    return [
        text + (f" On {', '.join(low)} alone {family_name(pair['of'])} has no advantage in compute." if low else "")
    ]


def listed_ratios(pair: dict[str, Any]) -> str:
    """Every point of a pair with its ratio, or with the bound on it and the extrapolated value."""
    listed = []
    for row in pair["points_beside"]:
        sign = {BEYOND: "> ", BELOW: "< "}.get(row["where"], "")
        drawn_on = row["ratio_extrapolated"]
        near = drawn_on is not None and 1 / FARTHEST <= drawn_on / row["bound"] <= FARTHEST
        more = f" (extrapolated {drawn_on:.2f})" if sign and near else ""
        listed.append(f"{row['name']} {sign}{row['bound' if sign else 'ratio']:.2f}{more}")
    return ", ".join(listed)


def ratio_table(pair: dict[str, Any]) -> pl.DataFrame:
    """The pair's points as text cells."""
    size, unit = flops_unit(row["exaflops"] for row in pair["points_beside"])
    return pl.DataFrame([_cells(row, size, unit) for row in pair["points_beside"]])


def _cells(row: dict[str, Any], size: float, unit: str) -> dict[str, str]:
    sign = {BEYOND: ">", BELOW: "<"}.get(row["where"], "")
    ratio = f"{sign} {figure(row['bound'], 3)}" if sign else _ratio(row["ratio"])
    if row["ratio_low"] is not None:
        ratio += f" ({_ratio(row['ratio_low'])} to {_ratio(row['ratio_high'])})"
    gain, drawn_on, beyond = row["gain"], row["gain_extrapolated"], row["ratio_extrapolated"]
    near = beyond is not None and 1 / FARTHEST <= beyond / row["bound"] <= FARTHEST
    # an accuracy below 0 or above 1 is none: the line is extended too far
    is_accuracy = drawn_on is not None and 0 <= row["top1_mean"] - drawn_on <= 1
    return {
        "model": row["name"],
        unit: f"{row['exaflops'] / size:,.4g}",
        "accuracy (%)": f"{row['top1_mean'] * 100:.2f}",
        "ratio": ratio,
        "where": row["where"] if not sign else f"{row['where']} the range",
        "extrapolated": _ratio(beyond) if near else "–" if beyond is None else "too far",
        "gain at equal compute (points)": "–" if gain is None else f"{gain * 100:+.2f}",
        "gain, extrapolated": f"{drawn_on * 100:+.2f}" if is_accuracy else "–" if drawn_on is None else "too far",
    }


def doubling_table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """`doublings`' rows as text cells."""
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
