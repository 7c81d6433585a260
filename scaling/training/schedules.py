"""Learning-rate rules, as pure functions of the step."""

import math

from scaling.specs import Recipe


def learning_rate(step: int, *, base_lr: float, steps: int, recipe: Recipe) -> float:
    """The rate of optimizer step `step` (0-based) of `steps`.

    As the official code: decay progresses from the end of the warm-up, linearly to `end_lr` or as a cosine to 0, and
    the warm-up multiplies it by step / warmup_steps. A floor above the peak is ignored.
    """
    progress = min(max((step - recipe.warmup_steps) / max(steps - recipe.warmup_steps, 1), 0.0), 1.0)
    if recipe.schedule == "linear":
        floor = min(recipe.end_lr, base_lr)
        rate = floor + (base_lr - floor) * (1 - progress)
    else:
        rate = base_lr * 0.5 * (1 + math.cos(math.pi * progress))
    return rate * min(1.0, step / recipe.warmup_steps) if recipe.warmup_steps else rate
