"""Whether two accuracies differ by more than they vary over seeds."""

import math
from collections.abc import Mapping
from typing import Any

PRINTED = 1e-4  # accuracies are printed to 0.01 %: what looks the same there is the same
WITHIN = "within the seeds' spread"


def compared(one: Mapping[str, Any], other: Mapping[str, Any]) -> int:
    """1 where the accuracy of `one` is higher than that of `other`, -1 where it is lower, 0 where no more can be said.

    Both are rows with `top1_mean` and `top1_std` (fractions). Their difference counts when it is larger than its own
    standard deviation, sqrt(s1^2 + s2^2). A row of one seed has no deviation: that of the other stands for it.
    """
    difference = float(one["top1_mean"]) - float(other["top1_mean"])
    known = [row["top1_std"] for row in (one, other) if is_known(row["top1_std"])]
    spread = math.sqrt(sum(std**2 for std in known) * 2 / len(known)) if known else 0.0
    if not abs(difference) > max(spread, PRINTED):  # NaN is no difference
        return 0
    return 1 if difference > 0 else -1


def is_known(std: float | None) -> bool:
    return std is not None and math.isfinite(std)
