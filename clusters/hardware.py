"""The chip catalogue (`hardware.toml`): cores, peak rates, prices, and rates that were measured. Imports no ray."""

import difflib
import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

SECONDS_PER_DAY = 86_400
PAPER_UTILISATION = 0.348  # 1.847 EF a core-day of 61.5 TFLOP/s: all of the ViT paper's Table 2 on TPU v3


@dataclass(frozen=True)
class Hardware:
    """One kind of chip. A core is the vendor's core: a TPU v3 chip has two."""

    name: str
    cores_per_chip: int
    dtype: str
    peak_tflops: float | None = None  # TFLOP/s a chip, dense, in dtype
    price_usd_per_chip_hour: float | None = None
    exaflops_per_core_day: dict[str, float] = field(default_factory=dict)  # measured: by model, and 'pooled'

    def rate(self, model: str, utilisation: float | None = None) -> float:
        """ExaFLOPs that a core does in a day of training `model`.

        A given utilisation (share of the peak) goes first, then what was measured for the model or pooled over models,
        then the utilisation of the paper's own runs. Raises ValueError when there is no peak to take a share of.
        """
        measured = self.exaflops_per_core_day
        if utilisation is None and measured:
            return measured.get(model, measured["pooled"])
        if self.peak_tflops is None:
            raise ValueError(f"hardware {self.name} has no catalogued peak to take a utilisation of")
        share = PAPER_UTILISATION if utilisation is None else utilisation
        if not 0 < share <= 1:
            raise ValueError(f"utilisation must be in (0, 1], got {share}")
        return share * self.peak_tflops / self.cores_per_chip * SECONDS_PER_DAY / 1e6

    def price_usd(self, core_days: float) -> float | None:
        """List price of so many core-days, or None where no price is known."""
        if self.price_usd_per_chip_hour is None:
            return None
        return core_days / self.cores_per_chip * 24 * self.price_usd_per_chip_hour

    def rate_note(self, utilisation: float | None) -> str:
        """Where `rate` takes its figure from, for people."""
        if utilisation is not None:
            return f"{utilisation:.0%} of peak"
        if self.exaflops_per_core_day:
            return "the measured rate"
        return f"{PAPER_UTILISATION:.0%} of peak, the ViT paper's own on TPU v3"


@cache
def catalogue() -> dict[str, Hardware]:
    """All chips by name."""
    tables = tomllib.loads((files("clusters") / "hardware.toml").read_text())
    return {name: Hardware(name=name, **row) for name, row in tables.items() if isinstance(row, dict)}


def hardware(name: str) -> Hardware:
    """The chip called `name`. Raises ValueError naming close matches."""
    chips = catalogue()
    if name not in chips:
        near = difflib.get_close_matches(name, chips, n=3) or sorted(chips)
        raise ValueError(f"unknown hardware {name!r}: try {', '.join(near)}")
    return chips[name]
