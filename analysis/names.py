"""How families, amounts of compute and kinds of work are written in tables and figures."""

import math
from collections.abc import Iterable

# Okabe and Ito's palette (2008), without its yellow, which is too light on white
FAMILIES = {  # family: (shown as, colour, marker)
    "vit": ("ViT", "#0072B2", "circle"),
    "resnet": ("ResNet", "#D55E00", "square"),
    "hybrid": ("Hybrid", "#009E73", "triangle-up"),
    "axial": ("Axial", "#CC79A7", "diamond"),
}
PREFIXES = {0: "", 1: "kilo", 2: "mega", 3: "giga", 4: "tera", 5: "peta", 6: "exa", 7: "zetta", 8: "yotta"}


def mark_label(text: str, label: str) -> str:
    """A name or family of other rows than ours: 'vit (paper)'."""
    return f"{text} ({label})"


def _base(family: str) -> tuple[str, str]:
    """A family's own name, and the mark of other rows, '' without one."""
    base, mark, rest = family.partition(" (")
    return (base, mark + rest) if base in FAMILIES else (family, "")


def family_name(family: str) -> str:
    """How a family is written in figures and tables."""
    base, mark = _base(family)
    return FAMILIES[base][0] + mark if base in FAMILIES else family


def flops_unit(exaflops: Iterable[float]) -> tuple[float, str]:
    """(exaFLOPs of one unit, its name) so that the middle value of those given is between 1 and 1000 units."""
    values = sorted(value for value in exaflops if value > 0)
    middle = values[(len(values) - 1) // 2] * 1e18 if values else 1e18
    power = min(max(math.floor(math.log10(middle) / 3 + 1e-9), 0), max(PREFIXES))
    return 1000.0**power / 1e18, f"{PREFIXES[power]}FLOPs"


def core_unit(core_seconds: float) -> tuple[float, str]:
    """(core-seconds of one unit, its name): core-days, or smaller ones where the total is below one."""
    for seconds, name in ((86_400.0, "core-days"), (3_600.0, "core-hours"), (60.0, "core-minutes")):
        if core_seconds >= seconds:
            return seconds, name
    return 1.0, "core-seconds"


WORK = {"pretrain": "pre-training", "trial": "choice of rates", "transfer": "fine-tuning", "fewshot": "few-shot"}
