"""How families, amounts of compute, core time and kinds of work are written in tables and figures."""

import math
from collections.abc import Iterable

# Okabe and Ito's palette (2008), without its yellow, which is too light on white
FAMILIES = {  # family: (shown as, colour, marker)
    "vit": ("ViT", "#0072B2", "circle"),
    "resnet": ("ResNet", "#D55E00", "square"),
    "hybrid": ("Hybrid", "#009E73", "triangle-up"),
    "axial": ("Axial", "#CC79A7", "diamond"),
}
WORK = {"pretrain": "pre-training", "trial": "hyperparameter search", "transfer": "fine-tuning", "fewshot": "few-shot"}
PREFIXES = {0: "", 1: "kilo", 2: "mega", 3: "giga", 4: "tera", 5: "peta", 6: "exa", 7: "zetta", 8: "yotta"}


def mark_label(text: str, label: str) -> str:
    """A name or family of another storage's rows: 'vit (paper)'."""
    return f"{text} ({label})"


def split_mark(family: str) -> tuple[str, str]:
    """A family without the mark of another storage, and that mark: ('vit', ' (paper)'); the mark is '' for our rows."""
    base, mark, rest = family.partition(" (")
    return (base, mark + rest) if base in FAMILIES else (family, "")


def family_name(family: str) -> str:
    """How a family is written in figures and tables."""
    base, mark = split_mark(family)
    return FAMILIES[base][0] + mark if base in FAMILIES else family


def flops_unit(exaflops: Iterable[float]) -> tuple[float, str]:
    """(exaFLOPs of one unit, its name), such that the median of the given values is between 1 and 1000 units."""
    values = sorted(value for value in exaflops if value > 0)
    median = values[(len(values) - 1) // 2] * 1e18 if values else 1e18
    power = min(max(math.floor(math.log10(median) / 3 + 1e-9), 0), max(PREFIXES))  # 1e-9: log10 of 1000 may be 2.99…
    return 1000.0**power / 1e18, f"{PREFIXES[power]}FLOPs"


def core_unit(core_seconds: float) -> tuple[float, str]:
    """(core-seconds of one unit, its name): core-days, or a smaller unit where the given time is less than one."""
    for seconds, name in ((86_400.0, "core-days"), (3_600.0, "core-hours"), (60.0, "core-minutes")):
        if core_seconds >= seconds:
            return seconds, name
    return 1.0, "core-seconds"
