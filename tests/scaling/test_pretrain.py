"""Which images a run trains on and is judged on, and what it refuses."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from scaling import results
from scaling.pretrain import pretrain, split
from scaling.recipe import check_batches
from scaling.specs import Pretrain, Recipe
from scaling.storage import Storage
from scaling.training.devices import local_device

N = 1000


@pytest.fixture
def run(tiny_run: Pretrain) -> Pretrain:
    return replace(tiny_run, dev_fraction=0.1)


def test_smaller_subsets_lie_in_larger_ones_and_none_in_the_held_out_share(run: Pretrain) -> None:
    """Whatever the runs' seeds, as the 9M, 30M and 90M of §4.3."""
    everything, held_out = split(N, run)
    chosen = [split(N, replace(run, subset=size, seed=seed)) for seed, size in enumerate((9, 30, 90, 900))]
    for (smaller, _), (larger, _) in pairwise(chosen):
        assert set(smaller) < set(larger)
    for (images, dev), size in zip(chosen, (9, 30, 90, 900), strict=True):
        assert len(set(images)) == len(images) == size
        assert not set(images) & set(held_out)
        assert np.array_equal(dev, held_out)
    assert np.array_equal(chosen[-1][0], everything)
    assert len(held_out) == 100


def test_a_subset_is_spread_over_the_whole_set(run: Pretrain) -> None:
    subset, _ = split(N, replace(run, subset=300))
    quarters = np.histogram(subset, bins=4, range=(0, N))[0]
    assert quarters.min() > 50
    assert quarters.max() < 100


def test_runs_on_a_subset_see_all_of_it_and_nothing_else(
    run: Pretrain, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    import scaling.data.loading as module

    seen: set[int] = set()
    original = module.train_images

    def spy(images, chosen, *rest, **options):  # type: ignore[no-untyped-def]
        seen.update(chosen.tolist())
        return original(images, chosen, *rest, **options)

    monkeypatch.setattr(module, "train_images", spy)
    small = replace(run, subset=20)
    pretrain(small, storage=storage, study="x", device=local_device(), report=lambda step, metrics: None)
    assert seen == set(split(96, small)[0].tolist())
    (row,) = results.read(storage, "pretrain").to_dicts()
    assert (row["steps"], row["images"]) == (round(2.2 * 20 / 8), round(2.2 * 20 / 8) * 8)


def test_the_number_of_evaluations_is_the_runs(run: Pretrain, storage: Storage) -> None:
    few = replace(run, evaluations=3)
    pretrain(few, storage=storage, study="x", device=local_device(), report=lambda step, metrics: None)
    curve = results.read(storage, "curve").sort("step").drop_nulls("dev_top1")
    assert curve["step"].to_list() == [8, 16, 24]


def test_what_cannot_be_split_is_an_error(run: Pretrain) -> None:
    with pytest.raises(ValueError, match="subset 901 of tiny is more than the 900 images to train on"):
        split(N, replace(run, subset=901))
    with pytest.raises(ValueError, match=r"early_stopping of tiny: dev_fraction 0\.1 of 4 images holds none out"):
        split(4, replace(run, early_stopping=1))


@pytest.mark.parametrize(
    ("recipe", "workers", "microbatch", "message"),
    [
        (Recipe(batch_size=8), 3, None, "batch_size 8 is not divisible by 3 workers"),
        (Recipe(batch_size=8), 1, 0, "microbatch must be positive, got 0"),
        (Recipe(batch_size=6, mixup=0.1), 2, None, r"of a worker \(3\) and of a microbatch \(None\) must be even"),
        (Recipe(batch_size=8, mixup=0.1), 2, 3, r"of a worker \(4\) and of a microbatch \(3\) must be even"),
        (Recipe(crop="random", resize=15), 1, None, "resize 15 is smaller than the 16 pixels of a crop"),
    ],
)
def test_batches_that_cannot_be_cut_up_are_errors(
    recipe: Recipe, workers: int, microbatch: int | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check_batches(recipe, 16, workers=workers, microbatch=microbatch)


def test_other_batches_are_fine() -> None:
    check_batches(Recipe(batch_size=6), 16, workers=2, microbatch=5)
    check_batches(Recipe(batch_size=8, mixup=0.1), 16, workers=4, microbatch=2)
    check_batches(Recipe(crop="random", resize=16), 16, workers=1, microbatch=None)
