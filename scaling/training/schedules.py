"""Learning-rate rules, as pure functions of the step."""

import math

from scaling.specs import Recipe


def learning_rate(step: int, *, base_lr: float, steps: int, recipe: Recipe) -> float:
    """The rate of optimizer step `step` (0-based) of `steps`.

    As the official code: linear and cosine decay progress from the end of the warm-up, linearly to `end_lr` or as a
    cosine to 0. Of 'steps' (BiT §3.3) the rate falls to a tenth after each share `decay_at` of all steps. The warm-up
    multiplies any of them by step / warmup_steps. A floor above the peak is ignored.
    """
    progress = min(max((step - recipe.warmup_steps) / max(steps - recipe.warmup_steps, 1), 0.0), 1.0)
    match recipe.schedule:
        case "linear":
            floor = min(recipe.end_lr, base_lr)
            rate = floor + (base_lr - floor) * (1 - progress)
        case "cosine":
            rate = base_lr * 0.5 * (1 + math.cos(math.pi * progress))
        case "steps":
            rate = base_lr / 10 ** sum(step >= round(share * steps) for share in recipe.decay_at)
    return rate * min(1.0, step / recipe.warmup_steps) if recipe.warmup_steps else rate
