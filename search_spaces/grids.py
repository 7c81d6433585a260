"""Fine-tuning tasks with their grids of learning rates: the paper's (Table 4, §B.1.1), and those of built-in data."""

from dataclasses import replace

from scaling.data import CIFAR10, CIFAR100, DIGITS, FASHION, FLOWERS, IMAGENET, PETS
from scaling.specs import FINETUNE, Dataset, Recipe, Setting, Task
from search_spaces.hyperrule import bit_hyperrule

SMALL_BASE_LRS = (1e-3, 3e-3, 1e-2, 3e-2)
FEW_STEPS = replace(FINETUNE, warmup_steps=100)  # for tasks of 500 steps, as in the official code


def _large(data: Dataset) -> tuple[Setting, ...]:
    """The BiT-HyperRule for photographs: for ResNets the better of it and the grid counts (§B.1.1)."""
    return (bit_hyperrule(data, height=384, width=384),)


def _cifar(data: Dataset) -> tuple[Setting, ...]:
    """The BiT-HyperRule for CIFAR's images of 32 pixels."""
    return (bit_hyperrule(data, height=32, width=32),)


# Table 4: batch 512, SGD with momentum, cosine schedule, no weight decay, gradients clipped at norm 1, 384 pixels. Its
# learning rate of 0.06 on ImageNet is for ResNets and hybrids only (§B.1.1).
PAPER_TASKS = (
    Task("imagenet", IMAGENET, (3e-3, 1e-2, 3e-2), 20_000, FINETUNE, 0.01, 384, (6e-2,), _large(IMAGENET)),
    Task("cifar100", CIFAR100, SMALL_BASE_LRS, 10_000, dev_fraction=0.02, resnet_settings=_cifar(CIFAR100)),
    Task("cifar10", CIFAR10, SMALL_BASE_LRS, 10_000, dev_fraction=0.02, resnet_settings=_cifar(CIFAR10)),
    Task("pets", PETS, SMALL_BASE_LRS, 500, FEW_STEPS, dev_fraction=0.1, resnet_settings=_large(PETS)),
    Task("flowers", FLOWERS, SMALL_BASE_LRS, 500, FEW_STEPS, dev_fraction=0.1, resnet_settings=_large(FLOWERS)),
)

# Table 2's ImageNet (§4.1): final runs at 512 pixels for L/16 and 518 for H/14, which are 518 lowered to whole patches,
# and with Polyak averaging.
IMAGENET_TABLE_2 = replace(PAPER_TASKS[0], name="imagenet-518", final_resolution=518, final_polyak=0.9999)

# The built-in tasks at 16 pixels: the same protocol at a small scale. Without crops, since the images fill their frame,
# and without flips, since digits and shoes have a left and a right.
SMALL = Recipe(
    optimizer="sgd",
    batch_size=32,
    warmup_steps=5,
    schedule="cosine",
    weight_decay=0.0,
    grad_clip=1.0,
    loss="softmax",
    head_bias=0.0,
    crop="none",
    flip=False,
)
BUILT_IN_TASKS = (
    Task("digits", DIGITS, (1e-1, 2e-1), 50, SMALL, dev_fraction=0.2, resolution=16),
    Task("fashion", FASHION, (5e-2, 1e-1, 2e-1), 30, SMALL, dev_fraction=0.2, resolution=16),
)
TASKS = {task.name: task for task in (*PAPER_TASKS, IMAGENET_TABLE_2, *BUILT_IN_TASKS)}


def adjusted(
    task: Task, *, steps: int | None = None, resolution: int | None = None, batch_size: int | None = None
) -> Task:
    """The task with other steps, resolution (pixels on a side) or batch size (images) in all of its settings.

    These include the BiT-HyperRule's. The warm-up is shortened to a fifth of the steps at most, and the size from which
    random crops are cut is scaled with the resolution.
    """

    def changed(setting: Setting) -> Setting:
        recipe, new_steps, side = setting.recipe, steps or setting.steps, resolution or setting.resolution
        recipe = replace(
            recipe,
            warmup_steps=recipe.warmup_steps if steps is None else min(recipe.warmup_steps, new_steps // 5),
            resize=None if recipe.resize is None else round(recipe.resize * side / setting.resolution),
            batch_size=batch_size or recipe.batch_size,
        )
        return replace(setting, steps=new_steps, resolution=side, recipe=recipe)

    own = changed(task.own)
    bit = tuple(changed(setting) for setting in task.resnet_settings)
    return replace(task, steps=own.steps, resolution=own.resolution, recipe=own.recipe, resnet_settings=bit)


def own_task(name: str) -> Task:
    """A task on a user's own photographs, by the protocol of Table 4's small sets: 500 steps at 384 pixels."""
    return Task(name, Dataset(name), SMALL_BASE_LRS, 500, FEW_STEPS, dev_fraction=0.1)
