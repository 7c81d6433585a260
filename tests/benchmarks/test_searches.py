"""The comparison of searches: what its figures mean."""

from benchmarks.searches import compare


def test_figures_are_medians_over_seeds_and_shares_of_all_steps() -> None:
    tops = {"grid": (0.5, 0.6, 0.7), "tpe": (0.55, 0.6, 0.5), "grid with ASHA": (0.5, 0.59, 0.7)}
    steps = {"grid": 100, "tpe": 100, "grid with ASHA": 40}
    rows = [
        {"search": name, "seed": seed, "dev_top1": top1, "steps": steps[name], "seconds": 1.0}
        for name, values in tops.items()
        for seed, top1 in enumerate(values)
    ]
    tpe, asha, share = compare(rows).values()
    assert (tpe, asha, share) == (0.0, 0.0, 0.4)
