"""BiT-HyperRule: the settings of BiT §3.3 by size of the data set and of its images."""

from dataclasses import replace

import pytest

from scaling.data.catalog import CIFAR10, FLOWERS, IMAGENET, PETS
from scaling.specs.pretraining import Dataset
from scaling.training.optim import learning_rate
from search_spaces.hyperrule import bit_hyperrule


@pytest.mark.parametrize(
    ("data", "side", "steps", "warmup", "mixup", "resize", "resolution"),
    [
        (FLOWERS, 500, 500, 100, 0.0, 448, 384),
        (PETS, 300, 500, 100, 0.0, 448, 384),
        (CIFAR10, 32, 10_000, 500, 0.1, 160, 128),
        (IMAGENET, 400, 20_000, 500, 0.1, 448, 384),
        (replace(PETS, num_train=19_999), 95, 500, 100, 0.0, 160, 128),
        (replace(PETS, num_train=20_000), 96, 10_000, 500, 0.1, 448, 384),
        (replace(PETS, num_train=499_999), 96, 10_000, 500, 0.1, 448, 384),
        (replace(PETS, num_train=500_000), 96, 20_000, 500, 0.1, 448, 384),
    ],
)
def test_the_rule(
    data: Dataset, side: int, steps: int, warmup: int, mixup: float, resize: int, resolution: int
) -> None:
    setting = bit_hyperrule(data, height=side, width=side)
    recipe = setting.recipe
    assert (setting.base_lr, setting.steps, setting.resolution) == (0.003, steps, resolution)
    assert (recipe.warmup_steps, recipe.mixup, recipe.crop, recipe.resize) == (warmup, mixup, "random", resize)
    assert (recipe.optimizer, recipe.momentum, recipe.batch_size, recipe.weight_decay) == ("sgd", 0.9, 512, 0.0)
    assert (recipe.loss, recipe.grad_clip, recipe.flip) == ("softmax", None, True)
    assert learning_rate(round(0.95 * steps), base_lr=0.003, steps=steps, recipe=recipe) == pytest.approx(3e-6)
    assert learning_rate(round(0.55 * steps), base_lr=0.003, steps=steps, recipe=recipe) == pytest.approx(3e-4)


@pytest.mark.parametrize(("side", "sizes"), [(400, (512, 480)), (32, (160, 128))])
def test_r152x4_sees_photographs_larger(side: int, sizes: tuple[int, int]) -> None:
    setting, others = (bit_hyperrule(IMAGENET, height=side, width=side, r152x4=widest) for widest in (True, False))
    assert (setting.recipe.resize, setting.resolution) == sizes
    same = replace(setting.recipe, resize=others.recipe.resize)
    assert replace(setting, resolution=others.resolution, recipe=same) == others


def test_a_data_set_of_unknown_size_is_an_error() -> None:
    with pytest.raises(ValueError, match="number of training images: data set mine has num_train=None"):
        bit_hyperrule(Dataset("mine"), height=32, width=32)
