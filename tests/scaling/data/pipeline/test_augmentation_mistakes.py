"""What cannot be an augmentation is one line, when it is written down or when the study is read."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from scaling.data.pipeline.augmentation import check_augmentation
from scaling.specs.augmentation import ColorJitter, RandAugment, RandomErasing, ThreeAugment
from scaling.specs.functions import Augmentation
from scaling.specs.recipe import Recipe

HERE = "tests.helpers.functions"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: RandAugment(-1), "layers of RandAugment must be 0 to 100, got -1"),
        (lambda: RandAugment(2.5), "layers of RandAugment must be an integer, got 2.5"),  # type: ignore[arg-type]
        (lambda: RandAugment(2, 31), "magnitude of RandAugment must be 0 to 30 with 'original' operations, got 31"),
        (lambda: RandAugment(2, 11, "increasing"), "must be 0 to 10 with 'increasing' operations, got 11"),
        (lambda: RandAugment(std=float("nan")), "std of RandAugment must be 0 to 30, got nan"),
        (lambda: RandAugment(probability=1.1), "probability of RandAugment must be in [0, 1], got 1.1"),
        (lambda: RandAugment(operations="all"), "operations must be one of original, increasing, got 'all'"),  # type: ignore[arg-type]
        (lambda: ColorJitter(-0.1), "brightness of ColorJitter must be 0 to 10, got -0.1"),
        (lambda: ColorJitter(hue=0.6), "hue of ColorJitter must be 0 to 0.5, got 0.6"),
        (lambda: ThreeAugment(-1.0), "jitter of ThreeAugment must be 0 to 10, got -1.0"),
        (lambda: RandomErasing(min_area=0.5), "areas of RandomErasing must be in (0, 1] and rise, got 0.5 to 0.3"),
        (lambda: RandomErasing(min_aspect=0.0), "min_aspect of RandomErasing must be 0.01 to 1, got 0.0"),
        (lambda: Recipe(augment=RandAugment()), "augment of Recipe must be a tuple of RandAugment, Auto"),  # type: ignore[arg-type]
        (lambda: Recipe(augment=("rand",)), "augment of Recipe must be a tuple of"),  # type: ignore[arg-type]
        (lambda: Recipe(repeats=0), "repeats must be positive, got 0"),
        (lambda: Recipe(batch_size=8, repeats=3), "repeats must divide batch_size: got 3 and 8"),
        (
            lambda: Recipe(batch_size=8, repeats=8, mixup=0.2),
            "MixUp and CutMix need two images in a batch: got 8 repeats with batch_size 8",
        ),
    ],
)
def test_a_wrong_value_is_one_line(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as raised:
        make()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("path", "options", "said"),
    [
        ("no_such:f", {}, "Augmentation no_such:f cannot be imported: ModuleNotFoundError"),
        (f"{HERE}:fade", {"least": 1}, "fade fails: TypeError: fade() got an unexpected keyword argument 'least'"),
        (f"{HERE}:broken", {}, "broken fails: KeyError: 'no\\nsuch'"),
        (f"{HERE}:smaller", {}, "smaller must give uint8 [32, 32, 3], it gives uint8 [31, 32, 3]"),
        (f"{HERE}:in_floats", {}, "in_floats must give uint8 [32, 32, 3], it gives float64 [32, 32, 3]"),
        (f"{HERE}:as_tensor", {}, "as_tensor must give a NumPy array, uint8 [32, 32, 3], it gives Tensor"),
        (f"{HERE}:of_global_state", {}, "of_global_state makes two images of one: take all random numbers from"),
    ],
)
def test_a_users_function_that_cannot_be_used_is_one_line(path: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)) as raised:
        check_augmentation((Augmentation(path, options),), 32)
    assert "\n" not in str(raised.value)


def test_what_can_be_used_passes() -> None:
    check_augmentation((RandAugment(), *(Augmentation(f"{HERE}:{name}") for name in ("fade", "in_place"))), 32)
