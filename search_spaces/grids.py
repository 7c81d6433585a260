"""Fine-tuning tasks with their grids: the paper's (Table 4, §B.1.1) and those of the built-in data."""

from dataclasses import replace

from scaling.data import CIFAR10, CIFAR100, DIGITS, FASHION, FLOWERS, IMAGENET, PETS
from scaling.specs import FINETUNE, Dataset, Recipe, Setting, Task
from search_spaces.hyperrule import bit_hyperrule

SMALL_RATES = (1e-3, 3e-3, 1e-2, 3e-2)
FEW_STEPS = replace(FINETUNE, warmup_steps=100)  # the official code's warm-up for tasks of 500 steps


def _large(data: Dataset) -> tuple[Setting, ...]:
    """BiT's own way on photographs: ResNets take the better of both (§B.1.1)."""
    return (bit_hyperrule(data, height=384, width=384),)


def _cifar(data: Dataset) -> tuple[Setting, ...]:
    return (bit_hyperrule(data, height=32, width=32),)


# Table 4: batch 512, SGD with momentum, cosine, no weight decay, clipping at 1, 384 pixels. Its 0.06 on ImageNet is
# what §B.1.1 adds for ResNets and hybrids.
PAPER_TASKS = (
    Task("imagenet", IMAGENET, (3e-3, 1e-2, 3e-2), 20_000, FINETUNE, 0.01, 384, (6e-2,), _large(IMAGENET)),
    Task("cifar100", CIFAR100, SMALL_RATES, 10_000, dev_fraction=0.02, resnet_settings=_cifar(CIFAR100)),
    Task("cifar10", CIFAR10, SMALL_RATES, 10_000, dev_fraction=0.02, resnet_settings=_cifar(CIFAR10)),
    Task("pets", PETS, SMALL_RATES, 500, FEW_STEPS, dev_fraction=0.1, resnet_settings=_large(PETS)),
    Task("flowers", FLOWERS, SMALL_RATES, 500, FEW_STEPS, dev_fraction=0.1, resnet_settings=_large(FLOWERS)),
)

# Table 2's ImageNet (§4.1): the final runs at 512 pixels for L/16 and 518 for H/14, 518 in whole patches for both, and
# with Polyak averaging.
IMAGENET_TABLE_2 = replace(PAPER_TASKS[0], name="imagenet-518", final_resolution=518, final_polyak=0.9999)

# The built-in tasks at 16 pixels: the same protocol in the small. No crops and no flips: few steps over images that
# fill their frame, and digits and shoes have a left and a right.
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
    """The task with other steps, pixels a side or images of a batch in all that it tries, BiT's rule included.

    The warm-up is a fifth of the steps at most, and random crops stay the same share of what they are cut from.
    """

    def changed(setting: Setting) -> Setting:
        recipe, length, side = setting.recipe, steps or setting.steps, resolution or setting.resolution
        recipe = replace(
            recipe,
            warmup_steps=recipe.warmup_steps if steps is None else min(recipe.warmup_steps, length // 5),
            resize=None if recipe.resize is None else round(recipe.resize * side / setting.resolution),
            batch_size=batch_size or recipe.batch_size,
        )
        return replace(setting, steps=length, resolution=side, recipe=recipe)

    own = changed(task.own)
    bit = tuple(changed(setting) for setting in task.resnet_settings)
    return replace(task, steps=own.steps, resolution=own.resolution, recipe=own.recipe, resnet_settings=bit)


def own_task(name: str) -> Task:
    """A task on somebody's own photographs, by the protocol of Table 4's small sets, 500 steps."""
    return Task(name, Dataset(name), SMALL_RATES, 500, FEW_STEPS, dev_fraction=0.1)
