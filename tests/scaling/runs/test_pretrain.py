"""Which images a run trains on and is judged on, and what it refuses."""

from dataclasses import replace
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scaling.data.resolve import resolve, resolve_study
from scaling.data.sources import encoding
from scaling.data.sources.decoding import CorruptImageError
from scaling.data.sources.images import Images
from scaling.data.sources.read import open_split
from scaling.runs.pretrain import pretrain, split
from scaling.specs.execution import Execution
from scaling.specs.pretraining import Dataset, Pretrain
from scaling.specs.recipe import Recipe, check_batches
from scaling.specs.study import Study
from scaling.store import frames
from scaling.store.storage import Storage
from scaling.training.devices import local_device
from tests.helpers.images import plain_labels
from tests.helpers.photographs import photograph, written

N = 1000


@pytest.fixture
def run(tiny_run: Pretrain) -> Pretrain:
    return replace(tiny_run, dev_fraction=0.1)


def numbers(count: int, run: Pretrain) -> np.ndarray:
    """The images that a run trains on."""
    index, _ = split(count, run)
    return index[np.arange(len(index))]


def test_smaller_subsets_lie_in_larger_ones_and_none_in_the_held_out_share(run: Pretrain) -> None:
    """Whatever the runs' seeds, as the 9M, 30M and 90M of §4.3."""
    everything, (_, held_out) = numbers(N, run), split(N, run)
    subsets = [replace(run, subset=size, seed=seed) for seed, size in enumerate((9, 30, 90, 900))]
    chosen = [(numbers(N, some), split(N, some)[1]) for some in subsets]
    for (smaller, _), (larger, _) in pairwise(chosen):
        assert set(smaller) < set(larger)
    for (images, dev), size in zip(chosen, (9, 30, 90, 900), strict=True):
        assert len(set(images)) == len(images) == size
        assert not set(images) & set(held_out)
        assert np.array_equal(dev, held_out)
    assert np.array_equal(chosen[-1][0], everything)
    assert len(held_out) == 100


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # it is a value
@given(st.integers(2, 5000), st.lists(st.floats(1e-4, 0.9999), min_size=2, max_size=5), st.floats(0, 0.5))
def test_smaller_shares_lie_in_larger_ones(run: Pretrain, count: int, shares: list[float], dev_fraction: float) -> None:
    runs = [replace(run, subset=share, dev_fraction=dev_fraction) for share in sorted(shares)]
    chosen = [set(numbers(count, some).tolist()) for some in runs]
    whole = set(numbers(count, replace(run, dev_fraction=dev_fraction)).tolist())
    assert all(small <= large for small, large in pairwise([*chosen, whole]))
    counts = [replace(some, subset=len(indices)) for some, indices in zip(runs, chosen, strict=True)]
    assert [set(numbers(count, some).tolist()) for some in counts] == chosen


def test_a_share_and_its_count_are_one_run_of_a_resolved_study(run: Pretrain) -> None:
    share = resolve_study(Study("x", (replace(run, subset=0.25, dev_fraction=0.0),))).runs[0]
    assert run.data.num_train is not None
    assert share.subset == round(run.data.num_train * 0.25) == share.num_images
    assert share.id == replace(run, subset=share.subset, dev_fraction=0.0).id
    for wrong in (0, -3, 0.0, 1.0, 1.5):
        with pytest.raises(ValueError, match="a positive number of images or a share"):
            replace(run, subset=wrong)


def test_a_subset_is_spread_over_the_whole_set(run: Pretrain) -> None:
    subset = numbers(N, replace(run, subset=300))
    quarters = np.histogram(subset, bins=4, range=(0, N))[0]
    assert quarters.min() > 50
    assert quarters.max() < 100


