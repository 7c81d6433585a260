"""All that is known of the compute ratios between families, as plain values: §4.4's "2-4x less compute"."""

from typing import Any

import polars as pl

from analysis.accounting import inconsistent_costs
from analysis.compare.ratio_text import PAPER_CLAIM, listed_ratios, pair_sentences
from analysis.compare.ratios import (
    MANY,
    comparable_points,
    compare_families,
    default_tasks,
    doublings,
    ratio_summary,
    ratios_by_task,
)
from analysis.names import family_name
from analysis.rows import MEAN, Rows, accuracies, load_rows, with_display_name

ORDER = ("resnet", "vit", "hybrid")  # each pair is compared once: the later family against the frontier of the earlier


def ratio_answer(
    rows: Rows | None, scores: pl.DataFrame, tasks: list[str] | None, of: str | None, against: str | None
) -> dict[str, Any]:
    """The comparison of every pair of families that `of` and `against` leave, on the mean accuracy over `tasks`.

    `scores` are the rows of `accuracies`; without `tasks` those of `default_tasks` count. The keys of the answer are
    `tasks`, `comparisons` (per pair: summary, points, by data set, sentences), `doublings` and `notes`. A ratio is the
    compute of `against` over the compute of `of`; accuracies are fractions.

    Raises ValueError, in one line, for an unknown family or data set, and when no point can be compared.
    """
    names = sorted(set(scores["task"]) - {MEAN})
    chosen = default_tasks(names) if tasks is None else list(dict.fromkeys(tasks))
    if not chosen:
        raise ValueError(
            "no accuracies to compare: fine-tune or evaluate the models first, or name data sets in --tasks"
        )
    known = with_display_name(comparable_points(scores, chosen)).drop("name").rename({"label": "name"})
    if known.is_empty():
        raise ValueError(f"no pre-trained model has compute and an accuracy on all of: {', '.join(chosen)}")
    pairs = family_pairs(sorted(set(known["family"])), of, against)
    return {
        "tasks": chosen,
        "comparisons": [_comparison(scores, known, chosen, *pair) for pair in pairs],
        "doublings": doublings(known).to_dicts(),
        "notes": _notes(rows, scores, known, chosen),
    }


def family_pairs(families: list[str], of: str | None, against: str | None) -> list[tuple[str, str]]:
    """The pairs (`of`, `against`) that the options allow, each once. Raises ValueError for an unknown family."""
    for option, family in (("--of", of), ("--against", against)):
        if family is not None and family not in families:
            raise ValueError(f"no family {family!r} for {option}: there are points of {', '.join(families)}")
    if of is not None and of == against:
        raise ValueError(f"--of and --against are both {of!r}: a ratio needs two families")
    rank = {family: ORDER.index(family) if family in ORDER else len(ORDER) for family in families}
    ordered = sorted(families, key=lambda family: (rank[family], family))
    if of is not None or against is not None:
        firsts, seconds = [of] if of else ordered, [against] if against else ordered
        return [(one, other) for one in firsts for other in seconds if one != other]
    return [(later, earlier) for place, earlier in enumerate(ordered) for later in ordered[place + 1 :]]


def _comparison(scores: pl.DataFrame, known: pl.DataFrame, tasks: list[str], of: str, against: str) -> dict[str, Any]:
    points = compare_families(known, of, against)
    pair = {"of": of, "against": against, "tasks": tasks} | ratio_summary(points)
    pair |= {"points_beside": points.to_dicts(), "by_task": ratios_by_task(scores, of, against)}
    return pair | {"sentences": pair_sentences(pair, points)}


def published_ratios() -> list[str]:
    """What the ViT paper's own Table 6 gives on its five data sets: the claim, the ratios, and the caveat."""
    rows = load_rows("published/table6")
    # the pairs of ORDER: vit and hybrid against resnet, then hybrid against vit
    vit, _, hybrid = ratio_answer(rows, accuracies(rows), None, None, None)["comparisons"]
    low, high = PAPER_CLAIM
    lead = f"The ViT paper says that ViT takes {low:g}–{high:g} times less compute than ResNets (§4.4)."
    alone, real = (vit["by_task"][task]["geometric_mean"] for task in ("imagenet", "imagenet_real"))
    return [
        f"{lead} Its Table 6 gives, on the mean of its five data sets against the ResNet frontier: "
        f"{listed_ratios(vit)}; geometric mean of the interior ones {vit['geometric_mean']:.2f}.",
        f"The caveat: it depends on the data sets. ImageNet alone gives {alone:.2f}, ImageNet-ReaL alone {real:.2f}: "
        "no advantage.",
        f"Hybrids against the ViT frontier: {listed_ratios(hybrid)}: an advantage of small models.",
    ]


def _notes(rows: Rows | None, scores: pl.DataFrame, known: pl.DataFrame, tasks: list[str]) -> list[str]:
    """What a reader should know of the rows: points left out, a single family, single seeds, contradictory costs."""
    notes = ["Compute is that of pre-training in FLOPs, valid taps; time and money on a chip follow other ratios."]
    trained = scores.filter(pl.col("pretrained"))
    left = trained["run_id"].n_unique() - known["run_id"].n_unique()
    if left > MANY:
        notes.append(
            f"Only points on a family's frontier are compared, {known.height:,}; {left:,} models are left out."
        )
    elif left:
        notes.append(
            f"{left} pre-trained models are left out: without compute, or without an accuracy on all of the data sets."
        )
    if known["family"].n_unique() == 1:
        notes.append(f"All points are of one family ({family_name(known['family'][0])}): a ratio needs two.")
    if known["top1_std"].null_count():
        notes.append("Points with one seed have no interval.")
    costs = trained.unique("run_id", maintain_order=True) if rows is None or rows.pretrain.is_empty() else rows.pretrain
    return notes + [row["text"] for row in inconsistent_costs(costs).to_dicts()]
