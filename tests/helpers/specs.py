"""The tiny specs that many tests share."""

from itertools import product
from typing import Any

from scaling.specs.architectures import ViT
from scaling.specs.recipe import Recipe
from scaling.specs.search import Setting, with_parameters
from scaling.specs.study import Task

TINY = ViT(patch_size=8, width=16, depth=1, mlp_dim=32, num_heads=2)
RECIPE = Recipe(
    batch_size=8, warmup_steps=2, weight_decay=0.1, dropout=0.1, grad_clip=1.0, loss="softmax", head_bias=0.0
)
TUNING = Recipe(
    optimizer="sgd", batch_size=8, warmup_steps=1, schedule="cosine", weight_decay=0.0, loss="softmax", head_bias=0.0
)

# Every combination of the fields of a ViT that say its form.
VIT_FORMS: list[dict[str, Any]] = [
    {"positions": positions, "positions_at": at, "pool": pool, "attention": attention}
    for positions, at in [
        *product(("1d", "2d"), ("stem", "every_layer", "every_layer_shared")),
        ("none", "stem"),
        ("relative", "stem"),
    ]
    for pool, attention in [("token", "full"), ("gap", "full"), ("gap", "axial")]
    if not (attention == "axial" and positions == "relative")
]


def at(task: Task, base_lr: float) -> Setting:
    """The task's setting at a rate."""
    return with_parameters(task.own, {"base_lr": base_lr})