def test_runs_on_a_subset_see_all_of_it_and_nothing_else(
    run: Pretrain, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = import_module("scaling.data.pipeline.loading")

    seen: set[int] = set()
    original = module.train_images

    def spy(images: Images, chosen: np.ndarray, *rest: Any, **options: Any) -> torch.Tensor:
        seen.update(chosen.tolist())
        made: torch.Tensor = original(images, chosen, *rest, **options)
        return made

    monkeypatch.setattr(module, "train_images", spy)
    small = replace(run, subset=20)
    pretrain(small, storage=storage, study="x", device=local_device(), report=lambda step, metrics: None)
    assert seen == set(numbers(96, small).tolist())
    (row,) = frames.read_table(storage, "pretrain").to_dicts()
    assert (row["steps"], row["images"]) == (round(2.2 * 20 / 8), round(2.2 * 20 / 8) * 8)


@pytest.fixture(scope="module")
def torn(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """40 photographs, six of them cut off."""
    path = tmp_path_factory.mktemp("torn") / "train.parquet"
    return resolve(Dataset("torn", written(path, [photograph(i) for i in range(40)], range(0, 40, 7))))


def test_corrupt_images_are_counted_and_the_first_is_named(run: Pretrain, torn: Dataset, tmp_path: Path) -> None:
    """The same run by threads and by a process; none of its rows depends on which."""
    skipping = replace(run, data=replace(torn, corrupt="skip"), dev_fraction=0.5, evaluations=1)
    found = []
    for loaders in (0, 1):
        storage = Storage.of(tmp_path / str(loaders))
        device = local_device(Execution(loaders=loaders))
        pretrain(skipping, storage=storage, study="x", device=device, report=lambda step, metrics: None)
        (attempt,) = frames.read_table(storage, "attempt").to_dicts()
        assert attempt["corrupt_images"] == 6  # three in either half: one trained on, the other evaluated
        assert "cannot be decoded" in attempt["first_corrupt"]
        assert attempt["outcome"] == "done"
        assert attempt["cores"] == 1 + loaders
        assert frames.skipped_images(storage) == [f"Skipped up to 6 corrupt images per run: {attempt['first_corrupt']}"]
        found.append(frames.read_table(storage, "pretrain"))
    assert found[0].equals(found[1])
    assert found[0]["dev_top1"].is_not_null().all()


def test_a_corrupt_image_stops_the_run_that_does_not_skip_it(run: Pretrain, torn: Dataset, storage: Storage) -> None:
    with pytest.raises(CorruptImageError, match=r"the image in row \d+ of .*train\.parquet cannot be decoded"):
        pretrain(replace(run, data=torn), storage=storage, study="x", device=local_device(), report=print)
    (attempt,) = frames.read_table(storage, "attempt").to_dicts()
    assert attempt["outcome"] == "failed"
    assert "train.parquet cannot be decoded" in attempt["reason"]
    assert frames.skipped_images(storage) == []


def test_a_shuffle_of_shards_is_another_run(run: Pretrain, storage: Storage, tmp_path: Path) -> None:
    """With windows as large as the set it takes the same steps."""
    assert run.data.train is not None
    images = open_split(run.data.train, None)
    files = [encoded for i in range(len(images)) if (encoded := images.encoded[i])]
    for part in range(4):
        here = slice(24 * part, 24 * part + 24)
        content = encoding.encode_parquet(files[here], plain_labels(images)[here], list("abcd"))
        (tmp_path / f"{part}.parquet").write_bytes(content)
    data = resolve(Dataset("shards", f"parquet:{tmp_path}/*.parquet"))
    shuffles: tuple[tuple[Literal["full", "shards"], int], ...] = (("full", 16), ("shards", 4), ("shards", 2))
    runs = [replace(run, data=data, shuffle=shuffle, shuffle_window=window) for shuffle, window in shuffles]
    for one in runs:
        pretrain(one, storage=storage, study="x", device=local_device(), report=lambda step, metrics: None)
    curves = frames.read_table(storage, "curve").sort("step")
    full, whole, windows = (curves.filter(run_id=one.id)["train_loss"].to_list() for one in runs)
    assert full == whole
    assert full != windows


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shuffle": "some"}, "shuffle must be one of full, shards, got 'some'"),
        ({"shuffle_window": 0}, "shuffle_window of tiny must be positive, got 0"),
    ],
)
def test_shuffles_that_do_not_exist(run: Pretrain, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(run, **change)
    with pytest.raises(ValueError, match="corrupt must be one of fail, skip, got 'ignore'"):
        replace(run.data, corrupt="ignore")  # type: ignore[arg-type]


def test_the_number_of_evaluations_is_the_runs(run: Pretrain, storage: Storage) -> None:
    few = replace(run, evaluations=3)
    pretrain(few, storage=storage, study="x", device=local_device(), report=lambda step, metrics: None)
    curve = frames.read_table(storage, "curve").sort("step").drop_nulls("dev_top1")
    assert curve["step"].to_list() == [8, 16, 24]


def test_what_cannot_be_split_is_an_error(run: Pretrain) -> None:
    with pytest.raises(ValueError, match="subset 901 of tiny is more than the 900 training images of"):
        split(N, replace(run, subset=901))
    with pytest.raises(ValueError, match=r"early_stopping of tiny: dev_fraction 0\.1 of 4 images holds none out"):
        split(4, replace(run, early_stopping=1))


@pytest.mark.parametrize(
    ("recipe", "workers", "microbatch", "message"),
    [
        (Recipe(batch_size=8), 9, None, "batch_size 8 is 8 images, too few for 9 workers: ask for fewer, or a larger"),
        (Recipe(batch_size=8), 1, 0, "microbatch must be positive, got 0"),
        (Recipe(batch_size=7, mixup=0.1), 1, None, "MixUp mixes pairs: batch_size must be even, got 7"),
        (Recipe(batch_size=7, cutmix=1.0), 1, None, "CutMix mixes pairs: batch_size must be even, got 7"),
        (Recipe(batch_size=8, mixup=0.1), 2, 1, "MixUp mixes pairs: microbatch must be at least 2, got 1"),
        (Recipe(batch_size=8, mixup=0.1), 5, None, "batch_size 8 is 4 pairs of MixUp, too few for 5 workers"),
        (Recipe(crop="random", resize=15), 1, None, "resize 15 is smaller than the 16 pixels of a crop"),
    ],
)
def test_batches_that_cannot_be_cut_up_are_errors(
    recipe: Recipe, workers: int, microbatch: int | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check_batches(recipe, 16, workers=workers, microbatch=microbatch)


def test_other_batches_are_fine() -> None:
    for workers in range(1, 9):  # also where they do not divide it
        check_batches(Recipe(batch_size=8), 16, workers=workers, microbatch=5)
        check_batches(Recipe(batch_size=16, mixup=0.1), 16, workers=workers, microbatch=3)
    check_batches(Recipe(crop="random", resize=16), 16, workers=1, microbatch=None)
