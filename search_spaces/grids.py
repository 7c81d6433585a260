"""Fine-tuning tasks with their grids: the paper's (Table 4, §B.1.1) and those of the built-in data."""

from dataclasses import replace

from scaling.datasets import CIFAR10, CIFAR100, DIGITS, FASHION, FLOWERS, IMAGENET, PETS
from scaling.specs import FINETUNE, Recipe, Task

SMALL_RATES = (1e-3, 3e-3, 1e-2, 3e-2)
FEW_STEPS = replace(FINETUNE, warmup_steps=100)  # the official code's warm-up for tasks of 500 steps

# Table 4: batch 512, SGD with momentum, cosine, no weight decay, clipping at 1, 384 pixels.
PAPER_TASKS = (
    Task("imagenet", IMAGENET, (3e-3, 1e-2, 3e-2, 6e-2), 20_000, dev_fraction=0.01),
    Task("cifar100", CIFAR100, SMALL_RATES, 10_000, dev_fraction=0.02),
    Task("cifar10", CIFAR10, SMALL_RATES, 10_000, dev_fraction=0.02),
    Task("pets", PETS, SMALL_RATES, 500, FEW_STEPS, dev_fraction=0.1),
    Task("flowers", FLOWERS, SMALL_RATES, 500, FEW_STEPS, dev_fraction=0.1),
)

# Table 2's ImageNet (§4.1): Polyak averaging, and 512 pixels for L/16, 518 for H/14: 518 in whole patches for both.
IMAGENET_TABLE_2 = replace(PAPER_TASKS[0], name="imagenet-518", recipe=replace(FINETUNE, polyak=0.9999), resolution=518)

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
