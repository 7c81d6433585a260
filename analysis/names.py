"""How families, amounts of compute, core time and kinds of work are written in tables and figures."""

import math
import re
from collections.abc import Iterable

from clusters.hardware import chip_of_device

# Okabe and Ito's palette (2008), without its yellow, which is too light on white
FAMILIES = {  # family: (shown as, colour, marker)
    "vit": ("ViT", "#0072B2", "circle"),
    "resnet": ("ResNet", "#D55E00", "square"),
    "hybrid": ("Hybrid", "#009E73", "triangle-up"),
    "axial": ("Axial", "#CC79A7", "diamond"),
}
WORK = {
    "pretrain": "pre-training",
    "trial": "hyperparameter search",
    "transfer": "fine-tuning",
    "fewshot": "few-shot",
    "metric": "evaluations",
}
GPU = re.compile("nvidia|tesla|geforce|rtx|gpu|cuda|amd|radeon|instinct", re.IGNORECASE)  # not in the catalogue
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


def core_unit(core_seconds: float, device: str | None = None) -> tuple[float, str]:
    """(core-seconds of one unit, its name): core-days, or a smaller unit where the given time is less than one.

    On a GPU, which has no cores that anybody counts, the names are GPU-days to GPU-seconds.
    """
    core = core_noun(device)
    for seconds, name in ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes")):
        if core_seconds >= seconds:
            return seconds, f"{core}-{name}"
    return 1.0, f"{core}-seconds"


def core_noun(device: str | None) -> str:
    """What time on a device is counted by: 'GPU' or 'core'. `device` is a chip of the catalogue, or as in attempts."""
    chip = chip_of_device(device) if device else None
    known = GPU.search(device or "") is not None if chip is None else chip.kind == "gpu"
    return "GPU" if known else "core"


def duration(seconds: float) -> str:
    """A time in words, in the unit that fits: '2.7 minutes'."""
    for size, unit in ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes")):
        if seconds >= size:
            return f"{figure(seconds / size, 2 if seconds < 10 * size else 3)} {unit}"
    return f"{figure(seconds, 2)} seconds"


def figure(value: float, digits: int = 4) -> str:
    """A number with so many significant digits, never as a power of ten: 2,501; 0.0145; < 0.0001."""
    if value == 0:
        return "0"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:.{digits}g}" if abs(value) >= 1e-4 else "< 0.0001" if value > 0 else "> -0.0001"
