"""The recipes against Table 3 and Table 4 as recovered."""

import pytest

from scaling.schedule.pairs import Pair, final_runs, fixed_settings
from scaling.specs.pretraining import Scratch
from scaling.specs.zoo import ZOO
from scaling.training.optim import learning_rate
from search_spaces.grids import IMAGENET_TABLE_2, PAPER_TASKS, TASKS, adjusted
from search_spaces.recipes import IMAGENET, IMAGENET_21K, JFT, JFT_BASE_LR, SGD_TABLE_7, SGD_TABLE_7_BASE_LR
from search_spaces.vit_paper import STUDY


def test_table_3() -> None:
    common = {"optimizer": "adamw", "batch_size": 4096, "warmup_steps": 10_000, "loss": "sigmoid", "head_bias": -10.0}
    for recipe, decay, dropout, schedule, clip in (
        (JFT, 0.1, 0.0, "linear", None),
        (IMAGENET_21K, 0.03, 0.1, "linear", None),
        (IMAGENET, 0.3, 0.1, "cosine", 1.0),
    ):
        assert common.items() <= vars(recipe).items()
        found = (recipe.weight_decay, recipe.dropout, recipe.schedule, recipe.grad_clip)
        assert found == (decay, dropout, schedule, clip)
    assert (JFT_BASE_LR["ViT-H/14"], JFT_BASE_LR["ViT-L/16"], JFT_BASE_LR["R50x1+ViT-L/32"]) == (3e-4, 4e-4, 2e-4)
    assert JFT_BASE_LR.keys() <= ZOO.keys()


def test_table_7s_sgd_is_bits_in_fewer_epochs() -> None:
    assert abs(SGD_TABLE_7_BASE_LR - 0.48) < 1e-12
    assert (SGD_TABLE_7.optimizer, SGD_TABLE_7.momentum, SGD_TABLE_7.weight_decay) == ("sgd", 0.9, 1e-4)
    steps = 7_000_000  # seven epochs of a million steps: BiT's points after 1.75, 4.025, 5.25 and 6.475
    for epoch, lr in ((1.74, 0.48), (1.76, 0.048), (4.02, 0.048), (4.03, 4.8e-3), (5.26, 4.8e-4), (6.48, 4.8e-5)):
        found = learning_rate(round(epoch * 1e6), base_lr=SGD_TABLE_7_BASE_LR, steps=steps, recipe=SGD_TABLE_7)
        assert found == pytest.approx(lr)


def test_table_2s_imagenet() -> None:
    for name, resolution, dev_resolution in (("ViT-L/16", 512, 384), ("ViT-H/14", 518, 378)):
        pair = Pair(Scratch(name, ZOO[name]), IMAGENET_TABLE_2, 0)
        (final,) = final_runs(pair, fixed_settings(pair)[:1], (0,))
        assert (final.recipe.polyak, final.resolution) == (0.9999, resolution)
        dev = pair.dev(final.setting)
        assert (dev.recipe.polyak, dev.resolution) == (None, dev_resolution)
    assert (IMAGENET_TABLE_2.steps, IMAGENET_TABLE_2.base_lrs) == (PAPER_TASKS[0].steps, PAPER_TASKS[0].base_lrs)


def test_what_is_tried_besides_the_grid() -> None:
    """§B.1.1: 0.06 on ImageNet for ResNets and hybrids; BiT's rule for ResNets."""
    imagenet, cifar10 = PAPER_TASKS[0], PAPER_TASKS[2]
    tried = {
        name: fixed_settings(Pair(Scratch(name, ZOO[name]), imagenet, 0))
        for name in ("ViT-B/16", "R50x1", "R26+ViT-S/32")
    }
    base_lrs = {name: [setting.base_lr for setting in settings] for name, settings in tried.items()}
    assert base_lrs["ViT-B/16"] == [3e-3, 1e-2, 3e-2]
    assert base_lrs["R26+ViT-S/32"] == [3e-3, 1e-2, 3e-2, 6e-2]
    assert base_lrs["R50x1"] == [3e-3, 1e-2, 3e-2, 6e-2, 3e-3]
    assert tried["R50x1"][-1].recipe.mixup == 0.1
    bit = fixed_settings(Pair(Scratch("R50x1", ZOO["R50x1"]), cifar10, 0))[-1]
    assert (bit.resolution, bit.steps, bit.recipe.resize) == (128, 10_000, 160)


def test_table_4() -> None:
    small = (1e-3, 3e-3, 1e-2, 3e-2)
    expected = {
        "imagenet": (20_000, (3e-3, 1e-2, 3e-2), 0.01),
        "cifar100": (10_000, small, 0.02),
        "cifar10": (10_000, small, 0.02),
        "pets": (500, small, 0.1),
        "flowers": (500, small, 0.1),
    }
    assert {task.name: (task.steps, task.base_lrs, task.dev_fraction) for task in PAPER_TASKS} == expected
    for task in PAPER_TASKS:
        recipe = task.recipe
        assert (recipe.optimizer, recipe.batch_size, recipe.schedule) == ("sgd", 512, "cosine")
        assert (recipe.weight_decay, recipe.grad_clip, recipe.momentum, task.resolution) == (0.0, 1.0, 0.9, 384)


def test_the_papers_study_has_table_6s_18_runs_and_three_seeds() -> None:
    assert len(STUDY.runs) == 18
    assert STUDY.seeds == (0, 1, 2)
    assert all(run.model == ZOO[run.name] for run in STUDY.runs)


def test_an_adjusted_task_changes_in_all_that_it_tries() -> None:
    small = adjusted(TASKS["cifar10"], steps=50, resolution=64, batch_size=32)
    (bit,) = small.resnet_settings
    assert (small.steps, small.resolution, small.recipe.batch_size, small.recipe.warmup_steps) == (50, 64, 32, 10)
    assert (bit.steps, bit.resolution, bit.recipe.resize, bit.recipe.warmup_steps) == (50, 64, 80, 10)
    assert adjusted(TASKS["cifar10"]) == TASKS["cifar10"]
    assert adjusted(TASKS["pets"], steps=500) == TASKS["pets"]  # its warm-up is a fifth already
