"""The recipes against Table 3 and Table 4 as recovered."""

from scaling.zoo import ZOO
from search_spaces.grids import PAPER_TASKS
from search_spaces.recipes import IMAGENET, IMAGENET_21K, JFT, JFT_BASE_LR
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


def test_table_4() -> None:
    small = (1e-3, 3e-3, 1e-2, 3e-2)
    expected = {
        "imagenet": (20_000, (3e-3, 1e-2, 3e-2, 6e-2), 0.01),
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
